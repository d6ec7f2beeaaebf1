"""Metrics of anomaly detection as pure functions on arrays."""
