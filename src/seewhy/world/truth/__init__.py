"""What is true: of a rule, and of a model that is asked again about scenes drawn again."""
