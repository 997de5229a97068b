"""What the pytest face is made of: items, and what lasts as long as a run of them."""
