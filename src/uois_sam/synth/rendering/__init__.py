"""Rendering of scenes by Mitsuba: photo, depth and ground truth."""
