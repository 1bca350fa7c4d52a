"""Picture and words."""
