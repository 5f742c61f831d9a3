"""Studies: several methods from the same starts under the same budget, compared with honest intervals."""
