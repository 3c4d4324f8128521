"""A model and a few labels of one's own -> a model of one's own."""
