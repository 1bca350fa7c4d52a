"""Networks that were written down, so that their answers are known."""
