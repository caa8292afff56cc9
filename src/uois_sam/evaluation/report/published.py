"""Tables II to V of the paper as data (arXiv 2409.15481, Sec. IV), to compare results with.

Every row of numbers is overlap P, R, F, boundary P, R, F, and %75, in percent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

COLUMNS = ("P", "R", "F", "bP", "bR", "bF", "%75")
"""Short names; b for boundary."""
COLUMN_NAMES = (
    "overlap P",
    "overlap R",
    "overlap F",
    "boundary P",
    "boundary R",
    "boundary F",
    "%75",
)

Row = tuple[float, float, float, float, float, float, float]
_Maybe = float | None
Reported = tuple[_Maybe, _Maybe, _Maybe, _Maybe, _Maybe, _Maybe, _Maybe]
"""A row of which some figures may not be published."""


@dataclass(frozen=True)
class PublishedRow:
    """One method of Table II or III."""

    method: str
    reference: str
    """Publication of the method."""
    training: str
    """TOD; U-S: UOAIS-Sim; U-S#: UOAIS-Sim with amodal labels."""
    results: Mapping[str, Reported]
    """Data set (as ``uois-sam evaluate`` calls it) to numbers."""
    inputs: str = "RGB"
    refined: bool = False
    """True with a second, zoomed-in stage."""

    @property
    def name(self) -> str:
        """Name in tables."""
        return f"{self.method}{' + refinement' if self.refined else ''}"


@dataclass(frozen=True)
class AblationRow:
    """One row of Table IV or V, on OCID."""

    name: str
    result: Row
    settings: Mapping[str, str | float] = field(default_factory=dict)
    """Settings that a report must have to stand beside this row."""


FLAGS: Mapping[str, str] = {
    "depth": "masks with little valid depth are dropped (below 50 % on OCID, 80 % on OSD; DA-Fusion: below 84 %, and "
    "those on the support's plane), or photos cropped to it",
    "threshold": "score thresholds (0.7 to 0.9) are part of the evaluation's code; DA-Fusion's says what its own gains "
    "on OCID, and has a tool that keeps the weights that score best on each test set",
    "labels": "OSD is scored against corrected labels where they are there, ten frames of OCID against renumbered ones",
    "resized": "photo and labels are brought to 640x480 first; scores are means of three trainings",
    "unchecked": "its protocol has not been read",
}
"""Differences of protocol that make rows hard to compare."""
METHOD_FLAGS: Mapping[str, tuple[str, ...]] = {
    "UCN": ("depth",),
    "UOAIS-Net": ("resized",),
    "MSMFormer": ("depth", "threshold"),
    "DA-Fusion": ("depth", "threshold", "labels"),
    "UCN+": ("unchecked",),
}
"""Keys of ``FLAGS`` for methods whose own public evaluation code differs. The paper does not say which of its rows were
made with that code."""
WITHOUT_FIGURES = ("UCN+",)
"""Methods that publish results on these data sets, but whose figures could not be read."""

TITLES = {"ocid": "OCID", "osd": "OSD", "phocal": "PhoCAL", "housecat6d": "HouseCat6D"}

OURS_IN_PAPER = "UOIS-SAM (paper)"


def _two(names: tuple[str, str], first: Reported, second: Reported) -> dict[str, Reported]:
    return dict(zip(names, (first, second), strict=True))


_FULL = {"prompts": "heatmap", "scores": "hdnet"}
_II = ("ocid", "osd")
_III = ("phocal", "housecat6d")

