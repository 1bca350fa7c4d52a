"""Where do names come from? Model names, the places where their files lie, and what to say when they do not."""
