"""A net with its data: what is trained, probed and treated."""
