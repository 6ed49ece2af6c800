"""Which types of messages can tell where on earth a recording was made, and how."""

from functools import cache
from typing import Any

from rosbags.interfaces import Nodetype

from autonomy_nodes.messages.store import store

GLOBAL_FRAMES = ('map', 'earth', 'ecef', 'utm', 'world', 'wgs84', 'gps', 'enu', 'local_map')
FIX, TRANSFORMS, CLOUD = 'sensor_msgs/msg/NavSatFix', 'tf2_msgs/msg/TFMessage', 'sensor_msgs/msg/PointCloud2'
WORDS, ODOMETRY = 'diagnostic_msgs/msg/DiagnosticArray', 'nav_msgs/msg/Odometry'
PICTURE = 'sensor_msgs/msg/CompressedImage'
HEADER, POSE = 'std_msgs/msg/Header', 'geometry_msgs/msg/Pose'
PLACES = {f'geometry_msgs/msg/{name}' for name in ('Point', 'Point32', 'Pose', 'Pose2D', 'Transform')}
PLACES_IN_WORDS = {'latitude', 'longitude', 'lat', 'lon', 'mgrs_grid', 'map_origin', 'version_map'}
TEXTS = {'std_msgs/msg/String', 'rcl_interfaces/msg/Log'}
MARKER = 'visualization_msgs/msg/Marker'
RELATIVE = {(MARKER, 'points'), ('autoware_perception_msgs/msg/Shape', 'footprint')}  # told from a pose beside them


@cache
def unfit(kind: str) -> str:
    """Return why messages of a type cannot be copied whatever they hold; empty where they can."""
    if kind not in store().fielddefs:
        return 'its type is not known here, so it may tell a place'
    if kind in TEXTS:
        return 'free text may tell a place'
    if kind != FIX and names_of(kind) & PLACES_IN_WORDS:
        return 'it tells a place in a way that cannot be moved'
    if parts_of(kind) & PLACES and HEADER not in parts_of(kind):
        return 'it holds positions and names no frame'
    return ''


@cache
def parts_of(kind: str) -> frozenset[str]:
    """Return the message types that a type is made of, itself included."""
    below = [name for _, inner in store().fielddefs[kind][1] if (name := inner_type(inner))]
    return frozenset({kind}.union(*(parts_of(name) for name in below)))


@cache
def names_of(kind: str) -> frozenset[str]:
    """Return the names of all fields of a type and of those that it is made of."""
    return frozenset(name for part in parts_of(kind) for name, _ in store().fielddefs[part][1])


def inner_type(inner: Any) -> str | None:
    """Return the message type of a field, of its items where it is a list; None where it is a plain value."""
    code, detail = inner
    if code in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        code, detail = detail[0]
    return detail if code == Nodetype.NAME else None