# fmt: off
TABLE_2 = (
    PublishedRow("Mask R-CNN", "He et al., ICCV 2017", "TOD", _two(_II,
        (77.6, 67.0, 67.2, 65.5, 53.9, 54.6, 55.8), (64.2, 61.3, 62.5, 50.2, 40.2, 44.0, 31.9))),
    PublishedRow("UCN", "Xiang et al., CoRL 2020", "TOD", _two(_II,
        (54.8, 76.0, 59.4, 34.5, 45.0, 36.5, 48.0), (57.2, 73.8, 63.3, 34.7, 50.0, 39.1, 52.5))),
    PublishedRow("UCN", "Xiang et al., CoRL 2020", "TOD", _two(_II,
        (59.1, 74.0, 61.1, 40.8, 55.0, 43.8, 58.2), (59.1, 71.7, 63.8, 34.3, 53.3, 39.5, 52.6)), refined=True),
    PublishedRow("Mask2Former", "Cheng et al., CVPR 2022", "TOD", _two(_II,
        (67.2, 73.1, 67.1, 55.9, 58.1, 54.5, 54.3), (60.6, 60.2, 59.5, 48.2, 41.7, 43.3, 32.4))),
    PublishedRow("UOAIS-Net", "Back et al., ICRA 2022", "U-S#", _two(_II,
        (66.5, 83.1, 67.9, 62.1, 70.2, 62.3, 73.1), (84.2, 83.7, 83.8, 72.2, 72.8, 72.1, 76.7))),
    PublishedRow("MSMFormer", "Lu et al., ICRA 2024", "U-S", _two(_II,
        (70.2, 84.4, 70.5, 64.5, 74.9, 64.9, 75.3), (59.3, 82.0, 67.9, 42.9, 72.0, 52.4, 72.4))),
    PublishedRow("MSMFormer", "Lu et al., ICRA 2024", "U-S", _two(_II,
        (73.9, 67.1, 66.3, 64.6, 52.9, 54.8, 52.8), (63.9, 63.7, 62.7, 51.6, 45.3, 47.0, 41.1)), refined=True),
    PublishedRow(OURS_IN_PAPER, "Cao et al., arXiv 2409.15481", "U-S", _two(_II,
        (85.8, 81.0, 79.9, 78.1, 75.2, 72.5, 78.3), (75.4, 84.8, 78.9, 58.3, 81.3, 66.1, 82.5))),
)

TABLE_3 = (
    PublishedRow("UCN", "Xiang et al., CoRL 2020", "TOD", _two(_III,
        (50.0, 60.4, 47.5, 26.4, 31.3, 23.5, 39.0), (34.7, 76.2, 45.0, 18.0, 35.7, 22.5, 48.4))),
    PublishedRow("UCN", "Xiang et al., CoRL 2020", "TOD", _two(_III,
        (51.6, 56.2, 46.9, 27.3, 32.7, 24.2, 41.0), (37.8, 72.5, 46.6, 23.2, 46.7, 29.0, 57.1)), refined=True),
    PublishedRow("UOAIS-Net", "Back et al., ICRA 2022", "U-S#", _two(_III,
        (62.3, 82.4, 67.2, 49.6, 58.5, 51.4, 74.5), (51.3, 84.6, 60.3, 47.1, 67.3, 52.8, 81.2))),
    PublishedRow("MSMFormer", "Lu et al., ICRA 2024", "U-S", _two(_III,
        (55.3, 80.3, 62.7, 44.6, 60.8, 49.6, 69.7), (58.7, 84.8, 67.3, 51.0, 69.9, 57.6, 80.4))),
    PublishedRow("MSMFormer", "Lu et al., ICRA 2024", "U-S", _two(_III,
        (63.1, 77.1, 66.1, 45.6, 51.4, 46.1, 63.8), (61.4, 79.2, 66.7, 53.2, 60.0, 54.9, 71.3)), refined=True),
    PublishedRow("UCN", "Xiang et al., CoRL 2020", "TOD", _two(_III,
        (56.2, 42.3, 38.0, 29.7, 22.7, 17.8, 34.2), (68.4, 34.9, 35.5, 41.6, 25.1, 18.5, 22.9)), inputs="RGBD"),
    PublishedRow("UOAIS-Net", "Back et al., ICRA 2022", "U-S#", _two(_III,
        (68.6, 81.6, 71.8, 45.1, 54.4, 46.9, 73.6), (52.0, 84.1, 61.5, 40.1, 60.1, 45.9, 76.5)), inputs="RGBD"),
    PublishedRow("MSMFormer", "Lu et al., ICRA 2024", "U-S", _two(_III,
        (29.5, 55.5, 32.6, 12.6, 28.4, 15.9, 24.2), (16.7, 60.9, 25.3, 6.4, 24.3, 9.9, 17.1)), inputs="RGBD"),
    PublishedRow(OURS_IN_PAPER, "Cao et al., arXiv 2409.15481", "U-S", _two(_III,
        (78.3, 83.6, 78.5, 68.9, 71.2, 68.2, 77.4), (62.5, 85.3, 70.0, 61.2, 76.8, 66.2, 84.8))),
)

