"""What limits left out of a result, counted, and the notes that say so."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from uois_sam.config import InferenceConfig
from uois_sam.errors import count


@dataclass(frozen=True)
class Losses:
    """Counts of one view of a photo, or of several together."""

    peaks: int = 0
    """Peaks that did not become prompts, because there were more than are allowed."""
    prompts: int = 0
    """Those that did."""
    large: int = 0
    """Masks that only the limit on their area kept out."""
    small: int = 0
    """Masks below the smallest area that was asked for."""
    outside: int = 0
    """Masks of things that stand outside the workspace, as depth shows."""
    support: int = 0
    """Masks that are the support itself."""
    unasked: int = 0
    """Peaks that became no prompts, because they lie outside the workspace."""

    def __add__(self, other: Losses) -> Losses:
        return Losses(*(mine + others for mine, others in zip(astuple(self), astuple(other), strict=True)))

    def notes(self, settings: InferenceConfig) -> tuple[str, ...]:
        """Return one note for each limit that left something out, with the option that changes it.

        Args:
            settings: in effect.
        """
        found = []
        if self.peaks:
            peaks = count(self.prompts + self.peaks, "peak")
            found.append(
                f"prompts used up: {peaks}, of which the {self.peaks} weakest got no prompt; "
                "raise --max-prompts (max_prompts), or look closer with --tiles (tiles)"
            )
        if self.large:
            found.append(
                f"too large: {count(self.large, 'mask')} above {settings.max_area_fraction:.0%} of the view left out; "
                "raise --max-area (max_area)"
            )
        if self.small:
            found.append(
                f"too small: {count(self.small, 'mask')} below {count(settings.min_area_px, 'pixel')} left out; "
                "lower --min-area (min_area)"
            )
        if self.outside or self.unasked:
            what = ((self.outside, "mask"), (self.unasked, "prompt"))
            found.append(
                f"outside the workspace: {' and '.join(count(n, thing) for n, thing in what if n)} left out, "
                "which do not stand on the support that depth shows; --workspace off (workspace) keeps them"
            )
        if self.support:
            found.append(
                f"support taken for an object: {count(self.support, 'mask')} left out, flat on the plane that depth "
                "shows; without --depth (depth) they are kept"
            )
        return tuple(found)
