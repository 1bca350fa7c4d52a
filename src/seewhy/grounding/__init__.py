"""From words to places: what a VLM says of each cell of a picture."""
