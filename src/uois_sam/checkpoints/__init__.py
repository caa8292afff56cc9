"""From a name, folder or hub id to verified weights: networks, model card and inference settings."""
