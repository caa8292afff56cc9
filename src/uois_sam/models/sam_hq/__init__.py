"""SAM-HQ: SAM with a token of its own for fine outlines."""
