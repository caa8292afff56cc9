"""SAM 2.1 and what shares its decoder: an image encoder with a pyramid of features, and their sizes."""
