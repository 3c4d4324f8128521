"""Waveform -> features: float32 arrays whose axes are (frames, bands)."""