ELSEWHERE = (
    PublishedRow("DA-Fusion", "Park et al., ICRA 2025, github.com/teamROBI/DA-Fusion", "U-S", _two(_II,
        (93.2, 92.6, 92.1, None, None, 90.0, 92.7), (93.5, 92.4, 92.9, None, None, 88.0, 92.9)), inputs="RGBD"),
)

TABLE_4 = (
    AblationRow("grid (SAM baseline)", (21.0, 61.3, 26.5, 12.5, 66.8, 19.9, 35.3),
                {"prompts": "grid", "scores": "sam"}),
    AblationRow("+ foreground", (36.4, 51.7, 39.2, 16.7, 61.4, 24.0, 25.6),
                {"prompts": "foreground-grid", "scores": "sam"}),
    AblationRow("+ heatmap", (49.6, 60.4, 51.2, 28.4, 68.7, 36.6, 41.8),
                {"prompts": "heatmap", "scores": "sam"}),
    AblationRow("+ HDNet = UOIS-SAM", (85.8, 81.0, 79.9, 78.1, 75.2, 72.5, 78.3),
                _FULL),
)

TABLE_5 = (
    AblationRow("1 %", (85.0, 78.5, 77.4, 77.0, 72.1, 69.6, 74.8), {"percent": 1, **_FULL}),
    AblationRow("5 %", (86.7, 78.7, 78.7, 79.4, 72.1, 71.2, 74.5), {"percent": 5, **_FULL}),
    AblationRow("10 %", (85.8, 81.0, 79.9, 78.1, 75.2, 72.5, 78.3), {"percent": 10, **_FULL}),
    AblationRow("50 %", (84.2, 81.1, 79.1, 76.6, 75.8, 72.0, 78.1), {"percent": 50, **_FULL}),
    AblationRow("100 %", (84.5, 82.1, 80.0, 77.3, 77.1, 73.3, 80.4), {"percent": 100, **_FULL}),
)
# fmt: on


def flagged(name: str, method: str | None = None) -> str:
    """Name of a row in tables with the keys of its method's flags; the method is the name where it is left out."""
    flags = METHOD_FLAGS.get(method or name, ())
    return f"{name} [{', '.join(flags)}]" if flags else name


def flag_notes(rows: Iterable[PublishedRow]) -> list[str]:
    """One line for each flag of some rows and of the methods that are published elsewhere, and one that names these."""
    named = (*(row.method for row in (*rows, *ELSEWHERE)), *WITHOUT_FIGURES)
    used = {flag for method in named for flag in METHOD_FLAGS.get(method, ())}
    notes = [f"[{flag}] {meaning}." for flag, meaning in FLAGS.items() if flag in used]
    others = ", ".join(dict.fromkeys(row.name for row in ELSEWHERE))
    return [
        "Flags: in what the evaluation of a method's own code differs; which code made these rows is not published. "
        + " ".join(notes),
        f"Not in the paper, as its authors publish it under their own protocol: {others}. Published under another "
        f"protocol, and so without figures here: {', '.join(map(flagged, WITHOUT_FIGURES))}.",
    ]


def published_for(dataset: str) -> tuple[PublishedRow, ...]:
    """Return the rows of Tables II and III with results on a data set."""
    return _with_results(dataset, (*TABLE_2, *TABLE_3))


def elsewhere_for(dataset: str) -> tuple[PublishedRow, ...]:
    """Return the rows with results on a data set that are in none of the paper's tables."""
    return _with_results(dataset, ELSEWHERE)


def _with_results(dataset: str, rows: Iterable[PublishedRow]) -> tuple[PublishedRow, ...]:
    return tuple(row for row in rows if dataset in row.results)
