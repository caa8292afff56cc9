"""SAM 3's tracker: the image encoder of SAM 3 before the decoder of SAM 2.1."""
