"""From a scene to its pixels, and to the cause of each."""
