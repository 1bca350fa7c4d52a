"""What does a model do on my data? Shortcuts, strategies, planted truth."""
