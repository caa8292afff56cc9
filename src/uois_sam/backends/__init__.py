"""Networks as graphs of ONNX Runtime, OpenVINO, TensorRT or TorchScript, behind the same pipeline.

The graphs are those of an exported folder, or those that come with the package for compact models of the bundled sizes
(:mod:`uois_sam.backends.bundled`). :mod:`uois_sam.export` writes both. Torch is imported by the sessions of TorchScript
and TensorRT only.
"""
