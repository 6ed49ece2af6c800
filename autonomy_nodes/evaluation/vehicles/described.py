"""What a URDF tells of a vehicle: axles, sizes, how far its wheels turn, where its sensors sit and what they see."""

import re

import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import Part
from autonomy_nodes.evaluation.vehicles.facts import Facts, Sensor
from autonomy_nodes.messages.formats.description import CAMERA, GNSS, IMU, LIDAR, OPTICAL, Description, Device
from autonomy_nodes.sensors.calibration import BASE, WITHIN_M

WHEEL, STEER = re.compile(r'wheel|tyre|tire', re.I), re.compile(r'steer', re.I)
AXLE_M = 0.2  # wheels that stand so near to one another along x are of one axle
WORDS = {  # by which the name of a link tells a sensor, where Gazebo is told of none of its kind
    LIDAR: ('lidar', 'velodyne', 'ouster', 'hesai', 'livox', 'laser'), CAMERA: ('camera', 'cam'), IMU: ('imu',),
    GNSS: ('gnss', 'gps', 'navsat'),
}  # fmt: skip
HOLDERS = {'base', 'mount', 'bracket', 'plate', 'adapter', 'holder'}  # of a sensor, not the sensor
PLAIN = {'link', 'frame', 'sensor', OPTICAL, *(word for words in WORDS.values() for word in words)}


def described(car: Description, facts: Facts, wheel_radius_m: float | None = None) -> None:
    """Add what a URDF tells; raises DataError where its wheels stand on the ground at an unknown height."""
    source = car.path.name
    base_from_root = _base_from_root(car, facts, wheel_radius_m, source)
    if upper := [joint.upper_rad for joint in car.joints.values() if STEER.search(joint.name) and joint.upper_rad]:
        facts.tell('limits.wheel_angle_rad', max(upper), f'{source}: limit of its steering joints')
    sensors = _sensors(car, facts, base_from_root, source)
    own = {link for sensor in sensors for link in _above(car, sensor.frame)}
    _sizes(car, facts, base_from_root, own, source)
    for sensor in sensors:
        facts.add(sensor)


def _base_from_root(car: Description, facts: Facts, wheel_radius_m: float | None, source: str) -> np.ndarray:
    """Return (4, 4) of the middle of the rear axle on the ground, with the axes of the URDF's base_link."""
    named = car.root_from(BASE if BASE in car.links else car.root)
    wheels = [joint for joint in car.joints.values() if joint.kind == 'continuous' and WHEEL.search(joint.child)]
    spots = np.array([(inverse(named) @ car.root_from(joint.child))[:3, 3] for joint in wheels]).reshape(-1, 3)
    axles = _axles(spots[:, 0])
    if len(axles) != 2:
        facts.notes.append(
            f'{source}: {len(axles)} axles by joints named wheel, so that wheel base and rear axle are not known: '
            f'{BASE} of the URDF is taken as it stands; it must be the middle of the rear axle, on the ground'
        )
        return inverse(named)
    facts.tell('wheelbase_m', round(axles[1] - axles[0], 4), f'{source}: joints of its wheels')
    rear = np.abs(spots[:, 0] - axles[0]) < AXLE_M
    round_m = [float(shape.half_m[0]) for shape in car.shapes if shape.link in {joint.child for joint in wheels}]
    radius_m = max(round_m) if round_m else wheel_radius_m
    if radius_m is None:
        raise DataError(f'{source}: its wheels tell no radius, so the ground is not known: give --wheel-radius-m')
    named_from_base = np.eye(4)
    named_from_base[:3, 3] = axles[0], spots[rear, 1].mean(), spots[rear, 2].mean() - radius_m
    off_m = named_from_base[:3, 3]
    if np.linalg.norm(off_m) > WITHIN_M:
        facts.notes.append(
            f'{source}: {BASE} must be the middle of the rear axle, on the ground, which lies '
            f'{off_m[0]:+.2f} {off_m[1]:+.2f} {off_m[2]:+.2f} m from where it is: mounts are told from the axle; '
            f'move {BASE} there in the URDF, or the stack refuses /tf_static'
        )
    return inverse(named @ named_from_base)


