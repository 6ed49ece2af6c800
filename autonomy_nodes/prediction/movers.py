"""What moves and how: the state from which predictions start, with what the last second of each track showed."""

from collections import deque
from dataclasses import dataclass, fields

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.types import SECOND_NS

LOOK_BACK_NS = SECOND_NS
SHORTEST_NS = 3 * SECOND_NS // 10  # a shorter history tells nothing
MOVING_MPS = 1.0  # slower than this the heading tells the direction better than the velocity does
LARGEST_TURN_RPS = 1.0
LARGEST_ACCELERATION_MPS2 = 4.0
ON_FOOT = (Label.PEDESTRIAN, Label.ANIMAL)


@dataclass(frozen=True, eq=False)
class Movers:
    """N road users in odom.

    xy: (N, 2). directions_rad: (N,) of travel. speeds_mps: (N,) 0 or more. turn_rates_rps: (N,).
    accelerations_mps2: (N,) along the direction, 0 where the history is too short. reversing: (N,) whether the body
    points the other way. on_foot: (N,). sizes_m: (N, 2) length, width. before: (N, 5) x y direction speed turn rate
    about a second ago, and age_s: (N,) how long ago exactly; NaN where not known.
    """

    xy: np.ndarray
    directions_rad: np.ndarray
    speeds_mps: np.ndarray
    turn_rates_rps: np.ndarray
    accelerations_mps2: np.ndarray
    reversing: np.ndarray
    on_foot: np.ndarray
    sizes_m: np.ndarray
    before: np.ndarray
    age_s: np.ndarray

    def __len__(self) -> int:
        return len(self.xy)

    def rows(self, rows: np.ndarray) -> 'Movers':
        """Return the movers of these rows."""
        return Movers(*(getattr(self, field.name)[rows] for field in fields(self)))


def joined(first: Movers, second: Movers) -> Movers:
    """Return both, the second's rows after the first's."""
    both = ((getattr(first, field.name), getattr(second, field.name)) for field in fields(first))
    return Movers(*(np.concatenate(pair) for pair in both))


class History:
    """Remembers where tracks were; time that steps back forgets all."""

    def __init__(self) -> None:
        self._frames: deque[tuple[int, dict[bytes, int], np.ndarray]] = deque()

    def movers(self, tracks: Objects) -> Movers:
        """Return what moves in `tracks`, and remember it."""
        if self._frames and tracks.stamp_ns <= self._frames[-1][0]:
            self._frames.clear()
        while self._frames and self._frames[0][0] < tracks.stamp_ns - LOOK_BACK_NS - SHORTEST_NS:
            self._frames.popleft()
        ids = [] if tracks.ids is None else [bytes(row) for row in tracks.ids]
        before, age_s = self._before(tracks.stamp_ns, ids, len(tracks))
        velocities = np.where(
            np.isfinite(tracks.velocities_mps), tracks.velocities_mps,
            (tracks.positions_m[:, :2] - before[:, :2]) / age_s[:, None],
        )  # fmt: skip
        velocities = np.nan_to_num(velocities)  # a track that was just born and tells no velocity stands
        found = _movers(tracks, velocities, before, age_s)
        state = np.column_stack([found.xy, found.directions_rad, found.speeds_mps, found.turn_rates_rps])
        self._frames.append((tracks.stamp_ns, {id_: row for row, id_ in enumerate(ids)}, state))
        return found

    def _before(self, stamp_ns: int, ids: list[bytes], count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (N, 5) states of the oldest frame, at most about a second old, that knows each id; and their age."""
        before, age_s = np.full((count, 5), np.nan), np.full(count, np.nan)
        missing = dict.fromkeys(range(len(ids)))
        for frame_ns, rows, states in self._frames:
            if stamp_ns - frame_ns < SHORTEST_NS or not missing:
                break
            for place in [place for place in missing if ids[place] in rows]:
                before[place], age_s[place] = states[rows[ids[place]]], (stamp_ns - frame_ns) / SECOND_NS
                del missing[place]
        return before, age_s


def _movers(tracks: Objects, velocities: np.ndarray, before: np.ndarray, age_s: np.ndarray) -> Movers:
    speeds = np.hypot(*velocities.T)
    course = np.arctan2(velocities[:, 1], velocities[:, 0])
    reversing = (speeds > 0.0) & (np.cos(course - tracks.headings_rad) < 0.0)
    facing = np.where(reversing, tracks.headings_rad + np.pi, tracks.headings_rad)
    directions = np.asarray(wrapped(np.where(speeds > MOVING_MPS, course, facing)))
    turned = np.asarray(wrapped(directions - before[:, 2])) / age_s
    rates = np.where(np.isfinite(tracks.heading_rates_rps), tracks.heading_rates_rps, np.nan_to_num(turned))
    rates = np.where(speeds > MOVING_MPS, np.clip(rates, -LARGEST_TURN_RPS, LARGEST_TURN_RPS), 0.0)
    sped = np.nan_to_num((speeds - before[:, 3]) / age_s)
    accelerations = np.clip(sped, -LARGEST_ACCELERATION_MPS2, LARGEST_ACCELERATION_MPS2)
    return Movers(
        tracks.positions_m[:, :2], directions, speeds, rates, accelerations, reversing,
        np.isin(tracks.labels, ON_FOOT), tracks.dimensions_m[:, :2], before, age_s,
    )  # fmt: skip
