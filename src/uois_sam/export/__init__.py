"""From a model in torch to a folder of fixed-shape graphs (:mod:`uois_sam.backends` reads it)."""
