"""Training of language agents on the text worlds of craft."""
