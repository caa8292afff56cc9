"""Data sets of rendered scenes: make, write, read and export them."""
