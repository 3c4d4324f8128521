"""Training by gradient steps: the CNN, and the upper blocks of a transfer model, here or in workers of Ray Train."""
