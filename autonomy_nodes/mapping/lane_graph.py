"""How lanelets connect, and the way from one to another (A*)."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.mapping.model import Lanelet, MapLine, RoadMap
from autonomy_nodes.mapping.polylines import arc_lengths

END_GAP_M = 0.3  # ends this near are one place: maps converted from other formats share no nodes
TO_LEFT, TO_RIGHT = {'dashed', 'solid_dashed'}, {'dashed', 'dashed_solid'}  # one crosses from the dashed side


@dataclass(frozen=True)
class LaneGraph:
    """Lanes for vehicles. Each mapping gives lanelet ids, in the order of the map.

    successors: what follows each lane. left, right: the lane beside it of the same direction, None where there is
    none. may_left, may_right: lanes whose line on that side may be crossed. lengths_m: of the centerlines.
    ends: (2,) where each ends, in map; outward: (2,) unit direction there.
    """

    successors: Mapping[int, tuple[int, ...]]
    left: Mapping[int, int]
    right: Mapping[int, int]
    may_left: frozenset[int]
    may_right: frozenset[int]
    lengths_m: Mapping[int, float]
    ends: Mapping[int, np.ndarray]
    outward: Mapping[int, np.ndarray]

    def straightness(self, lane: int, successor: int) -> float:
        """Return the cosine between the end of a lane and the end of the next: 1 where it goes straight on."""
        return float(self.outward[lane] @ self.outward[successor])

    def beside(self, id_: int) -> tuple[int, ...]:
        """Return the lanes to which one may change from this."""
        left = (self.left[id_],) if id_ in self.may_left else ()
        return left + ((self.right[id_],) if id_ in self.may_right else ())

    def route(self, start: int, goal: int, lane_change_m: float = 30.0, ahead: bool = True) -> tuple[int, ...]:
        """Return lanelets from `start` to `goal`, both included; () where there is no way.

        lane_change_m: how many metres of detour one lane change is worth. ahead: whether the goal lies ahead, should
        it be in this lane or beside it; if not, the way has to lead round to it.
        """
        target = self.ends[goal]
        best: dict[tuple[int, bool], float] = {(start, ahead): 0.0}  # by lane, and whether the goal counts there
        heap: list[tuple[float, float, int, bool, tuple[int, ...]]] = [(0.0, 0.0, start, ahead, (start,))]
        while heap:
            _, cost, id_, counts, path = heapq.heappop(heap)
            if id_ == goal and counts:
                return path
            if cost > best[id_, counts]:
                continue
            steps = [(lane, True, cost + self.lengths_m[lane]) for lane in self.successors[id_]]
            steps += [(lane, counts, cost + lane_change_m) for lane in self.beside(id_)]
            for lane, now, total in steps:
                if total < best.get((lane, now), np.inf):
                    best[lane, now] = total
                    guess = max(float(np.hypot(*(self.ends[lane] - target))) - lane_change_m, 0.0)
                    heapq.heappush(heap, (total + guess, total, lane, now, (*path, lane)))
        return ()


def lane_graph(road_map: RoadMap) -> LaneGraph:
    """Return the graph of the lanes that vehicles may use."""
    lanes = [lanelet for lanelet in road_map.lanelets.values() if lanelet.for_vehicles]
    left, right, may_left, may_right = _sides(lanes, road_map)
    return LaneGraph(
        _successors(lanes), left, right, may_left, may_right,
        {lane.id: float(arc_lengths(lane.centerline)[-1]) for lane in lanes},
        {lane.id: lane.centerline[-1, :2] for lane in lanes},
        {lane.id: _direction(lane.centerline[-2:]) for lane in lanes},
    )  # fmt: skip


def _successors(lanes: list[Lanelet]) -> dict[int, tuple[int, ...]]:
    """Return what begins where each lane ends: both of its sides go on."""
    if not lanes:
        return {}
    starts = np.array([np.hstack([lane.left[0], lane.right[0]]) for lane in lanes])
    ends = np.array([np.hstack([lane.left[-1], lane.right[-1]]) for lane in lanes])
    from scipy.spatial import cKDTree  # a fifth of a second, which drives without a map need not wait

    near = cKDTree(starts).query_ball_point(ends, END_GAP_M)
    return {
        lane.id: tuple(lanes[other].id for other in sorted(near[index]) if other != index)
        for index, lane in enumerate(lanes)
    }


def _direction(points: np.ndarray) -> np.ndarray:
    step = points[-1, :2] - points[0, :2]
    return step / max(float(np.hypot(*step)), 1e-9)


def _sides(
    lanes: list[Lanelet], road_map: RoadMap
) -> tuple[dict[int, int], dict[int, int], frozenset[int], frozenset[int]]:
    """Return the lane on the left and right of each, and where the line between may be crossed."""
    by_right = {(lane.right_id, lane.right_turned): lane for lane in reversed(lanes)}
    left: dict[int, int] = {}
    right: dict[int, int] = {}
    may_left: set[int] = set()
    may_right: set[int] = set()
    for lane in lanes:
        other = by_right.get((lane.left_id, lane.left_turned))
        if other is None or other.id == lane.id:
            continue
        left[lane.id], right[other.id] = other.id, lane.id
        to_left, to_right = _crossings(road_map.lines[lane.left_id], lane.left_turned)
        may_left |= {lane.id} if to_left else set()
        may_right |= {other.id} if to_right else set()
    return left, right, frozenset(may_left), frozenset(may_right)


def _crossings(line: MapLine, turned: bool) -> tuple[bool, bool]:
    """Return whether the line between two lanes may be crossed to the left, and to the right; tags rule over paint."""
    both = line.tags.get('lane_change', '')
    if both:
        return both == 'yes', both == 'yes'
    to_left = line.tags.get('lane_change:left', '') == 'yes' or line.subtype in (TO_RIGHT if turned else TO_LEFT)
    to_right = line.tags.get('lane_change:right', '') == 'yes' or line.subtype in (TO_LEFT if turned else TO_RIGHT)
    return to_left, to_right
