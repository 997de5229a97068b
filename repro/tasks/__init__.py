"""What a net is trained for: loss, prediction and metrics."""
