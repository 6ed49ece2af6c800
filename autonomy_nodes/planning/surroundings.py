"""What is around the vehicle in the form the planner works with: the ground and the road users that matter."""

import numpy as np

from autonomy_nodes.common.footing import BlindZones, Box, bodies_at, swept_boxes
from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.planning.course import Course
from autonomy_nodes.planning.ground import Ground, GroundSettings, read_ground
from autonomy_nodes.planning.rollout import Start
from autonomy_nodes.planning.situation import Situation
from autonomy_nodes.planning.traffic import STANDING_MPS, Traffic, TrafficSettings, read_traffic

NEAR_COURSE_M, NEAR_WAY_M = 12.0, 40.0  # who comes no nearer to a lane, or to a way over open ground, meets nobody
BEHIND_M = 60.0


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


def ground_of(
    situation: Situation, start: Start, memory: TerrainMemory, blind: BlindZones, vehicle: Vehicle,
    settings: GroundSettings,
) -> Ground:
    """Return the ground of a step; the cells under road users that move are left to their predictions."""
    near = memory.recall('near', situation.terrain, situation.stamp_ns)
    far = memory.recall('far', situation.terrain_far, situation.stamp_ns)
    own = bodies_at(start.pose, vehicle, start.joint_rad)
    moving = swept_boxes(situation.predictions.objects, start.pose[:2])
    zones = blind.about(own, situation.stamp_ns, situation.mode)
    return read_ground((near, far), own, zones, moving, vehicle.height_m, settings)


def traffic_of(
    situation: Situation, start: Start, course: Course, vehicle: Vehicle, settings: TrafficSettings
) -> Traffic:
    """Return the road users who can meet us: near us, or at some time near the course."""
    paths = situation.predictions.paths[:, :, ::2, :2]
    reach = NEAR_COURSE_M if course.on_lane else NEAR_WAY_M
    stations, offsets, _ = course.reference.project(paths)
    beside = (np.abs(offsets) < reach) & (stations > course.station_m - BEHIND_M)
    near = beside.any(axis=(1, 2)) | (np.linalg.norm(paths - start.pose[:2], axis=-1) < reach).any(axis=(1, 2))
    own = inside_own_body(situation, bodies_at(start.pose, vehicle, start.joint_rad))
    near &= ~own & ~_of_the_ground(situation)
    return read_traffic(situation.predictions, situation.scene_modes, near, settings)


def _of_the_ground(situation: Situation) -> np.ndarray:
    """Return (N,) which objects are things of no known kind that stand where the terrain shows an obstacle.

    A bush or a wall vetoes by the ground that it stands on; looking for it among the road users too would only cost.
    """
    objects = situation.predictions.objects
    if situation.terrain is None:
        return np.zeros(len(objects), bool)
    speeds = np.hypot(*np.nan_to_num(objects.velocities_mps, nan=np.inf).T)
    blocked = situation.terrain.at('traversability', objects.positions_m[:, :2]) <= 0.0  # unknown is not blocked
    return (objects.labels == Label.UNKNOWN) & (speeds < STANDING_MPS) & blocked


def missing_words(ground: Ground, situation: Situation, start: Start, vehicle: Vehicle) -> tuple[str, ...]:
    """Return what the operator should know of what is not seen."""
    words = [] if ground.sheets else ['no terrain: nothing around is known']
    if own := int(inside_own_body(situation, bodies_at(start.pose, vehicle, start.joint_rad)).sum()):
        words.append(f'{own} objects stand inside our own body and are not counted')
    return tuple(words)


def inside_own_body(situation: Situation, stands: list[Box]) -> np.ndarray:
    """Return (N,) whether an object's middle lies in our own body: it is a part of us, such as a trailer's wall."""
    middles = situation.predictions.objects.positions_m[:, :2]
    return np.any([box.distances(middles) <= 0.0 for box in stands], axis=0)
