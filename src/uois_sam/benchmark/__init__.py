"""Measuring: our models and their peers, with the same weights on the same machine."""
