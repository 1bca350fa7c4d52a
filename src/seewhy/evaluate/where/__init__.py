"""Where: maps against masks of the scene."""
