"""How an arm becomes a trial: one loop, its recipes, its checkpoints and its devices."""
