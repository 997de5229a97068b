"""What this package adds to repro: `pyproject.toml` says under which names."""
