"""A test harness for the claims of the papers that made computer vision."""
