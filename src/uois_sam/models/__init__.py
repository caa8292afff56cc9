"""The paper's components, one a file; see docs/paper_map.md for which symbol is which equation."""
