"""Counts of an architecture: functions of a net on the meta device, which has shapes but no memory."""

from torch import nn


def params(model: nn.Module) -> int:
    """Trainable parameters, biases and batch normalisation included."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
