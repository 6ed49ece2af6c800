"""What the vehicle tells of its wheels, gear and driver, and what it is told to do."""

import math

import numpy as np

from autonomy_nodes.common.sensing import ControlMode, Gear, Steering, WheelSpeed
from autonomy_nodes.common.types import Articulation, Command, DataError
from autonomy_nodes.messages.store import constants, decode, encode, header_of, new, stamp_of, time_of

VELOCITY = 'autoware_vehicle_msgs/msg/VelocityReport'
STEERING = 'autoware_vehicle_msgs/msg/SteeringReport'
CONTROL_MODE = 'autoware_vehicle_msgs/msg/ControlModeReport'
GEAR = 'autoware_vehicle_msgs/msg/GearReport'
GEAR_COMMAND = 'autoware_vehicle_msgs/msg/GearCommand'
ARTICULATION = 'sensor_msgs/msg/JointState'
CONTROL = 'autoware_control_msgs/msg/Control'
TWIST = 'geometry_msgs/msg/TwistStamped'
ACKERMANN = 'ackermann_msgs/msg/AckermannDriveStamped'
BASE = 'base_link'


def read_velocity(data: bytes) -> WheelSpeed:
    """Read the speed by the wheels; raises DataError unless it is that of base_link."""
    message = decode(VELOCITY, data)
    if message.header.frame_id != BASE:
        raise DataError(f'velocity is that of {message.header.frame_id!r}, expected {BASE}')
    values = (message.longitudinal_velocity, message.lateral_velocity, message.heading_rate)
    _check_finite('velocity', *values)
    return WheelSpeed(stamp_of(message.header.stamp), *values)


def write_velocity(speed: WheelSpeed) -> bytes:
    """Write the speed by the wheels."""
    message = new(
        VELOCITY,
        header=header_of(speed.stamp_ns, BASE),
        longitudinal_velocity=speed.longitudinal_mps,
        lateral_velocity=speed.lateral_mps,
        heading_rate=speed.heading_rate_rps,
    )
    return encode(VELOCITY, message)


def read_steering(data: bytes) -> Steering:
    """Read the angle of the front wheels."""
    message = decode(STEERING, data)
    _check_finite('steering', message.steering_tire_angle)
    return Steering(stamp_of(message.stamp), message.steering_tire_angle)


def write_steering(steering: Steering) -> bytes:
    """Write the angle of the front wheels."""
    message = new(STEERING, stamp=time_of(steering.stamp_ns), steering_tire_angle=steering.wheel_angle_rad)
    return encode(STEERING, message)


def read_control_mode(data: bytes) -> ControlMode:
    """Read who drives."""
    message = decode(CONTROL_MODE, data)
    return ControlMode(stamp_of(message.stamp), _name(CONTROL_MODE, message.mode))


def write_control_mode(mode: ControlMode) -> bytes:
    """Write who drives."""
    return encode(CONTROL_MODE, new(CONTROL_MODE, stamp=time_of(mode.stamp_ns), mode=_number(CONTROL_MODE, mode.mode)))


def read_gear(data: bytes) -> Gear:
    """Read the gear that is in."""
    message = decode(GEAR, data)
    return Gear(stamp_of(message.stamp), _name(GEAR, message.report))


def write_gear(gear: Gear) -> bytes:
    """Write the gear that is in."""
    return encode(GEAR, new(GEAR, stamp=time_of(gear.stamp_ns), report=_number(GEAR, gear.gear)))


def read_gear_command(data: bytes) -> Gear:
    """Read the gear that shall be in."""
    message = decode(GEAR_COMMAND, data)
    return Gear(stamp_of(message.stamp), _name(GEAR_COMMAND, message.command))


def write_gear_command(gear: Gear) -> bytes:
    """Write the gear that shall be in."""
    message = new(GEAR_COMMAND, stamp=time_of(gear.stamp_ns), command=_number(GEAR_COMMAND, gear.gear))
    return encode(GEAR_COMMAND, message)


def read_articulation(data: bytes) -> Articulation:
    """Read the angles of the joints, front to rear; none where nothing is drawn."""
    message = decode(ARTICULATION, data)
    _check_finite('articulation', *message.position)
    return Articulation(stamp_of(message.header.stamp), tuple(message.position.tolist()))


def write_articulation(articulation: Articulation) -> bytes:
    """Write the angles of the joints."""
    names = [f'articulation_{number}' for number in range(len(articulation.angles_rad))]
    header = header_of(articulation.stamp_ns, '')
    return encode(ARTICULATION, new(ARTICULATION, header=header, name=names, position=articulation.angles_rad))


def read_command(data: bytes) -> Command:
    """Read autoware's Control."""
    message = decode(CONTROL, data)
    along, across = message.longitudinal, message.lateral
    rate = across.steering_tire_rotation_rate if across.is_defined_steering_tire_rotation_rate else 0.0
    values = (along.velocity, along.acceleration, across.steering_tire_angle, rate)
    _check_finite('command', *values)
    return Command(stamp_of(message.stamp), *values)


def write_command(command: Command) -> bytes:
    """Write autoware's Control."""
    stamp = time_of(command.stamp_ns)
    times = {'stamp': stamp, 'control_time': stamp}
    across = {
        'steering_tire_angle': command.wheel_angle_rad,
        'steering_tire_rotation_rate': command.wheel_rate_rps,
        'is_defined_steering_tire_rotation_rate': True,
    }
    along = {'velocity': command.speed_mps, 'acceleration': command.acceleration_mps2, 'is_defined_acceleration': True}
    return encode(CONTROL, new(CONTROL, **times, lateral={**times, **across}, longitudinal={**times, **along}))


def write_twist(command: Command, wheelbase_m: float) -> bytes:
    """Write the command as speed and turn rate of a vehicle without slip."""
    rate_rps = command.speed_mps * math.tan(command.wheel_angle_rad) / wheelbase_m
    twist = {'linear': {'x': command.speed_mps}, 'angular': {'z': rate_rps}}
    return encode(TWIST, new(TWIST, header=header_of(command.stamp_ns, BASE), twist=twist))


def write_ackermann(command: Command) -> bytes:
    """Write the command as speed and wheel angle."""
    drive = {
        'steering_angle': command.wheel_angle_rad,
        'steering_angle_velocity': command.wheel_rate_rps,
        'speed': command.speed_mps,
        'acceleration': command.acceleration_mps2,
    }
    return encode(ACKERMANN, new(ACKERMANN, header=header_of(command.stamp_ns, BASE), drive=drive))


def _check_finite(name: str, *values: float) -> None:
    if not np.isfinite(values).all():
        raise DataError(f'{name} {list(map(float, values))} holds a value that is not finite')


def _name(type_name: str, number: int) -> str:
    """Return the name of a constant; where several share a number, the first."""
    for name, value in constants(type_name).items():
        if value == number:
            return name
    raise DataError(f'{number} is none of the values of {type_name}')


def _number(type_name: str, name: str) -> int:
    known = constants(type_name)
    if name not in known:
        raise ValueError(f'{name!r} is none of {", ".join(known)}')
    return known[name]
