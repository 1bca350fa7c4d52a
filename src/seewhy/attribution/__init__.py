"""Where, without concepts: attribution methods over any backbone."""
