"""Stops that need no planner: carrying an old trajectory on, and braking in the present curve."""

import numpy as np

from autonomy_nodes.common.types import SECOND_NS, EgoState, Trajectory
from autonomy_nodes.common.vehicle import Vehicle

STEP_S = 0.1


def resumed(trajectory: Trajectory, now_ns: int) -> Trajectory:
    """Return what is left of a trajectory, with the stamp of now; at its end it stands."""
    gone_s = max((now_ns - trajectory.stamp_ns) / SECOND_NS, 0.0)
    left_s = max(float(trajectory.times_s[-1]) - gone_s, 2 * STEP_S)
    times_s = np.linspace(0.0, left_s, max(round(left_s / STEP_S), 2) + 1)
    old_s = np.minimum(times_s + gone_s, trajectory.times_s[-1])

    def cut(column: np.ndarray) -> np.ndarray:
        return np.interp(old_s, trajectory.times_s, column)

    heading = np.unwrap(trajectory.poses[:, 3])
    poses = np.column_stack([*(cut(trajectory.poses[:, axis]) for axis in range(3)), cut(heading)])
    over = times_s + gone_s > trajectory.times_s[-1]
    speeds, accelerations = cut(trajectory.speeds_mps), cut(trajectory.accelerations_mps2)
    accelerations[over] = 0.0
    rates, wheels = cut(trajectory.heading_rates_rps), cut(trajectory.wheel_angles_rad)
    return Trajectory(now_ns, times_s, poses, speeds, accelerations, rates, wheels, trajectory.frame)


def emergency_stop(ego: EgoState, vehicle: Vehicle, braking_mps2: float) -> Trajectory:
    """Return a stop from the present state in the present curve, in odom, 2 s longer than it takes."""
    speed = abs(ego.speed_mps)
    stop_s = speed / braking_mps2
    times_s = np.arange(0.0, stop_s + 2.0, STEP_S)
    speeds = np.maximum(speed - braking_mps2 * times_s, 0.0)
    moved = np.concatenate([[0.0], np.cumsum((speeds[1:] + speeds[:-1]) / 2.0 * STEP_S)]) * np.sign(ego.speed_mps)
    curvature = ego.twist[5] / ego.speed_mps if speed > 0.5 else 0.0
    sharpest = np.tan(vehicle.limits.wheel_angle_rad) / vehicle.wheelbase_m
    curvature = float(np.clip(curvature, -sharpest, sharpest))
    headings = ego.heading_rad + curvature * moved
    turning = abs(curvature) > 1e-6
    dx = (np.sin(headings) - np.sin(ego.heading_rad)) / curvature if turning else moved * np.cos(ego.heading_rad)
    dy = (np.cos(ego.heading_rad) - np.cos(headings)) / curvature if turning else moved * np.sin(ego.heading_rad)
    height = np.full_like(times_s, ego.position_m[2])
    poses = np.column_stack([ego.position_m[0] + dx, ego.position_m[1] + dy, height, headings])
    signed = speeds * np.sign(ego.speed_mps)
    accelerations = np.where(speeds > 0.0, -braking_mps2 * np.sign(ego.speed_mps), 0.0)
    wheels = np.full_like(times_s, np.arctan(curvature * vehicle.wheelbase_m))
    return Trajectory(ego.stamp_ns, times_s, poses, signed, accelerations, signed * curvature, wheels)
