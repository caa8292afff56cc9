"""Shapes of objects: one file per group of families; :mod:`uois_sam.synth.assets.families` lists them all."""
