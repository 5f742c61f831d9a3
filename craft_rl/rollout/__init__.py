"""Episodes of a model in a world, recorded in tokens."""
