"""How much: maps and contributions against what the network does."""
