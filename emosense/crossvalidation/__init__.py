"""Corpus -> honest figures."""
