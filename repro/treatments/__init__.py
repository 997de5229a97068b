"""What is done to a trained net before it is measured."""
