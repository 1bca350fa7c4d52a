"""Which words are worth keeping? Pure functions from a vocabulary to what stays and why not the rest."""
