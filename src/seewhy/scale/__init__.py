"""How does a long job run? Shards, a manifest, and going on after any interruption."""
