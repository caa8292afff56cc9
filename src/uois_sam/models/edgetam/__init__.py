"""EdgeTAM: a small convolutional image encoder (RepViT) before the decoder of SAM 2.1."""
