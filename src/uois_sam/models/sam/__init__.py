"""SAM's image encoder and mask decoder, driven for inference."""
