"""Vehicles as URDF or xacro describes them: links, joints, shapes, and the sensors that Gazebo is told of.

Formats: wiki.ros.org/urdf/XML, sdformat.org (sensors in <gazebo reference="LINK">). Entities of XML are refused. A
xacro file is expanded by the library xacro, which evaluates its expressions: give it files that you trust.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np

from autonomy_nodes.common.geometry import matrix_of_rpy
from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import CameraView, LidarView
from autonomy_nodes.messages.formats.files import library

LIDAR, CAMERA, IMU, GNSS = 'lidar', 'camera', 'imu', 'gnss'
DEVICES: Mapping[str, str] = {  # type of a <sensor>: what it is
    'ray': LIDAR, 'gpu_ray': LIDAR, 'lidar': LIDAR, 'gpu_lidar': LIDAR, 'camera': CAMERA, 'wideanglecamera': CAMERA,
    'imu': IMU, 'gps': GNSS, 'navsat': GNSS,
}  # fmt: skip
XACRO, MOST_BYTES = '.xacro', 20_000_000
OPTICAL = 'optical'


@dataclass(frozen=True, eq=False)
class Joint:
    """How a link hangs on another. parent_from_child: (4, 4) at rest. upper_rad: the end of its way, None without."""

    name: str
    kind: str
    parent: str
    child: str
    parent_from_child: np.ndarray
    upper_rad: float | None


@dataclass(frozen=True, eq=False)
class Shape:
    """A box, cylinder or ball of a link. root_from_shape: (4, 4). half_m: (3,) half its sides along its own axes."""

    link: str
    kind: str
    root_from_shape: np.ndarray
    half_m: np.ndarray

    @property
    def corners(self) -> np.ndarray:
        """(8, 3) corners of the box about it, in the root's frame."""
        signs = np.array(np.meshgrid(*[(-1.0, 1.0)] * 3)).reshape(3, -1).T
        turn, shift = self.root_from_shape[:3, :3], self.root_from_shape[:3, 3]
        return (signs * self.half_m) @ turn.T + shift


@dataclass(frozen=True)
class Device:
    """A sensor of a link. frame: the one of its messages, where that is told. view: None where it is not told."""

    link: str
    kind: str
    frame: str
    view: LidarView | CameraView | None


@dataclass(frozen=True, eq=False)
class Description:
    """A vehicle.

    joints: by child. shapes: of <collision>, else of <visual>. meshes: links of which the size is not told here.
    """

    path: Path
    root: str
    links: tuple[str, ...]
    joints: Mapping[str, Joint]
    shapes: tuple[Shape, ...]
    meshes: tuple[str, ...]
    devices: tuple[Device, ...]

    def root_from(self, link: str) -> np.ndarray:
        """Return (4, 4) of a link with all joints at rest."""
        return _root_from(self.joints, link)

    def is_fixed(self, link: str) -> bool:
        """Return whether no joint between the root and a link moves."""
        above = [self.joints[name] for name in _chain(self.joints, link)]
        return all(joint.kind == 'fixed' for joint in above)


def read_description(path: Path, given: Mapping[str, str] | None = None) -> Description:
    """Read a .urdf or .xacro file; raises DataError naming what is wrong. given: arguments of the xacro file."""
    path = Path(path)
    robot = _parsed(path, _text(path, given or {}))
    links = tuple(_name(path, link) for link in robot.findall('link'))
    joints: dict[str, Joint] = {}
    for element in robot.findall('joint'):
        joint = _joint(path, element)
        for end in (joint.parent, joint.child):
            if end not in links:
                raise DataError(f'{path}: joint {joint.name!r} names link {end!r}, which there is not: add it')
        if joint.child in joints:
            raise DataError(f'{path}: link {joint.child!r} hangs on two joints: leave one of them')
        joints[joint.child] = joint
    roots = [link for link in links if link not in joints]
    if len(roots) != 1:
        raise DataError(f'{path}: {len(roots)} links hang on nothing ({", ".join(roots) or "a circle"}): one must')
    for link in links:
        _chain(joints, link)
    shapes, meshes = [], []
    for element in robot.findall('link'):
        found, unknown = _shapes(path, element, _root_from(joints, element.get('name', '')))
        shapes += found
        meshes += [element.get('name', '')] * unknown
    devices = tuple(each for element in robot.findall('gazebo') for each in _devices(path, element))
    return Description(path, roots[0], links, joints, tuple(shapes), tuple(meshes), devices)


