"""Whole models, a page each."""
