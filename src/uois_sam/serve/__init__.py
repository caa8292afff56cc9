"""Segmentation over HTTP and a page for the browser (extra ``serve``); used by ``uois-sam serve`` only.

A request passes :mod:`~uois_sam.serve.guard` (who may ask, how much), :mod:`~uois_sam.serve.reading` (body to values),
a route of :mod:`~uois_sam.serve.routes` or :mod:`~uois_sam.serve.compat`, and waits in the
:mod:`~uois_sam.serve.engine` for the model; :mod:`~uois_sam.serve.answers` encodes what is found.
"""
