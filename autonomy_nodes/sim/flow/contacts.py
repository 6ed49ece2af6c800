"""Who runs into whom in a scene of traffic, and whether by not looking; compiled."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from autonomy_nodes.planning.contact_loops import rectangles_overlap


@dataclass(frozen=True)
class Contact:
    """Two rows of a scene that overlap, first at a step.

    brush: both are on foot, and may come so near. inattentive: one of them is a driver who now and then looks away.
    """

    one: int
    other: int
    step: int
    brush: bool
    inattentive: bool

    @property
    def excused(self) -> bool:
        """Whether it may be."""
        return self.brush or self.inattentive


def contacts(
    states: np.ndarray, sizes_m: np.ndarray, owners: np.ndarray, attentive: np.ndarray, on_foot: np.ndarray
) -> list[Contact]:
    """Return all contacts of (A, T, 5) states as of a scene.

    owners: (A,) equal for a tractor and its trailer, who are one. attentive, on_foot: (A,).
    """
    rows = _touching(states, sizes_m, owners)
    both, awake = on_foot[:, None] & on_foot, attentive[:, None] & attentive
    return [Contact(i, j, t, bool(both[i, j]), not awake[i, j]) for i, j, t in rows.tolist()]


@njit(cache=True)
def _touching(states: np.ndarray, sizes_m: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Return (K, 3) rows and first step of those who overlap."""
    count, steps = states.shape[:2]
    found, place = np.empty((count * count, 3), np.int64), 0
    for i in range(count):
        for j in range(i + 1, count):
            reach = 0.5 * (np.hypot(sizes_m[i, 0], sizes_m[i, 1]) + np.hypot(sizes_m[j, 0], sizes_m[j, 1]))
            for t in range(steps if owners[i] != owners[j] else 0):
                a, b = states[i, t], states[j, t]
                if not abs(a[0] - b[0]) < reach or not abs(a[1] - b[1]) < reach:  # NaN is nowhere
                    continue
                mine, theirs = (sizes_m[i, 0] / 2.0, sizes_m[i, 1] / 2.0), (sizes_m[j, 0] / 2.0, sizes_m[j, 1] / 2.0)
                turns = np.cos(a[2]), np.sin(a[2]), np.cos(b[2]), np.sin(b[2])
                if rectangles_overlap(b[0] - a[0], b[1] - a[1], turns[0], turns[1], mine, turns[2], turns[3], theirs):
                    found[place] = i, j, t
                    place += 1
                    break
    return found[:place]
