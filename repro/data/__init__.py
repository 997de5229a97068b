"""What nets are trained and tested on, and how training images are varied."""
