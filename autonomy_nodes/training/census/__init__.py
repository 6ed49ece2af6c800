"""What is in data to learn from or to be recorded, where it is rare, and how it differs from other data."""
