"""The last look at a trajectory before the vehicle drives it."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState, Trajectory
from autonomy_nodes.common.vehicle import Vehicle


@dataclass(frozen=True)
class GateSettings:
    """What a trajectory must keep. Margins above the planner's own limits, so that only faults are caught.

    hit_within_s, hit_points: as many obstacle points inside the body so soon mean that nothing could have cleared.
    ground_within_s: how far ahead in time the ground under the wheels must be known and drivable.
    unseen_m: of it so much may lie in the gaps between the rings of a LiDAR.
    """

    age_s: float = 0.5
    offset_m: float = 2.0
    offset_rad: float = 0.5
    speed_margin_mps: float = 2.0
    acceleration_mps2: float = 4.0
    braking_mps2: float = 9.0
    lateral_mps2: float = 5.0
    wheel_margin_rad: float = 0.05
    jump_m: float = 0.5
    hit_within_s: float = 0.8
    hit_points: int = 4
    ground_within_s: float = 1.0
    unseen_m: float = 1.6

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f'gate.{name}={value} must be above 0')


class DangerError(DataError):
    """A trajectory that would do harm at once, such as running into something."""


def check(trajectory: Trajectory, ego: EgoState, vehicle: Vehicle, settings: GateSettings) -> None:
    """Raise DataError with the reason unless the trajectory starts here and can be driven."""
    limits = vehicle.limits
    steps_s, speeds = np.diff(trajectory.times_s), trajectory.speeds_mps
    moved_m = np.linalg.norm(np.diff(trajectory.poses[:, :2], axis=0), axis=1)
    told_m = np.abs(speeds[1:] + speeds[:-1]) / 2.0 * steps_s
    age_s = (ego.stamp_ns - trajectory.stamp_ns) / SECOND_NS
    here = at_time(trajectory, min(max(age_s, 0.0), float(trajectory.times_s[-1])))
    found = {
        'age_s': (age_s, settings.age_s),
        'offset_m': (np.linalg.norm(here[:2] - ego.position_m[:2]), settings.offset_m),
        'offset_rad': (abs(wrapped(here[3] - ego.heading_rad)), settings.offset_rad),
        'speed_mps': (np.abs(speeds).max(), limits.speed_mps + settings.speed_margin_mps),
        'acceleration_mps2': (trajectory.accelerations_mps2.max(), settings.acceleration_mps2),
        'braking_mps2': (-trajectory.accelerations_mps2.min(), settings.braking_mps2),
        'lateral_mps2': (np.abs(speeds * trajectory.heading_rates_rps).max(), settings.lateral_mps2),
        'wheel_angle_rad': (
            np.abs(trajectory.wheel_angles_rad).max(), limits.wheel_angle_rad + settings.wheel_margin_rad,
        ),
        'jump_m': (np.abs(moved_m - told_m).max(), settings.jump_m),
    }  # fmt: skip
    for name, (value, limit) in found.items():
        if value > limit:
            raise DataError(f'trajectory has {name}={value:.2f}, the limit is {limit:.2f}')


def check_clear(trajectory: Trajectory, obstacles: PointCloud, vehicle: Vehicle, settings: GateSettings) -> None:
    """Raise DangerError if the body runs into obstacle points that nothing could have cleared by then.

    obstacles: in base_link at the stamp of the trajectory, whose first pose is that of the vehicle then.
    """
    soon = trajectory.poses[trajectory.times_s <= settings.hit_within_s]  # (T, 4)
    start = soon[0]
    turn = np.array([[np.cos(start[3]), np.sin(start[3])], [-np.sin(start[3]), np.cos(start[3])]])
    places = (soon[:, :2] - start[:2]) @ turn.T  # in base_link at the stamp
    headings = soon[:, 3] - start[3]
    near = np.abs(obstacles.xyz[:, :2]).max(axis=1) < vehicle.front_m + np.linalg.norm(places, axis=1).max() + 1.0
    xy = obstacles.xyz[near, :2].astype(float)
    for place, heading in zip(places[1:], headings[1:]):
        along = (xy - place) @ np.array([np.cos(heading), np.sin(heading)])
        across = (xy - place) @ np.array([-np.sin(heading), np.cos(heading)])
        inside = (along < vehicle.front_m) & (along > -vehicle.rear_m) & (np.abs(across) < vehicle.width_m / 2.0)
        if inside.sum() >= settings.hit_points:
            raise DangerError(f'trajectory runs into {inside.sum()} obstacle points within {settings.hit_within_s} s')


def check_ground(trajectory: Trajectory, terrain: Grid, vehicle: Vehicle, settings: GateSettings) -> None:
    """Raise DangerError if the front soon comes onto ground that is never drivable or was never seen.

    Where the body stands at the start is exempt: the sensors cannot see under it.
    """
    soon = trajectory.poses[trajectory.times_s <= settings.ground_within_s]
    if np.linalg.norm(soon[-1, :2] - soon[0, :2]) < 0.1:
        return
    forward = np.stack([np.cos(soon[:, 3]), np.sin(soon[:, 3])], axis=1)
    left = np.stack([-forward[:, 1], forward[:, 0]], axis=1)
    half = vehicle.width_m / 2.0
    for side in (-half, half):
        track = soon[:, :2] + forward * vehicle.wheelbase_m + left * side
        ahead = (track - soon[0, :2]) @ forward[0] > vehicle.front_m
        easy = terrain.at('traversability', track)
        if (easy[ahead] <= 0.0).any():
            raise DangerError(f'trajectory comes onto ground that cannot be driven within {settings.ground_within_s} s')
        steps_m = np.linalg.norm(np.diff(track, axis=0, prepend=track[:1]), axis=1)
        if steps_m[ahead & np.isnan(easy)].sum() > settings.unseen_m:
            raise DangerError(f'trajectory comes onto ground that was never seen within {settings.ground_within_s} s')


def at_time(trajectory: Trajectory, time_s: float) -> np.ndarray:
    """Return the (4,) pose at `time_s` after the stamp."""
    heading = np.unwrap(trajectory.poses[:, 3])
    columns = [trajectory.poses[:, 0], trajectory.poses[:, 1], trajectory.poses[:, 2], heading]
    return np.array([np.interp(time_s, trajectory.times_s, column) for column in columns])
