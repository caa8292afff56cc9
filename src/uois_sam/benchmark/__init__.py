"""Timing of a photo's stages, lower bounds, and peers with the same weights on the same machine."""
