"""Exported models: the networks as graphs of ONNX Runtime, OpenVINO, TensorRT or TorchScript, for the same pipeline.

Nothing in here imports torch, but for TorchScript's own session. :mod:`uois_sam.export` writes what is read here.
"""
