"""Seewhy: see why a vision model decided - what it saw, where, and how much each thing counted."""
