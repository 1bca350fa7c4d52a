"""How the bundled models are made: recipes, pictures, the loop that survives a kill, the measures of the cards."""