def _text(path: Path, given: Mapping[str, str]) -> str:
    if not path.is_file():
        raise DataError(f'{path}: no such file; give a .urdf or .xacro')
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f'{path}: is larger than {MOST_BYTES} bytes, no description of a vehicle')
    try:
        text = path.read_text()
    except UnicodeDecodeError as error:
        raise DataError(f'{path}: is no text; give a .urdf or .xacro') from error
    if path.suffix != XACRO:
        if given:
            raise DataError(f'{path}: only a .xacro takes arguments, here {", ".join(given)}: take them out')
        return text
    _refuse_entities(path, text)
    xacro = library('xacro', path)
    try:
        return xacro.process_file(str(path), mappings=dict(given)).toxml()
    except Exception as error:  # whatever stands in an expression of the file
        raise DataError(f'{path}: xacro cannot expand it ({error}); see what `xacro {path.name}` says') from error


def _refuse_entities(path: Path, text: str) -> None:
    if '<!DOCTYPE' in text or '<!ENTITY' in text:  # by which few bytes can become gigabytes
        raise DataError(f'{path}: declares a DOCTYPE or entities, which are not read: write them out')


def _parsed(path: Path, text: str) -> Xml.Element:
    _refuse_entities(path, text)
    try:
        robot = Xml.fromstring(text)  # noqa: S314  without entities
    except Xml.ParseError as error:
        raise DataError(f'{path}: is no XML ({error}); see what `check_urdf {path.name}` says') from error
    if robot.tag != 'robot':
        raise DataError(f'{path}: begins with <{robot.tag}>, not <robot>: give a URDF')
    return robot


def _chain(joints: Mapping[str, Joint], link: str) -> list[str]:
    """Return the links from one up to the root, without it; raises DataError on a circle."""
    found: list[str] = []
    while link in joints:
        if link in found:
            raise DataError(f'link {link!r} hangs below itself: correct the parent of its joint')
        found.append(link)
        link = joints[link].parent
    return found


def _root_from(joints: Mapping[str, Joint], link: str) -> np.ndarray:
    matrix = np.eye(4)
    for name in _chain(joints, link):
        matrix = joints[name].parent_from_child @ matrix
    return matrix


def _joint(path: Path, element: Xml.Element) -> Joint:
    name, limit = _name(path, element), element.find('limit')
    ends = []
    for end in ('parent', 'child'):
        found = element.find(end)
        if found is None or not found.get('link'):
            raise DataError(f'{path}: joint {name!r} has no {end}: name its link')
        ends.append(found.get('link', ''))
    upper = None if limit is None or limit.get('upper') is None else _numbers(path, limit.get('upper', ''), 1, name)[0]
    kind = element.get('type', '')
    return Joint(name, kind, ends[0], ends[1], _origin(path, element, name), None if upper is None else float(upper))


def _shapes(path: Path, link: Xml.Element, root_from_link: np.ndarray) -> tuple[list[Shape], bool]:
    """Return the shapes of a link, and whether there are others of which the size is not told."""
    told = link.findall('collision') or link.findall('visual')
    name, found, unknown = link.get('name', ''), [], False
    for element in told:
        geometry = element.find('geometry')
        shape = None if geometry is None or not len(geometry) else geometry[0]
        if shape is None or shape.tag not in ('box', 'cylinder', 'sphere'):
            unknown = True
            continue
        if shape.tag == 'box':
            half = 0.5 * _numbers(path, shape.get('size', ''), 3, name)
        else:
            radius = float(_numbers(path, shape.get('radius', ''), 1, name)[0])
            length = radius if shape.tag == 'sphere' else 0.5 * _numbers(path, shape.get('length', ''), 1, name)[0]
            half = np.array([radius, radius, length])
        found.append(Shape(name, shape.tag, root_from_link @ _origin(path, element, name), half))
    return found, unknown