def _axles(xs: np.ndarray) -> list[float]:
    """Return where axles are, the rearmost first."""
    found: list[list[float]] = []
    for x in sorted(xs.tolist()):
        if found and x - found[-1][0] < AXLE_M:
            found[-1].append(x)
        else:
            found.append([x])
    return [float(np.mean(axle)) for axle in found]


def _sizes(car: Description, facts: Facts, base_from_root: np.ndarray, sensors: set[str], source: str) -> None:
    body = [shape for shape in car.shapes if shape.link not in sensors]
    spans = []
    for number, shape in enumerate(body):
        corners = shape.corners @ base_from_root[:3, :3].T + base_from_root[:3, 3]
        spans.append((corners.min(axis=0), corners.max(axis=0)))
        if car.is_fixed(shape.link):
            name = shape.link.removesuffix('_link')
            again = sum(other.link == shape.link for other in body[:number])
            low, high = (np.round(side, 3).tolist() for side in spans[-1])
            x_m, y_m, z_m = zip(low, high)
            facts.parts.setdefault(name if not again else f'{name}_{again + 1}', Part(x_m, y_m, z_m))
    if unknown := sorted({link for link in car.meshes if link not in sensors and car.is_fixed(link)}):
        text = f'{source}: {", ".join(unknown)} told by meshes alone, so the sizes of the body are not known'
        facts.notes.append(f'{text}: give each a <collision> of boxes')
    elif spans and facts.parts:
        low, high = np.min([low for low, _ in spans], axis=0), np.max([high for _, high in spans], axis=0)
        sizes = {'front_m': high[0], 'rear_m': -low[0], 'width_m': 2.0 * max(high[1], -low[1]), 'height_m': high[2]}
        for key, size in sizes.items():
            facts.tell(key, round(float(size), 3), f'{source}: its boxes')


def _sensors(car: Description, facts: Facts, base_from_root: np.ndarray, source: str) -> list[Sensor]:
    found = []
    for kind, words in WORDS.items():
        devices = [device for device in car.devices if device.kind == kind and device.link in car.links]
        if not devices:
            devices = [Device(link, kind, '', None) for link in car.links if _is_named(car, link, words)]
            if devices:
                links = ', '.join(device.link for device in devices)
                facts.notes.append(f'{source}: taken for a {kind} by the name of its link: {links}')
        for device in devices:
            frame = device.frame if device.frame in car.links else device.link
            if kind == CAMERA and not (frame := _optical(car, device)):
                facts.missing.append(
                    f'camera {device.link}: its optical frame (x right, y down, z ahead): add a link '
                    f'{device.link}_optical on a fixed joint with rpy="-1.570796 0 -1.570796" to {source}'
                )
                continue
            place = base_from_root @ car.root_from(frame)
            found.append(Sensor(kind, _name(device.link, kind), frame, place, device.view, source))
    return found


def _optical(car: Description, device: Device) -> str:
    """Return the optical frame of a camera, nothing where it has none."""
    below = [link for link, joint in car.joints.items() if joint.parent == device.link and joint.kind == 'fixed']
    for link in (device.frame, device.link, *below):
        if link in car.links and OPTICAL in link:
            return link
    return ''


def _is_named(car: Description, link: str, words: tuple[str, ...]) -> bool:
    parts = re.split(r'[_\W]+', link.lower())
    above = car.joints[link].parent if link in car.joints else ''
    if OPTICAL in parts and _is_named(car, above, words):
        return False  # the camera itself is a link too
    return any(part.startswith(words) for part in parts) and not HOLDERS & set(parts)


def _name(link: str, kind: str) -> str:
    parts = [part for part in re.split(r'[_\W]+', link) if part.lower() not in PLAIN]
    return '_'.join(parts) or (kind if kind in (IMU, GNSS) else link.removesuffix('_link'))


def _above(car: Description, link: str) -> list[str]:
    """Return a sensor's frame and, where that is an optical one, the link that it hangs on."""
    return [link, car.joints[link].parent] if OPTICAL in link and link in car.joints else [link]
