"""Where those who follow lanes must wait: red lights, and lanes that have right of way."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.lanes import Light
from autonomy_nodes.sim.world import LaneMap

_CLEAR_S = 4.0  # one who arrives later does not matter
_FAR_M, _NEAR_M = 80.0, 25.0  # how far ahead lights and others with right of way are minded
_AMBER_BRAKING_MPS2 = 3.0
RED, AMBER = int(Light.RED), int(Light.AMBER)


@dataclass(frozen=True)
class Seen:
    """Somebody that an actor must not drive into: a rectangle about its middle, and its speed along its heading."""

    x_m: float
    y_m: float
    heading_rad: float
    speed_mps: float
    length_m: float
    width_m: float


def must_stop(colour: int, gap_m: float, speed_mps: float) -> bool:
    """Return whether a light so far ahead must be waited for; amber is, where one can still stop."""
    return colour == RED or (colour == AMBER and gap_m > speed_mps**2 / (2.0 * _AMBER_BRAKING_MPS2))


class Rules:
    """The rules of one lane map."""

    def __init__(self, lanes: LaneMap | None) -> None:
        self._lanes = lanes
        self._centres: dict[int, np.ndarray] = {}
        self._lengths: dict[int, float] = {}

    def stops(
        self, lanes: Sequence[int], front_m: float, speed_mps: float, time_s: float, others: Sequence[Seen]
    ) -> Iterator[float]:
        """Yield how far along the chain of lanes one must wait now; front_m: where the own front is on it."""
        if self._lanes is None:
            return
        start = 0.0
        for lane_id in lanes:
            lane, begin = self._lanes.lanes[lane_id], start
            start += self._length(lane_id)
            if lane.signal:
                line = start - self._line_before_end(lane_id)
                minded = front_m - 1.0 < line < front_m + _FAR_M
                if minded and self._red(lane.signal, line - front_m, speed_mps, time_s):
                    yield line
            waits = lane.yields_to and front_m - 1.0 < begin < front_m + _NEAR_M
            if waits and self._taken(lane.yields_to, others):
                yield begin

    def _red(self, signal: int, gap_m: float, speed_mps: float, time_s: float) -> bool:
        """Return whether a light must be waited for."""
        assert self._lanes is not None
        return must_stop(self._lanes.signals[signal].colour(time_s), gap_m, speed_mps)

    def _line_before_end(self, lane_id: int) -> float:
        """Return how far before the end of a lane its stop line is."""
        assert self._lanes is not None
        lane = self._lanes.lanes[lane_id]
        if not lane.stop_line:
            return 0.0
        middle = self._lanes.borders[lane.stop_line].points[:, :2].mean(axis=0)
        return float(np.linalg.norm(self._centre(lane_id)[-1] - middle))

    def _length(self, lane_id: int) -> float:
        if lane_id not in self._lengths:
            steps = np.diff(self._centre(lane_id), axis=0)
            self._lengths[lane_id] = float(np.linalg.norm(steps, axis=1).sum())
        return self._lengths[lane_id]

    def _taken(self, lanes: Sequence[int], others: Sequence[Seen]) -> bool:
        """Return whether somebody is on one of these lanes, or will soon be."""
        for lane_id in lanes:
            centre = self._centre(lane_id)
            for one in others:
                away = np.hypot(centre[:, 0] - one.x_m, centre[:, 1] - one.y_m)
                if away.min() < 1.8:
                    return True
                to_start = centre[0] - (one.x_m, one.y_m)
                ahead = to_start @ (np.cos(one.heading_rad), np.sin(one.heading_rad))
                beside = abs(to_start @ (-np.sin(one.heading_rad), np.cos(one.heading_rad)))
                if beside < 1.8 and 0.0 < ahead < one.speed_mps * _CLEAR_S:
                    return True
        return False

    def _centre(self, lane_id: int) -> np.ndarray:
        assert self._lanes is not None
        if lane_id not in self._centres:
            self._centres[lane_id] = self._lanes.centre(lane_id)[:, :2]
        return self._centres[lane_id]
