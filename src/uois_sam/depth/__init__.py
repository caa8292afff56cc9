"""Depth beside a photo: what its support is, how high things stand above it, and where the workspace ends.

Depth says where things are, not what shape they have: sensors lose glass, and what shines. So depth takes nothing away
for being absent; it only leaves out what it shows to stand elsewhere, or to be the support itself.
"""

from uois_sam.depth.reading import DepthMap, read_depth_map
from uois_sam.depth.scene import Cells, DepthScene, Verdict, understand
from uois_sam.depth.workspace import Box, read_workspace

__all__ = ["Box", "Cells", "DepthMap", "DepthScene", "Verdict", "read_depth_map", "read_workspace", "understand"]
