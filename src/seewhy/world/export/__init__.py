"""Scenes as files that others read."""
