"""Conversion of finished data sets from the native layout to those of UOAIS-Sim and BOP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from uois_sam.synth.dataset.export.bop import write_bop
from uois_sam.synth.dataset.export.uoais import write_uoais
from uois_sam.synth.dataset.reader import StoredScene

Exporter = Callable[[list[StoredScene], Path, str], Iterator[StoredScene]]

EXPORTERS: Mapping[str, Exporter] = {"uoais": write_uoais, "bop": write_bop}
"""Layout -> function that writes scenes into a folder under the name of a split, yielding each when it is done."""
