"""A model against a data set: every protocol, every control, every fact beside the number."""
