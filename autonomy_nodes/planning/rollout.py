"""What the vehicle would really do with each proposal: it follows the path within its limits, with its lags."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.planning.paths import Paths
from autonomy_nodes.planning.rollout_loops import car_of, roll

STEP_S = 0.2
STEPS = 40  # 8 s
TIMES_S = STEP_S * np.arange(STEPS + 1)


@dataclass(frozen=True, eq=False)
class Wishes:
    """What N proposals ask for, each along one of P paths.

    path: (N,). speeds_mps: (N, T) wanted over time. paces_mps2: (N, T) how these change, known before.
    braking_mps2: (N,) how hard they may brake.
    caps: (N, M) squared highest speed along their path. lead_u: (N, T) where on the path the road user is to whom they
    keep distance, inf for none; lead_mps: (N, T) its speed.
    """

    path: np.ndarray
    speeds_mps: np.ndarray
    paces_mps2: np.ndarray
    braking_mps2: np.ndarray
    caps: np.ndarray
    lead_u: np.ndarray
    lead_mps: np.ndarray


@dataclass(frozen=True, eq=False)
class Start:
    """Where and how the vehicle is. pose: (3,) x y heading in odom. joint_rad: see kinematics.Motion."""

    pose: np.ndarray
    speed_mps: float
    acceleration_mps2: float
    wheel_rad: float
    joint_rad: float


@dataclass(frozen=True, eq=False)
class Drives:
    """N drives over T moments `TIMES_S`, the first of them the start.

    poses: (N, T, 3) x y heading of base_link in odom. The others (N, T); joints_rad: see kinematics.Motion.
    gaps_m: (N,) how far the vehicle came off its path.
    """

    poses: np.ndarray
    speeds_mps: np.ndarray
    accelerations_mps2: np.ndarray
    wheels_rad: np.ndarray
    joints_rad: np.ndarray
    gaps_m: np.ndarray

    def __len__(self) -> int:
        return len(self.poses)


def roll_out(start: Start, paths: Paths, wishes: Wishes, vehicle: Vehicle) -> Drives:
    """Simulate all proposals at once."""
    lines = np.stack([paths.points[..., 0], paths.points[..., 1], paths.headings, paths.curvatures], axis=-1)
    told = (wishes.speeds_mps, wishes.paces_mps2, wishes.lead_u, wishes.lead_mps)
    wanted = np.stack([values[:, :STEPS] for values in told], axis=1)
    caps, scale = np.ascontiguousarray(wishes.caps), np.ascontiguousarray(paths.scale_m)
    facing = paths.headings[wishes.path, 0] + wrapped(start.pose[2] - paths.headings[wishes.path, 0])
    begin = np.array([*start.pose, start.speed_mps, start.acceleration_mps2, start.wheel_rad, start.joint_rad])
    car = car_of(vehicle)
    return Drives(*roll(lines, scale, wishes.path, caps, wanted, wishes.braking_mps2, car, STEP_S, begin, facing))
