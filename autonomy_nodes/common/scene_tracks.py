"""Tracks of the last two seconds as the agents of a scene, each in its own frame."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.kinematics import body_of
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.scene_loops import ALIKE_M
from autonomy_nodes.common.types import SECOND_NS, EgoState
from autonomy_nodes.common.vehicle import Vehicle

AGENTS, STATES = 64, 11
STEP_NS = SECOND_NS // 5
NEAR_NS = SECOND_NS // 20  # a state this near to its time counts
MOVING_MPS, STANDING_MPS = 1.0, 0.5  # slower than the first, the heading tells where a frame points
STATE = (
    'x_m', 'y_m', 'heading_cos', 'heading_sin', 'vx_mps', 'vy_mps', 't_s', 'sigma_along_m', 'sigma_across_m',
    'sigma_heading_rad', 'sigma_velocity_mps', 'velocity_told',
)  # fmt: skip
TRAITS = (*(f'is_{label.name.lower()}' for label in Label), 'length_m', 'width_m', 'existence')
OURS = b'\0' * 16  # the name of our own vehicle among the agents
LONG_M = 7.5  # a longer vehicle is a truck


@dataclass(frozen=True, eq=False)
class Agents:
    """A agents. states: (A, 11, 12) float32 STATE at -2.0, -1.8, ..., 0 s, in the frame of each; told: (A, 11).

    frames: (A, 4) x y [m], heading [rad] in odom, t [s]: where it is now and where it goes, or, below 1 m/s, points.
    traits: (A, 15) float32 TRAITS. there: (A,) rows that are anybody; they come first. ids: (A, 16) uint8. ours: the
    row of our vehicle, -1 where it is none. speeds_mps: (A,). All that is not there is masked; what stands in its place
    is no value.
    """

    states: np.ndarray
    told: np.ndarray
    frames: np.ndarray
    traits: np.ndarray
    there: np.ndarray
    ids: np.ndarray
    ours: int
    speeds_mps: np.ndarray


class Tracks:
    """Remembers two seconds; time that steps back forgets all."""

    def __init__(self) -> None:
        self._heard: deque[tuple[int, dict[bytes, int], np.ndarray]] = deque()
        self._traits = np.zeros((0, len(TRAITS)))

    def hear(self, objects: Objects, ego: EgoState | None, vehicle: Vehicle) -> None:
        """Remember tracked objects in odom, and our own vehicle where `ego` tells of it."""
        if self._heard and objects.stamp_ns <= self._heard[-1][0]:
            self._heard.clear()
        while self._heard and self._heard[0][0] < objects.stamp_ns - (STATES - 1) * STEP_NS - NEAR_NS:
            self._heard.popleft()
        pose, moves = objects.pose_covariances, objects.velocity_covariances
        rows = np.column_stack([
            objects.positions_m[:, :2], objects.headings_rad, objects.velocities_mps, pose[:, 0, 0], pose[:, 0, 1],
            pose[:, 1, 1], pose[:, 2, 2], moves[:, 0, 0], moves[:, 1, 1],
        ])  # fmt: skip
        traits = np.column_stack([objects.class_probabilities, objects.dimensions_m[:, :2], objects.existence])
        ids = [] if objects.ids is None else [bytes(row) for row in objects.ids]
        if ego is not None:
            rows, traits = np.vstack([rows, _own(ego, vehicle)]), np.vstack([traits, _own_traits(vehicle)])
            ids.append(OURS)
        self._heard.append((objects.stamp_ns, {id_: row for row, id_ in enumerate(ids)}, rows))
        self._traits = traits

    def agents(self, wanted: np.ndarray | None = None, count: int = AGENTS) -> Agents:
        """Return at most `count` agents of the last that were heard.

        First those `wanted` (rows of the last objects), then ours, then who moves, then who stands; nearer ones first,
        from our vehicle, or from the middle of the wanted, or of all.
        """
        stamp_ns, names, last = self._heard[-1]
        ids = list(names)
        ours = ids.index(OURS) if OURS in names else -1
        speeds = np.hypot(np.nan_to_num(last[:, 3]), np.nan_to_num(last[:, 4]))
        order = _order(last, speeds, ours, wanted)[:count]
        found = len(order)
        raw, told = np.full((found, STATES, last.shape[1]), np.nan), np.zeros((found, STATES), bool)
        times_s = np.zeros(STATES)
        chosen = [ids[row] for row in order.tolist()]
        for place, (when_ns, heard, rows) in self._sampled(stamp_ns):
            known = [k for k, id_ in enumerate(chosen) if id_ in heard]
            raw[known, place] = rows[[heard[chosen[k]] for k in known]]
            told[known, place], times_s[place] = True, (when_ns - stamp_ns) / SECOND_NS
        frames = np.zeros((count, 4))
        course = np.arctan2(np.nan_to_num(last[order, 4]), np.nan_to_num(last[order, 3]))
        frames[:found, :2] = last[order, :2]
        frames[:found, 2] = np.where(speeds[order] > MOVING_MPS, course, last[order, 2])
        states, all_told = np.zeros((count, STATES, len(STATE)), np.float32), np.zeros((count, STATES), bool)
        states[:found], all_told[:found] = _in_frames(raw, told, times_s, frames[:found]), told
        traits, all_ids = np.zeros((count, len(TRAITS)), np.float32), np.zeros((count, 16), np.uint8)
        traits[:found] = self._traits[order]
        all_ids[:found] = np.frombuffer(b''.join(chosen), np.uint8).reshape(-1, 16)
        at, all_speeds = np.flatnonzero(order == ours), np.zeros(count)
        all_speeds[:found] = speeds[order]
        own = int(at[0]) if ours >= 0 and len(at) else -1
        return Agents(states, all_told, frames, traits, np.arange(count) < found, all_ids, own, all_speeds)

    def _sampled(self, stamp_ns: int) -> list[tuple[int, tuple[int, dict[bytes, int], np.ndarray]]]:
        """Return (place, what was heard) nearest to each of the times, where anything was heard near to it."""
        found = []
        for place in range(STATES):
            wanted_ns = stamp_ns - (STATES - 1 - place) * STEP_NS
            best = min(self._heard, key=lambda heard: (abs(heard[0] - wanted_ns), heard[0]))
            if abs(best[0] - wanted_ns) <= NEAR_NS:
                found.append((place, best))
        return found


def _order(last: np.ndarray, speeds: np.ndarray, ours: int, wanted: np.ndarray | None) -> np.ndarray:
    rank = np.where(speeds > STANDING_MPS, 2, 3)
    if ours >= 0:
        rank[ours] = 1
    if wanted is not None:
        rank[wanted] = 0
    if not len(last):
        return np.zeros(0, np.int64)
    middle = last[ours, :2] if ours >= 0 else last[rank == rank.min(), :2].mean(axis=0)
    return np.lexsort((np.round(np.linalg.norm(last[:, :2] - middle, axis=1) / ALIKE_M), rank))


def _in_frames(raw: np.ndarray, told: np.ndarray, times_s: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return (A, 11, 12) STATE of (A, 11, 11) rows in odom; zero where not `told`, which the mask says."""
    cos, sin = np.cos(frames[:, 2])[:, None], np.sin(frames[:, 2])[:, None]
    x, y, heading, vx, vy, xx, xy, yy, turn, vxx, vyy = np.moveaxis(raw, 2, 0)
    dx, dy, turned = x - frames[:, :1], y - frames[:, 1:2], heading - frames[:, 2:3]
    known = np.isfinite(vx)
    along, across = cos**2 * xx + 2.0 * cos * sin * xy + sin**2 * yy, sin**2 * xx - 2.0 * cos * sin * xy + cos**2 * yy
    found = np.stack([
        dx * cos + dy * sin, dy * cos - dx * sin, np.cos(turned), np.sin(turned), vx * cos + vy * sin,
        vy * cos - vx * sin, np.broadcast_to(times_s, x.shape), np.sqrt(along), np.sqrt(across), np.sqrt(turn),
        np.sqrt((vxx + vyy) / 2.0), np.ones(x.shape),
    ], axis=2)  # fmt: skip
    found[:, :, [4, 5, 10, 11]] *= np.where(known, 1.0, np.nan)[:, :, None]  # a velocity that is not told
    return np.where(told[..., None], np.nan_to_num(found), 0.0)


def _own(ego: EgoState, vehicle: Vehicle) -> np.ndarray:
    """Return the row of our body: its middle, its heading, its velocity over ground, both in odom."""
    heading = ego.heading_rad
    cos, sin = np.cos(heading), np.sin(heading)
    ahead = body_of(vehicle).middle_m
    vx, vy = ego.twist[0], ego.twist[1] + ego.twist[5] * ahead
    place = ego.position_m[:2] + ahead * np.array([cos, sin])
    return np.array([*place, heading, vx * cos - vy * sin, vx * sin + vy * cos, *np.zeros(6)])


def _own_traits(vehicle: Vehicle) -> np.ndarray:
    chances = np.zeros(len(Label))
    chances[Label.TRUCK if vehicle.length_m > LONG_M else Label.CAR] = 1.0
    return np.array([*chances, vehicle.length_m, vehicle.width_m, 1.0])
