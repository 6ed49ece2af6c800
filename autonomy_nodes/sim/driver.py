"""Whom the simulated vehicle obeys: a control command, else the trajectory itself, else it brakes."""

from autonomy_nodes.common.geometry import inverse, quaternion_of
from autonomy_nodes.common.types import SECOND_NS, Command, EgoState, Trajectory
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.control.follower import Follower
from autonomy_nodes.sim.simulation import Simulation

FRESH_S = 0.5  # what is older is no longer obeyed
TRAJECTORY_FRESH_S = 1.0  # its stamp is that of the sweep behind it


class Driver:
    """Drive by wire. `follows` tells what was obeyed last: 'control', 'trajectory', 'by wire', 'nothing'."""

    def __init__(self, vehicle: Vehicle) -> None:
        self._braking_mps2 = vehicle.limits.comfort_braking_mps2
        self._follower = Follower(vehicle)
        self.follows = 'nothing'

    def command(
        self, simulation: Simulation, control: Command | None, trajectory: Trajectory | None, odometry: EgoState | None
    ) -> Command:
        """Return what to do now; each input is the newest that came. odometry: the stack's own, in odom."""
        now_ns = simulation.now_ns
        if control is not None and now_ns - control.stamp_ns < FRESH_S * SECOND_NS:
            self.follows = 'control'
            return control
        if trajectory is not None and now_ns - trajectory.stamp_ns < TRAJECTORY_FRESH_S * SECOND_NS:
            ego = _in_frame_of(trajectory, simulation, odometry)
            if ego is not None:
                self.follows = 'trajectory'
                return self._follower.follow(trajectory, ego, simulation.motion.wheel_angle_rad, now_ns)
        self.follows = 'nothing'
        return self.braking(now_ns)

    def wired(self, now_ns: int, actuation: Command | None) -> Command:
        """Return what a drive by wire lets through; a stop where it is silent."""
        if actuation is not None and now_ns - actuation.stamp_ns < FRESH_S * SECOND_NS:
            self.follows = 'by wire'
            return actuation
        self.follows = 'nothing'
        return self.braking(now_ns)

    def braking(self, now_ns: int) -> Command:
        """Return a comfortable stop with straight wheels."""
        return Command(now_ns, 0.0, -self._braking_mps2, 0.0)


def _in_frame_of(trajectory: Trajectory, simulation: Simulation, odometry: EgoState | None) -> EgoState | None:
    """Return where the vehicle truly is, in the frame of the trajectory; None where that is not known."""
    truth = simulation.motion.ego(simulation.now_ns)
    if trajectory.frame == 'map':
        return truth
    then = None if odometry is None else simulation.pose_at(odometry.stamp_ns)
    if odometry is None or then is None:
        return None
    odom_from_base = odometry.odom_from_base @ inverse(then) @ simulation.motion.map_from_base
    return EgoState(truth.stamp_ns, odom_from_base[:3, 3], quaternion_of(odom_from_base[:3, :3]), truth.twist)
