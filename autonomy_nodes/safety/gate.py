"""The last look at a trajectory before the vehicle drives it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.footing import Box, Zone, box_of, within
from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.kinematics import body_of
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState, Trajectory
from autonomy_nodes.common.vehicle import Vehicle


@dataclass(frozen=True)
class GateSettings:
    """What a trajectory must keep. Margins above the planner's own limits, so that only faults are caught.

    cap_margin_mps: above what perception allows by the sensors that are left.
    hit_within_s, hit_points: as many obstacle points inside the body so soon mean that nothing could have cleared.
    ground_within_s: how far ahead in time the ground under the wheels must be known and drivable.
    unseen_m: of it so much may lie in the gaps between the rings of a LiDAR. track_share: of the half width, less half
    a cell, is looked at: what the planner excuses lies further out. imminent_s: what is nearer waits for no next plan.
    """

    age_s: float = 0.5
    offset_m: float = 2.0
    offset_rad: float = 0.5
    speed_margin_mps: float = 2.0
    cap_margin_mps: float = 1.0
    acceleration_mps2: float = 4.0
    braking_mps2: float = 9.0
    lateral_mps2: float = 5.0
    wheel_margin_rad: float = 0.05
    jump_m: float = 0.5
    hit_within_s: float = 0.8
    hit_points: int = 4
    ground_within_s: float = 1.0
    unseen_m: float = 1.6
    track_share: float = 0.9
    imminent_s: float = 0.5

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


def check_cap(trajectory: Trajectory, ego: EgoState, cap_mps: float, settings: GateSettings) -> None:
    """Raise DataError where a trajectory grows faster than perception allows; from what is faster it may slow down."""
    limit = max(cap_mps, abs(ego.speed_mps)) + settings.cap_margin_mps
    fastest = float(np.abs(trajectory.speeds_mps).max())
    if fastest > limit:
        raise DataError(f'trajectory has speed_mps={fastest:.2f}, the limit by the sensors left is {limit:.2f}')


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


def check_ground(
    trajectory: Trajectory, terrain: Grid, blind: Sequence[Zone], moving: Sequence[Box], vehicle: Vehicle,
    settings: GateSettings,
) -> None:  # fmt: skip
    """Raise DangerError if the front soon comes onto ground that is never drivable or was never seen.

    blind: where ground that was never seen may be driven, by the rule that the planner has too. moving: road users that
    move; whether they are in the way is for `check_clear`. What stands where our body is at the start is exempt.
    A grid that is newer than the plan may tell what the plan could not know. Then it is only refused (DataError), and
    the one before goes on until the next, which knows it, unless that ground is imminent.
    """
    soon = trajectory.poses[trajectory.times_s <= settings.ground_within_s]
    if np.linalg.norm(soon[-1, :2] - soon[0, :2]) < 0.1:
        return
    body, size = body_of(vehicle), terrain.resolution_m
    own = box_of(body, np.array([*soon[0, :2], soon[0, 3]]))
    passing = [Zone(box, size) for box in moving]
    forward = np.stack([np.cos(soon[:, 3]), np.sin(soon[:, 3])], axis=1)
    left = np.stack([-forward[:, 1], forward[:, 0]], axis=1)
    half = max(settings.track_share * vehicle.width_m / 2.0 - size / 2.0, 0.0)
    newer = terrain.stamp_ns > trajectory.stamp_ns
    for side in (-half, half):
        track = soon[:, :2] + forward * vehicle.wheelbase_m + left * side
        steps_m = np.linalg.norm(np.diff(track, axis=0, prepend=track[:1]), axis=1)
        ahead = (track - soon[0, :2]) @ forward[0] > vehicle.front_m
        easy = terrain.at('traversability', track)
        denied = ahead & (easy <= 0.0) & ~within([Zone(own, size / 2.0), *passing], terrain, track)
        unseen = ahead & np.isnan(easy) & ~within([*blind, *passing], terrain, track)
        unseen &= np.cumsum(np.where(unseen, steps_m, 0.0)) > settings.unseen_m
        for found, why in ((denied, 'that cannot be driven'), (unseen, 'that was never seen')):
            if found.any():
                text = f'trajectory comes onto ground {why} within {settings.ground_within_s} s'
                waits = newer and trajectory.times_s[np.argmax(found)] > settings.imminent_s
                raise DataError(text) if waits else DangerError(text)


def at_time(trajectory: Trajectory, time_s: float) -> np.ndarray:
    """Return the (4,) pose at `time_s` after the stamp."""
    heading = np.unwrap(trajectory.poses[:, 3])
    columns = [trajectory.poses[:, 0], trajectory.poses[:, 1], trajectory.poses[:, 2], heading]
    return np.array([np.interp(time_s, trajectory.times_s, column) for column in columns])
