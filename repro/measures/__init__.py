"""What is measured of a net beside its task's metrics: counts of the architecture, probes of its weights."""
