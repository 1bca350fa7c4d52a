"""What does a model see? Concept spaces found in or laid over its features."""
