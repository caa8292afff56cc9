"""Reading and writing: images and video, files that appear whole or not at all, RLE masks, overlays."""
