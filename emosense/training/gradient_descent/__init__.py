"""Training by gradient steps: the CNN, and the front of a transfer model, here or in workers of Ray Train."""
