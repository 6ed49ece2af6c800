"""Ground that a grid of one's sensors does not vouch for and that may be driven all the same: one rule for all rooms.

Never seen is never free. Two things explain that ground was not seen. Sensors on a vehicle do not see the ground close
to it, so what lies near the place where it stood when its drive began was never in sight; who began to drive there is
trusted with it. And the cells right at the body's edge are of its own size. Nothing else is explained: ground that
comes near while we drive was in sight before, and if it was not, a hole or something in front of it may be why.
"""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.kinematics import Body, body_of, body_of_trailer, trailer_poses
from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.sensing import ControlMode
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.common.vehicle import Vehicle

EDGE_M = 0.4  # beside the body: a cell, by which its place in the grid may be off
MOVES_MPS = 0.5  # who is faster is a road user that moves
TRACE_S = 0.6  # so long the cells stay occupied that a road user has left
FAR_M = 80.0  # cells of road users further away are left as they are


@dataclass(frozen=True, eq=False)
class Box:
    """A rectangle that stands somewhere: pose (3,) x y heading of its middle, half (2,) of length and width."""

    pose: np.ndarray
    half: np.ndarray

    def distances(self, xy: np.ndarray) -> np.ndarray:
        """Return (...) metres from (..., 2) places to the box, 0 inside."""
        gap, cos, sin = xy - self.pose[:2], np.cos(self.pose[2]), np.sin(self.pose[2])
        along = np.abs(gap[..., 0] * cos + gap[..., 1] * sin) - self.half[0]
        across = np.abs(gap[..., 1] * cos - gap[..., 0] * sin) - self.half[1]
        return np.hypot(along.clip(0.0), across.clip(0.0))


@dataclass(frozen=True, eq=False)
class Zone:
    """All places in a box and within `around_m` of it."""

    box: Box
    around_m: float


class BlindZones:
    """Remembers where our bodies stood when the drive began. blind_m: how near to the body no sensor sees ground."""

    def __init__(self, blind_m: float) -> None:
        self._blind_m = blind_m
        self._stood: list[Box] = []
        self._last_ns: int | None = None

    def about(self, bodies: list[Box], stamp_ns: int, mode: ControlMode | None) -> list[Zone]:
        """Return where ground that was never seen may be driven, with our bodies where they stand now.

        A drive begins with the first call, after a jump back in time, and with the last moment in which a person drove.
        """
        jumped = self._last_ns is not None and stamp_ns < self._last_ns - SECOND_NS
        by_person = mode is not None and mode.mode != 'AUTONOMOUS'
        if not self._stood or jumped or by_person:
            self._stood = bodies
        self._last_ns = stamp_ns
        return [Zone(box, self._blind_m) for box in self._stood] + [Zone(box, EDGE_M) for box in bodies]


def within(zones: list[Zone], grid: Grid, xy: np.ndarray) -> np.ndarray:
    """Return (...) whether the middles of the cells of (..., 2) places lie in a zone."""
    middles = grid.origin_m + (np.floor((xy - grid.origin_m) / grid.resolution_m) + 0.5) * grid.resolution_m
    found = np.zeros(xy.shape[:-1], bool)
    for zone in zones:
        found |= zone.box.distances(middles) <= zone.around_m
    return found


def box_of(body: Body, pose: np.ndarray) -> Box:
    """Return where a body stands with its reference at a (3,) pose."""
    middle = pose[:2] + body.middle_m * np.array([np.cos(pose[2]), np.sin(pose[2])])
    return Box(np.array([*middle, pose[2]]), np.array(body.half_m))


def bodies_at(pose: np.ndarray, vehicle: Vehicle, joint_rad: float = 0.0) -> list[Box]:
    """Return where our body and our trailer's stand, base_link at a (3,) pose x y heading."""
    boxes = [box_of(body_of(vehicle), pose)]
    if vehicle.trailer.present:
        behind = trailer_poses(pose, np.array(joint_rad), vehicle.trailer)
        boxes.append(box_of(body_of_trailer(vehicle.trailer), behind))
    return boxes


def swept_boxes(objects: Objects, place: np.ndarray) -> list[Box]:
    """Return the boxes of road users that move near a (2,) place, with where they were just before.

    A grid forgets them slowly, and where they will be is for their prediction to say: their cells tell nothing of the
    ground. Whether they are in the way is judged by their points and their predictions.
    """
    velocity = np.nan_to_num(objects.velocities_mps)
    speeds = np.hypot(velocity[:, 0], velocity[:, 1])
    close = np.linalg.norm(objects.positions_m[:, :2] - place, axis=1) < FAR_M
    moving = np.flatnonzero((speeds > MOVES_MPS) & close)
    back, headings = 0.5 * TRACE_S * velocity[moving], objects.headings_rad[moving]
    half = objects.dimensions_m[moving, :2] / 2.0
    half[:, 0] += np.abs(np.cos(headings) * back[:, 0] + np.sin(headings) * back[:, 1])
    poses = np.column_stack([objects.positions_m[moving, :2] - back, headings])
    return [Box(*told) for told in zip(poses, half)]
