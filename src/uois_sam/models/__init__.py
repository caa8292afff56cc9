"""The paper's components, one a file; see docs/method/paper-map.md for which symbol is which equation."""
