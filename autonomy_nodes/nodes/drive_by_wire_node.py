"""Drive-by-wire node: the reference of a vehicle interface, see docs/interface.md. Copy it, and put your bus behind it.

It takes commands, keeps the watchdogs, and tells who drives. Its actuators are a small model of a vehicle, or those of
the simulator. Services of type std_srvs/SetBool: vehicle/engage, and vehicle/fault/NAME, which injects a fault.
"""

from dataclasses import dataclass, field
from functools import partial

from autonomy_nodes.common.sensing import ControlMode, Gear, Steering, WheelSpeed
from autonomy_nodes.common.status import Heartbeat, Level
from autonomy_nodes.common.types import Articulation, Command
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.messages import driving, topics
from autonomy_nodes.messages.words import read_heartbeat
from autonomy_nodes.nodes.port import Port, Stage
from autonomy_nodes.sim.by_wire import FAULTS, ByWire, ByWireSettings, Plant

TICK_S = 0.02
TOLD_PERIOD = 5  # of so many ticks one tells mode and gear: 10 Hz


@dataclass(frozen=True)
class DriveByWireConfig:
    """What is driven. simulator: the actuators are those of the sim node (`sim.by_wire`), which tells their answer."""

    simulator: bool = False
    by_wire: ByWireSettings = field(default_factory=ByWireSettings)
    vehicle: Vehicle = field(default_factory=Vehicle)


class DriveByWire(Stage):
    """A vehicle's side of the hand-over."""

    name = 'drive_by_wire'
    config_type = DriveByWireConfig

    def build(self, port: Port, config: DriveByWireConfig) -> None:
        """Connect the wires."""
        self.port, self.config, self.ticks = port, config, 0
        self.wires, self.plant = ByWire(config.vehicle, config.by_wire), Plant(config.vehicle)
        self.mode_out, self.gear_out = port.publisher(topics.CONTROL_MODE), port.publisher(topics.GEAR)
        if config.simulator:
            self.actuation_out = port.publisher(topics.ACTUATION)
            self.wheels = port.latest(topics.VELOCITY, driving.read_velocity)
        else:
            self.velocity_out, self.steering_out = port.publisher(topics.VELOCITY), port.publisher(topics.STEERING)
            self.articulation_out = port.publisher(topics.ARTICULATION)
        port.each(topics.CONTROL, driving.read_command, lambda command: self.wires.take(command, port.now_ns()))
        port.each(topics.GEAR_COMMAND, driving.read_gear_command, self.shift)
        port.each(topics.HEARTBEAT, read_heartbeat, self.hear)
        port.switch('vehicle/engage', lambda wanted: self.wires.engage(wanted, port.now_ns()))
        for fault in FAULTS:
            port.switch(f'vehicle/fault/{fault}', partial(self.inject, fault))
        port.every(TICK_S, self.tick)

    def inject(self, fault: str, wanted: bool) -> tuple[bool, str]:
        """Let a fault begin or end."""
        return self.wires.inject(fault, wanted)

    def hear(self, heartbeat: Heartbeat) -> None:
        """Note that a node lives, by our clock: its own may be wrong."""
        self.wires.hear(heartbeat.node, self.port.now_ns())

    def shift(self, gear: Gear) -> None:
        """Put a gear in."""
        self.wires.shift(gear.gear, self.speed_mps())

    def speed_mps(self) -> float:
        """Return how fast the wheels turn; a simulator that has told nothing yet stands."""
        if not self.config.simulator:
            return float(self.plant.motion.speed_mps)
        return 0.0 if (wheels := self.wheels()) is None else wheels.longitudinal_mps

    def tick(self, now_ns: int) -> None:
        """Move the actuators and tell how the vehicle stands."""
        command = self.wires.step(now_ns, TICK_S)
        if self.config.simulator:
            self.actuation_out.publish(driving.write_command(command))
        else:
            self.move(command, now_ns)
        if self.ticks % TOLD_PERIOD == 0:
            self.mode_out.publish(driving.write_control_mode(ControlMode(now_ns, self.wires.mode)))
            self.gear_out.publish(driving.write_gear(Gear(now_ns, self.wires.gear)))
            level = Level.WARN if self.wires.faults or self.wires.why.startswith('brakes') else Level.OK
            told = {'mode': self.wires.mode, 'faults': ','.join(sorted(self.wires.faults)) or 'none'}
            self.port.say(level, self.wires.why, **told)
        self.ticks += 1

    def move(self, command: Command, now_ns: int) -> None:
        """Let the model of the vehicle answer, and tell what its wheels do."""
        before = float(self.plant.motion.heading_rad)
        motion = self.plant.step(command, TICK_S)
        rate_rps = (float(motion.heading_rad) - before) / TICK_S
        self.velocity_out.publish(driving.write_velocity(WheelSpeed(now_ns, float(motion.speed_mps), 0.0, rate_rps)))
        self.steering_out.publish(driving.write_steering(Steering(now_ns, float(motion.wheel_rad))))
        if self.config.vehicle.trailer.present:
            joint = Articulation(now_ns, (float(motion.articulation_rad),))
            self.articulation_out.publish(driving.write_articulation(joint))
