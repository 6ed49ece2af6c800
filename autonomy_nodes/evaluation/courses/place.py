"""A place to be driven: where one may be, to the tenth of a metre, and a hand-made drive that proves it possible.

The witness: a truck whose drive axle keeps exactly to a line, its trailer by the kinematics of common/kinematics.py.
Frame: the plane, x y in metres; it is map and odom.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from autonomy_nodes.common.kinematics import articulation_rate, body_of, body_of_trailer, trailer_poses
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.commonroad.road import CELL_M, FAR_CELL_M, Road
from autonomy_nodes.mapping.draft import Draft
from autonomy_nodes.mapping.lane_graph import lane_graph
from autonomy_nodes.sim.scenes.roads import offset

FINE_M = 0.1  # cells of the truth
WITNESS_M = 0.5  # room that the witness keeps on both sides
STEP_M = 0.5  # of lines
FREE, LANE_HALF_M = 1, 1.8
OUTLINE_M = 0.5  # between the places of an outline that are judged
_SHIFT = 4  # parts of a cell, as a power of two, that cv2 is told


@dataclass(frozen=True, eq=False)
class Place:
    """A place of a family and a seed.

    free: (X, Y) bool cells of FINE_M from `corner` (2,) on, where a body may be. line: (N, 2) the middle of the way,
    as a map tells it where there are lanes, else the witness's. start: x, y, heading of base_link; the trailer stands
    straight behind. goal: (2,). laned: the line is a lane of the map. witness_m: room that the witness keeps. facts: of
    what was drawn.
    """

    family: str
    seed: int
    free: np.ndarray
    corner: np.ndarray
    line: np.ndarray
    start: tuple[float, float, float]
    goal: np.ndarray
    laned: bool
    witness_m: float = math.nan
    facts: dict[str, float] = field(default_factory=dict)

    @cached_property
    def room(self) -> np.ndarray:
        """(X, Y) metres from each cell to the nearest edge, below 0 where nobody may be."""
        return room_of(self.free)

    def clearances(self, xy: np.ndarray) -> np.ndarray:
        """Return (...) metres from (..., 2) places to the edge, below 0 beyond it."""
        return read(self.room, self.corner, xy)


def room_of(free: np.ndarray) -> np.ndarray:
    """Return (X, Y) float32 metres to the edge of what is free, below 0 outside; beyond the cells nothing is free.

    A cell that an outline touches counts as inside it, so that free room is told up to a cell too large.
    """
    cells = np.pad(free.astype(np.uint8), 1)
    inside = cv2.distanceTransform(cells, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform(1 - cells, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    signed = np.where(cells > 0, inside - 0.5, 0.5 - outside)
    return (FINE_M * signed[1:-1, 1:-1]).astype(np.float32)


def read(room: np.ndarray, corner: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Return (...) values of the cells of (..., 2) places; beyond the cells those of the nearest, at most 0."""
    index = np.floor((xy - corner) / FINE_M).astype(int)
    inside = ((index >= 0) & (index < room.shape)).all(axis=-1)
    index = np.clip(index, 0, np.array(room.shape) - 1)
    found = room[index[..., 0], index[..., 1]]
    return np.where(inside, found, np.minimum(found, 0.0))


