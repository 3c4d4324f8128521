"""Bytes -> waveform: float32, mono, at the sample rate that is asked for."""
