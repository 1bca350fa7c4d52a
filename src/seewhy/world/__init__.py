"""What is true? A generated picture world in which the cause of every pixel is known."""
