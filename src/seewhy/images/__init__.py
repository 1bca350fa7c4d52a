"""What is the picture? Reading, geometry, regions and the model's own preprocessing."""
