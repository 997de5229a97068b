"""Layers that nets of several papers share."""
