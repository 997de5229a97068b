"""The static site of results: pages, charts and tables."""
