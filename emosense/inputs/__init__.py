"""The inputs of a job: recordings, listings, corpora."""
