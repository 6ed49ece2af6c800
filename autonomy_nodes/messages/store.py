"""Small messages as objects: one store of message types, from bytes to objects and back, without rclpy.

The types are those of a ROS distribution (by rosbags) and those of interfaces/, which pip has no packages for.
"""

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.messages.cdr import stamp_ns_of

STORES = {'humble': Stores.ROS2_HUMBLE, 'jazzy': Stores.ROS2_JAZZY, 'kilted': Stores.ROS2_KILTED}
DEFAULT_DISTRO = 'jazzy'
MAX_SMALL_BYTES = 4 * 2**20  # what is read as objects; longer messages have codecs of their own


def distro() -> str:
    """Return the ROS distribution whose layouts are used: $ROS_DISTRO where it is known, else jazzy."""
    name = os.environ.get('ROS_DISTRO', DEFAULT_DISTRO)
    return name if name in STORES else DEFAULT_DISTRO


@cache
def store_of(distro_name: str) -> Typestore:
    """Return the types of a distribution, with those of interfaces/ and of interfaces/DISTRO/ over them."""
    if distro_name not in STORES:
        raise ValueError(f'distro {distro_name!r} is not one of {", ".join(STORES)}')
    texts: dict[str, str] = {}
    for folder in (interfaces_folder(), interfaces_folder() / distro_name):
        for path in sorted(folder.glob('*/msg/*.msg')):
            texts[f'{path.parts[-3]}/msg/{path.stem}'] = path.read_text()
    types: dict[str, Any] = {}
    for name, text in texts.items():
        types |= get_types_from_msg(text, name)
    store = get_typestore(STORES[distro_name])
    store.register(types)
    return store


def interfaces_folder() -> Path:
    """Return where the field lists lie: in the source tree, else in share/ of the installation."""
    shares = [Path(prefix) / 'share' for prefix in (*_ament_prefixes(), sys.prefix)]
    places = [Path(__file__).parents[2] / 'interfaces', *(share / 'autonomy_nodes' / 'interfaces' for share in shares)]
    for place in places:
        if place.is_dir():
            return place
    raise FileNotFoundError(f'no folder interfaces/ in {", ".join(map(str, places))}; install autonomy_nodes anew')


def _ament_prefixes() -> list[str]:
    return [prefix for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if prefix]


def store() -> Typestore:
    """Return the types of this process's distribution."""
    return store_of(distro())


def decode(type_name: str, data: bytes, limit: int = MAX_SMALL_BYTES) -> Any:
    """Return the message as an object with the fields of its type; raises DataError on bytes that are none."""
    if len(data) > limit:
        raise DataError(f'{type_name} of {len(data)} bytes is larger than {limit}')
    types = store()
    types.get_msgdef(type_name)  # an unknown type is a bug, not bad data: KeyError
    try:
        return types.deserialize_cdr(data, type_name)
    except Exception as error:  # whatever a library meets in foreign bytes: they are bad
        raise DataError(f'not a {type_name}: {error}') from error


def encode(type_name: str, message: Any) -> bytes:
    """Return the CDR of a message."""
    return bytes(store().serialize_cdr(message, type_name))


def prepare(type_name: str) -> None:
    """Have the code made that reads and writes a type, which otherwise happens with the first message of it."""
    decode(type_name, encode(type_name, new(type_name)))


def new(type_name: str, **given: Any) -> Any:
    """Make a message; a field that is not given is zero, empty, or a message of such fields.

    Sequences and arrays of numbers become numpy arrays of the right kind, values of dictionaries messages.
    """
    return _made(store(), type_name, given)


def _made(types: Typestore, type_name: str, given: dict[str, Any]) -> Any:
    fields = types.fielddefs[type_name][1]
    if unknown := given.keys() - {name for name, _ in fields}:
        raise KeyError(f'{type_name} has no fields {sorted(unknown)}')
    values = (_value(types, kind, given[name]) if name in given else _zero(types, kind) for name, kind in fields)
    return types.types[type_name](*values)


def _value(types: Typestore, kind: Any, value: Any) -> Any:
    if kind[0] == Nodetype.NAME and isinstance(value, dict):
        return _made(types, kind[1], value)
    if kind[0] in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        inner = kind[1][0]
        if inner[0] == Nodetype.NAME:
            return [_value(types, inner, item) for item in value]
        return list(value) if inner[1][0] == 'string' else np.ascontiguousarray(value, _dtype(inner)).ravel()
    return value


def _zero(types: Typestore, kind: Any) -> Any:
    if kind[0] == Nodetype.NAME:
        return _made(types, kind[1], {})
    if kind[0] == Nodetype.BASE:
        return {'string': '', 'bool': False}.get(kind[1][0], 0)
    inner, length = kind[1]
    count = length if kind[0] == Nodetype.ARRAY else 0
    if inner[0] == Nodetype.NAME or inner[1][0] == 'string':
        return [_zero(types, inner) for _ in range(count)]
    return np.zeros(count, _dtype(inner))


def _dtype(inner: Any) -> str:
    return {'byte': 'int8', 'char': 'uint8'}.get(inner[1][0], inner[1][0])


def constants(type_name: str) -> dict[str, Any]:
    """Return the constants of a message type by name."""
    return {name: value for name, _, value in store().fielddefs[type_name][0]}


def time_of(stamp_ns: int) -> dict[str, int]:
    """Return the fields of a builtin_interfaces/Time."""
    sec, nanosec = divmod(int(stamp_ns), SECOND_NS)
    return {'sec': sec, 'nanosec': nanosec}


def header_of(stamp_ns: int, frame: str) -> dict[str, Any]:
    """Return the fields of a std_msgs/Header."""
    return {'stamp': time_of(stamp_ns), 'frame_id': frame}


def stamp_of(time: Any) -> int:
    """Return the nanoseconds of a builtin_interfaces/Time."""
    return stamp_ns_of(time.sec, time.nanosec)
