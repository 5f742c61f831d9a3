"""From trajectories to the exact token ids a trainer sees."""
