"""Waveform -> features: float32 arrays, shape (n_values,) or (n_frames, n_bands).

`sets` lists the feature sets, `config` holds the settings of one, `spectrum` has the STFT that all of them share.
"""
