"""Recipes: named settings of whole runs, one typed function each."""
