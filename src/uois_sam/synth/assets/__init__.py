"""Shapes, textures and skies that scenes are made of, and a user's own of each."""
