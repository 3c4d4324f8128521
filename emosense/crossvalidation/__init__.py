"""Cross-validation: corpus -> scores on speakers who were not in training."""
