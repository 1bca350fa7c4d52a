"""What is said of scenes: captions with their facts, false ones, and how they are read back."""
