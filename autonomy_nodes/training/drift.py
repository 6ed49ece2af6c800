"""How far the answers of two engines are apart, an output at a time, over any number of feeds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Drift:
    """Sums of squares of the difference and of the reference over all feeds, and the largest difference."""

    off: float = 0.0
    whole: float = 0.0
    largest: float = 0.0

    @property
    def relative_l2(self) -> float:
        """Length of the difference by that of the reference; infinite where that is 0 and the difference is not."""
        if self.off == 0.0:
            return 0.0
        return math.sqrt(self.off / self.whole) if self.whole > 0.0 else math.inf


def drift_of(
    reference: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray], before: Mapping[str, Drift] | None = None
) -> dict[str, Drift]:
    """Return the drift of each output of `reference`, with that of feeds before; NaN where an answer is no number."""
    drifts = {}
    for name, told in reference.items():
        past = (before or {}).get(name, Drift())
        off = found[name].astype(float) - told
        drifts[name] = Drift(
            past.off + float((off**2).sum()), past.whole + float((told.astype(float) ** 2).sum()),
            float(np.fmax(past.largest, np.abs(off).max())) if np.isfinite(off).all() else math.nan,
        )  # fmt: skip
    return drifts
