"""The nets, one file a paper."""
