"""Which method can I trust? Methods against ceilings and floors on pictures whose truth is known."""
