"""EmoSense: the emotion in every recording of a folder or a bucket."""

__version__ = "0.1.0"
