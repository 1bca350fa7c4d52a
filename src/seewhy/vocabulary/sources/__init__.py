"""Where words come from: files, an installed WordNet, a ConceptNet dump, captions, a language model."""
