"""The version: one place, so that nobody imports the package's face to know it."""

__version__ = "0.1.0"