def _devices(path: Path, gazebo: Xml.Element) -> Iterator[Device]:
    link = gazebo.get('reference', '')
    for sensor in gazebo.findall('sensor'):
        kind = DEVICES.get(sensor.get('type', ''))
        if kind is None:
            continue
        pose = sensor.findtext('pose')
        if pose and np.any(_numbers(path, pose, 6, link)):
            raise DataError(f'{path}: a sensor stands beside its link {link!r} (<pose>): give it a link of its own')
        frame = next((told for tag in FRAME_TAGS if (told := (sensor.findtext(tag) or '').strip())), '')
        try:
            view = VIEWS[kind](path, sensor) if kind in VIEWS else None
        except ValueError as error:
            raise DataError(f'{path}: sensor of {link!r}: {error}') from error
        yield Device(link, kind, frame, view)


FRAME_TAGS = ('camera/optical_frame_id', 'plugin/frame_name', 'plugin/frameName', 'gz_frame_id', 'ignition_frame_id')


def _lidar_view(path: Path, sensor: Xml.Element) -> LidarView | None:
    ray = next((found for tag in ('ray', 'lidar') if (found := sensor.find(tag)) is not None), None)
    if ray is None or ray.find('scan/vertical') is None:
        return None

    def told(tag: str) -> float:
        text = ray.findtext(tag)
        if text is None:
            raise DataError(f'{path}: a LiDAR lacks <{tag.replace("/", "><")}>: add it')
        return float(_numbers(path, text, 1, tag)[0])

    low, high = told('scan/vertical/min_angle'), told('scan/vertical/max_angle')
    right, left = told('scan/horizontal/min_angle'), told('scan/horizontal/max_angle')
    return LidarView(low, high, int(told('scan/vertical/samples')), told('range/max'), right, left)


def _camera_view(path: Path, sensor: Xml.Element) -> CameraView | None:
    camera = sensor.find('camera')
    if camera is None:
        return None
    texts = [camera.findtext(tag) for tag in ('image/width', 'image/height', 'horizontal_fov')]
    if None in texts:
        return None
    width, height, fov_rad = (float(_numbers(path, text or '', 1, 'camera')[0]) for text in texts)
    fisheye = sensor.get('type') == 'wideanglecamera'
    if not 0.0 < fov_rad < (2.0 * math.pi if fisheye else math.pi):
        raise DataError(f'{path}: horizontal_fov {fov_rad} must lie between 0 and pi: tell radians')
    focal = 0.5 * width / (0.5 * fov_rad if fisheye else math.tan(0.5 * fov_rad))
    return CameraView(int(width), int(height), (focal, focal), (0.5 * width, 0.5 * height), fisheye)


VIEWS = {LIDAR: _lidar_view, CAMERA: _camera_view}


def _origin(path: Path, element: Xml.Element, name: str) -> np.ndarray:
    origin = element.find('origin')
    xyz, rpy = ('0 0 0' if origin is None else origin.get(key, '0 0 0') for key in ('xyz', 'rpy'))
    return matrix_of_rpy(_numbers(path, xyz, 3, name), _numbers(path, rpy, 3, name))


def _name(path: Path, element: Xml.Element) -> str:
    if not (name := element.get('name', '')):
        raise DataError(f'{path}: a <{element.tag}> has no name: give it one')
    return name


def _numbers(path: Path, text: str, count: int, name: str) -> np.ndarray:
    try:
        found = np.array([float(word) for word in text.split()])
    except ValueError:
        found = np.array([])
    if len(found) != count or not np.isfinite(found).all():
        raise DataError(f'{path}: {name!r} says {text!r} where {count} finite numbers are needed')
    return found
