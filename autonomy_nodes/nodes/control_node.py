"""Control node: the trajectory to drive becomes commands, twenty a second."""

from autonomy_nodes.common.sensing import Gear
from autonomy_nodes.common.status import Level
from autonomy_nodes.common.types import SECOND_NS, Command, Trajectory
from autonomy_nodes.control.follower import Follower, FollowerConfig
from autonomy_nodes.control.limits import limited
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.driving import (
    read_control_mode,
    read_gear,
    read_steering,
    write_ackermann,
    write_command,
    write_gear_command,
    write_twist,
)
from autonomy_nodes.messages.motion import read_ego
from autonomy_nodes.messages.trajectory import read_trajectory
from autonomy_nodes.nodes.port import Port, Stage

TICK_S = 0.05
MODE_VALID_S = 1.0  # who drove so long ago may no longer drive
AUTONOMOUS = 'AUTONOMOUS'


class Control(Stage):
    """A person who drives is never overruled: then nothing is sent. What is sent is within the vehicle's limits."""

    name = 'control'
    config_type = FollowerConfig

    def build(self, port: Port, config: FollowerConfig) -> None:
        """Create the follower and connect it."""
        self.port, self.vehicle = port, config.vehicle
        self.follower = Follower(config.vehicle, config)
        self.trajectory: Trajectory | None = None
        self.sent: Command | None = None
        self.control_out, self.gear_out = port.publisher(topics.CONTROL), port.publisher(topics.GEAR_COMMAND)
        self.twist_out, self.ackermann_out = port.publisher(topics.TWIST), port.publisher(topics.ACKERMANN)
        self.ego = port.latest(topics.ODOMETRY_PREDICTED, read_ego)
        self.steering = port.latest(topics.STEERING, read_steering)
        self.mode = port.latest(topics.CONTROL_MODE, read_control_mode)
        self.gear = port.latest(topics.GEAR, read_gear)
        port.trigger(topics.TRAJECTORY, read_trajectory, self.take)
        port.every(TICK_S, self.drive)

    def take(self, trajectory: Trajectory) -> None:
        """Keep the newest trajectory; the tick drives it."""
        self.trajectory = trajectory

    def drive(self, now_ns: int) -> None:
        """Send a command for now."""
        ego, mode, steering = self.ego(), self.mode(), self.steering()
        silent_s = 0.0 if mode is None else (now_ns - mode.stamp_ns) / SECOND_NS
        if mode is None or mode.mode != AUTONOMOUS or silent_s > MODE_VALID_S:
            driver = 'nobody tells who drives' if mode is None else f'control mode is {mode.mode}'
            driver += f', told {silent_s:.1f} s ago' if silent_s > MODE_VALID_S else ''
            self.port.say(Level.OK, f'no command: {driver}')
            return
        if self.trajectory is None or ego is None:
            self.port.say(Level.WARN, f'no command: no {"trajectory" if ego else "odometry"} yet')
            return
        if self.trajectory.frame != 'odom':
            text = f'no command: the trajectory is in {self.trajectory.frame}, odometry in odom'
            self.port.say(Level.ERROR, text, remedy='let safety alone publish planning/trajectory: another node does')
            return
        wheel_rad = self.trajectory.wheel_angles_rad[0] if steering is None else steering.wheel_angle_rad
        command = self.follower.follow(self.trajectory, ego, float(wheel_rad), now_ns)
        command = self.sent = limited(command, self.sent, ego.speed_mps, float(wheel_rad), self.vehicle)
        self.port.say(Level.OK, '', gear='unknown' if (gear := self.gear()) is None else gear.gear)
        self.gear_out.publish(write_gear_command(Gear(now_ns, 'DRIVE')))
        self.twist_out.publish(write_twist(command, self.vehicle.wheelbase_m))
        self.ackermann_out.publish(write_ackermann(command))
        self.control_out.publish(write_command(command))
