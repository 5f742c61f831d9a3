"""ALFWorld's text game: household tasks in generated or official houses."""
