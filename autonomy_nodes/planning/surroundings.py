"""What is around the vehicle in the form the planner works with: ground, traffic, and how fast both allow to go."""

import math
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.kinematics import body_of, body_of_trailer, trailer_poses
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.planning.ground import Box, Ground, GroundSettings, box_of, read_ground
from autonomy_nodes.planning.rollout import Start
from autonomy_nodes.planning.situation import Situation
from autonomy_nodes.planning.traffic import Traffic, TrafficSettings, boxes_overlap, read_traffic


@dataclass(frozen=True, eq=False)
class Surroundings:
    """ground, traffic: of this step. words: what is missing."""

    ground: Ground
    traffic: Traffic
    words: tuple[str, ...]


class TerrainMemory:
    """The last grids, for a step to which none came: they are in odom, and what was seen stays seen."""

    def __init__(self, max_age_s: float) -> None:
        self._max_age_s = max_age_s
        self._grids: dict[str, Grid] = {}

    def recall(self, name: str, grid: Grid | None, stamp_ns: int) -> Grid | None:
        """Return this grid, else the last one of its name if it is young enough."""
        if grid is not None:
            self._grids[name] = grid
        kept = self._grids.get(name)
        return kept if kept is not None and abs(stamp_ns - kept.stamp_ns) <= self._max_age_s * SECOND_NS else None


def surroundings_of(
    situation: Situation, start: Start, memory: TerrainMemory, vehicle: Vehicle, ground: GroundSettings,
    traffic: TrafficSettings,
) -> Surroundings:
    """Return the ground and the traffic of a step."""
    near = memory.recall('near', situation.terrain, situation.stamp_ns)
    far = memory.recall('far', situation.terrain_far, situation.stamp_ns)
    stands = own_boxes(start, vehicle)
    own = _inside_own_body(situation, stands)
    users = read_traffic(situation.predictions, situation.scene_modes, own, traffic)
    moving = [Box(users.poses[i, 0, 0], users.half_m[i]) for i in np.flatnonzero(users.moving)]
    words = []
    if near is None and far is None:
        words.append('no terrain: nothing around is known')
    if own.any():
        words.append(f'{int(own.sum())} objects stand inside our own body and are not counted')
    return Surroundings(read_ground((near, far), stands, moving, vehicle.height_m, ground), users, tuple(words))


def own_boxes(start: Start, vehicle: Vehicle) -> list[Box]:
    """Return where our bodies stand now."""
    boxes = [box_of(body_of(vehicle), start.pose)]
    if vehicle.trailer.present:
        behind = trailer_poses(start.pose, np.array(start.joint_rad), vehicle.trailer)
        boxes.append(box_of(body_of_trailer(vehicle.trailer), behind))
    return boxes


def speed_for_sight(visibility_m: float | None, vehicle: Vehicle) -> float:
    """Return the speed from which a comfortable stop ends within what the sensors see; inf where that is not told."""
    if visibility_m is None:
        return math.inf
    limits = vehicle.limits
    braking, lag = limits.comfort_braking_mps2, limits.brake_lag_s
    free_m = max(visibility_m - vehicle.front_m, 0.0)
    return braking * (math.sqrt(lag**2 + 2.0 * free_m / braking) - lag)


def _inside_own_body(situation: Situation, stands: list[Box]) -> np.ndarray:
    """Return (N,) whether an object's middle lies in our own body: it is a part of us, such as a trailer's wall."""
    objects = situation.predictions.objects
    found = np.zeros(len(objects), bool)
    point = np.full((len(objects), 2), 1e-3)
    middles = np.column_stack([objects.positions_m[:, :2], objects.headings_rad])
    for box in stands:
        pose = np.broadcast_to(box.pose, (len(objects), 3))
        found |= boxes_overlap(pose, np.broadcast_to(box.half, (len(objects), 2)), middles, point)
    return found
