"""Controlled settings: networks of which it is known which cell of a grid of pictures their score comes from."""
