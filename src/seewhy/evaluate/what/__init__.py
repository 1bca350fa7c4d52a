"""What: concepts against presence and class truth, and how few of them a head needs."""
