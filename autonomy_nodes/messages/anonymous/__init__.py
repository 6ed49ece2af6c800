"""Recordings without the place where they were made."""
