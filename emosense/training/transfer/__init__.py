"""Transfer models: the first layers of a published encoder, a head on them, and both tuned together."""
