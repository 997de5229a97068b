"""Two ways to compute one thing, claimed to be equal."""
