"""From a scene to pixels: photo, depth and ground truth."""
