"""Which words? Concepts with an identity, where they come from, and which are worth keeping."""
