"""What there is to do: recordings, listings, corpora."""
