"""Recordings -> rows."""
