"""The state that a plan starts from: what is measured, and what must be carried over from before."""

import math

import numpy as np

from autonomy_nodes.common.kinematics import articulation_rate
from autonomy_nodes.common.sensing import Steering
from autonomy_nodes.common.types import SECOND_NS, Articulation, EgoState, Trajectory
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.planning.rollout import Start
from autonomy_nodes.planning.situation import Situation

FRESH_S = 0.5
SETTLED_LENGTHS = 3.0  # trailer lengths rolled forward, after which 5 % of a wrong first guess is left
CRAWL_MPS = 1.5


class JointModel:
    """The trailer's angle where no sensor tells it: the model of the vehicle fed with its speed and its wheels.

    It begins straight, which may be wrong. Rolling forward pulls a trailer straight: what the first guess was off
    decays with exp(-distance / length). Until that has happened the vehicle crawls.
    """

    def __init__(self, vehicle: Vehicle) -> None:
        self._vehicle = vehicle
        self.angle_rad, self.rolled_m, self.told = 0.0, 0.0, False
        self._stamp_ns: int | None = None

    @property
    def settled(self) -> bool:
        """Whether the angle can be relied on."""
        return self.rolled_m >= SETTLED_LENGTHS * self._vehicle.trailer.length_m

    def take(self, articulation: Articulation | None, ego: EgoState, wheel_rad: float) -> None:
        """Move on to the stamp of `ego`, by the sensor if it tells."""
        step_s = 0.0 if self._stamp_ns is None else (ego.stamp_ns - self._stamp_ns) / SECOND_NS
        self._stamp_ns = ego.stamp_ns
        self.told = False
        if articulation is not None and _fresh(articulation, ego) and articulation.angles_rad:
            self.told, self.angle_rad = True, articulation.angles_rad[0]
            self.rolled_m = math.inf  # the model may carry on from a measured angle
        elif not 0.0 < step_s <= 1.0:
            self.rolled_m = 0.0
        else:
            for _ in range(5):
                self.angle_rad += 0.2 * step_s * float(
                    articulation_rate(self.angle_rad, wheel_rad, ego.speed_mps, self._vehicle)
                )
            self.rolled_m += ego.speed_mps * step_s


def wheel_of(steering: Steering | None, ego: EgoState, vehicle: Vehicle) -> float:
    """Return the angle of the front wheels: measured, else from the turn rate, else straight when standing."""
    if steering is not None and _fresh(steering, ego):
        wheel = steering.wheel_angle_rad
    elif abs(ego.speed_mps) > 0.5:
        wheel = math.atan(vehicle.wheelbase_m * float(ego.twist[5]) / ego.speed_mps)
    else:
        wheel = 0.0
    most = vehicle.limits.wheel_angle_rad
    return min(max(wheel, -most), most)


def start_of(situation: Situation, last: Trajectory | None, joint: JointModel, vehicle: Vehicle) -> Start:
    """Return where the simulation starts; the acceleration is that of the last plan now, as odometry tells none."""
    ego = situation.ego
    wheel = wheel_of(situation.steering, ego, vehicle)
    if vehicle.trailer.present:
        joint.take(situation.articulation, ego, wheel)
    acceleration = 0.0 if last is None else float(last.accelerations_mps2[0])
    pose = np.array([*ego.position_m[:2], ego.heading_rad])
    return Start(pose, ego.speed_mps, acceleration, wheel, joint.angle_rad if vehicle.trailer.present else 0.0)


def _fresh(measured: Steering | Articulation, ego: EgoState) -> bool:
    return abs(ego.stamp_ns - measured.stamp_ns) <= FRESH_S * SECOND_NS
