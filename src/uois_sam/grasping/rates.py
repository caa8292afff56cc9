"""Success rates with their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

Z_95 = 1.959964


@dataclass(frozen=True)
class Rate:
    """A number of successes among a number of trials."""

    successes: int
    trials: int

    @property
    def value(self) -> float:
        """Share of successes; NaN without trials."""
        return self.successes / self.trials if self.trials else float("nan")

    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval; 0 to 1 without trials."""
        if not self.trials:
            return 0.0, 1.0
        n, p, zz = self.trials, self.value, Z_95**2
        middle, half = p + zz / (2 * n), Z_95 * sqrt(p * (1 - p) / n + zz / (4 * n * n))
        return max(0.0, (middle - half) / (1 + zz / n)), min(1.0, (middle + half) / (1 + zz / n))

    def __str__(self) -> str:
        if not self.trials:
            return "none tried"
        low, high = self.interval()
        return f"{self.value:.1%} ({low:.1%} to {high:.1%}, {self.successes} of {self.trials})"
