"""Who can keep it? Tables, files and the page of an answer."""
