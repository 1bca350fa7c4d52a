"""What is asked of scenes: rules that can be read, splits, pictures with labels."""
