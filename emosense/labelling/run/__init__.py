"""What a labelling run keeps beside its output: parts, journal, lock."""
