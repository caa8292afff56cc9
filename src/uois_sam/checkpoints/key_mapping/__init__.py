"""Names of tensors: from the files that a network's authors publish to those that transformers' modules have.

The same numbers are published under different names. Nothing here knows sizes, so tiny models convert like large ones.
"""