def painted(outlines: Sequence[np.ndarray], points: np.ndarray, around_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (X, Y) bool cells inside any of the outlines (N, 2), and the corner of cells about (M, 2) points."""
    corner = np.floor((points.min(axis=0) - around_m) / FAR_CELL_M) * FAR_CELL_M
    size = np.ceil((points.max(axis=0) + around_m - corner) / FAR_CELL_M).astype(int) * round(FAR_CELL_M / FINE_M)
    cells = np.zeros(tuple(size), np.uint8)
    for outline in outlines:
        fill(cells, corner, outline, FREE)
    return cells.astype(bool), corner


def fill(cells: np.ndarray, corner: np.ndarray, outline: np.ndarray, value: int) -> None:
    """Set the cells (X, Y) uint8 inside an outline (N, 2), in place."""
    parts = np.round((1 << _SHIFT) * ((outline - corner) / FINE_M - 0.5)).astype(np.int32)
    cv2.fillPoly(cells, [np.ascontiguousarray(parts[:, ::-1])], value, cv2.LINE_8, _SHIFT)  # cv2 counts columns first


def strip(line: np.ndarray, right_m: float, left_m: float) -> list[np.ndarray]:
    """Return outlines (N, 2) that cover what lies along a line between two offsets to its left."""
    left, right = offset(line, left_m), offset(line, right_m)
    parts = [slice(first, first + 9) for first in range(0, len(line) - 1, 8)]
    return [np.concatenate([left[part], right[part][::-1]]) for part in parts]


def road_of(place: Place, lanelets: int = 3) -> Road:
    """Return what a map and the ground tell of it: coarse cells are free where all of their fine cells are."""
    step = round(CELL_M / FINE_M)
    rows, columns = (size // step for size in place.free.shape)
    cells = place.free[: rows * step, : columns * step].reshape(rows, step, columns, step)
    drivable = np.asarray(cells.all(axis=(1, 3)))
    draft, ids = Draft(), {}
    if place.laned:
        left, right = offset(place.line, LANE_HALF_M), offset(place.line, -LANE_HALF_M)
        ends = np.linspace(0, len(place.line) - 1, lanelets + 1).astype(int)
        for number, (first, last) in enumerate(zip(ends, ends[1:])):
            sides = [draft.line(side[first : last + 1], 'virtual') for side in (left, right)]
            ids[number] = draft.lanelet(sides[0], sides[1], 30.0)
    road_map = draft.finished()
    return Road(road_map, ids, lane_graph(road_map), drivable, place.corner, ())


def headings_of(line: np.ndarray) -> np.ndarray:
    """Return (N,) headings of a line (N, 2), unwrapped."""
    step = np.gradient(line, axis=0)
    return np.unwrap(np.arctan2(step[:, 1], step[:, 0]))


def followed(line: np.ndarray, vehicle: Vehicle) -> np.ndarray | None:
    """Return (N, 4) x y heading joint of a truck that keeps to a line; None where its wheels do not turn so far."""
    headings, gone = headings_of(line), np.hypot(*np.gradient(line, axis=0).T)
    wheels = np.arctan(vehicle.wheelbase_m * np.gradient(headings) / gone)
    if np.abs(wheels).max() > vehicle.limits.wheel_angle_rad:
        return None
    joints, joint = np.zeros(len(line)), 0.0
    steps = np.hypot(*np.diff(line, axis=0).T)
    for n in range(1, len(line)):
        for _ in range(4):
            joint += 0.25 * steps[n - 1] * float(articulation_rate(joint, wheels[n], 1.0, vehicle))
        joints[n] = joint
    if np.abs(joints).max() > vehicle.trailer.max_angle_rad:
        return None
    return np.column_stack([line, headings, joints])


def outlines(states: np.ndarray, vehicle: Vehicle) -> np.ndarray:
    """Return (N, K, 2) places on the edges of all bodies, the corners among them; states: (N, 4) x y heading joint."""
    told = [(body_of(vehicle), states[:, :3])]
    if vehicle.trailer.present:
        told.append((body_of_trailer(vehicle.trailer), trailer_poses(states[:, :3], states[:, 3], vehicle.trailer)))
    found = []
    for body, poses in told:
        corners = body.corners(poses)
        for first in range(4):
            begin, end = corners[:, first], corners[:, (first + 1) % 4]
            count = math.ceil(float(np.hypot(*(end[0] - begin[0]))) / OUTLINE_M)
            share = (np.arange(count) / count)[:, None]
            found.append(begin[:, None] + share * (end - begin)[:, None])
    return np.concatenate(found, axis=1)


def witnessed_m(lines: Sequence[np.ndarray], free: np.ndarray, corner: np.ndarray, vehicle: Vehicle) -> float:
    """Return the most room that a truck keeps on one of the lines (N, 2), NaN where it can follow none."""
    room, found = room_of(free), []
    for line in lines:
        states = followed(line, vehicle)
        if states is not None:
            found.append(float(read(room, corner, outlines(states, vehicle)).min()))
    return max(found, default=math.nan)


def wider(line: np.ndarray, outwards_m: Sequence[float]) -> list[np.ndarray]:
    """Return lines that keep further to the outside of each bend than this one (N, 2), the sharper it is."""
    bends = np.gradient(headings_of(line)) / np.hypot(*np.gradient(line, axis=0).T)
    reach = np.arange(-16, 17)
    kernel = np.exp(-0.5 * (reach * STEP_M / 3.0) ** 2)
    smooth = np.convolve(np.pad(bends, 16, mode='edge'), kernel / kernel.sum(), 'valid')
    share = smooth / max(float(np.abs(smooth).max()), 1e-6)
    return [offset(line, -out * share) for out in outwards_m]
