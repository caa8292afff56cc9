"""Features of the frozen networks, computed once an image and kept on disk."""
