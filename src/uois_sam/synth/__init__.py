"""Synthetic scenes: plain-data descriptions, settled by MuJoCo, path-traced by Mitsuba (extra ``synth``)."""
