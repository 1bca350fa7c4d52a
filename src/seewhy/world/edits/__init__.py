"""A scene with one thing changed, and nothing else."""
