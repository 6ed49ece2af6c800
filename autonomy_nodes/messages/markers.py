"""Things to look at in RViz and Foxglove: visualization_msgs/MarkerArray. Nothing reads them back."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.types import check_array
from autonomy_nodes.messages.cdr import LITTLE_ENDIAN, Parts, write_header, write_text

ARRAY = 'visualization_msgs/msg/MarkerArray'
KINDS = {'line': 4, 'lines': 5, 'dots': 7, 'text': 9}  # LINE_STRIP, LINE_LIST, SPHERE_LIST, TEXT_VIEW_FACING
ADD, DELETE_ALL = 0, 3
BEFORE_TEXT = struct.pack('<I I4s ii I4s I4s I I', 0, 1, b'', 0, 0, 1, b'', 1, b'', 0, 0)  # colors to uv_coordinates
AFTER_TEXT = struct.pack('<I4s I4s I ?', 1, b'', 1, b'', 0, False)  # meshes
PLACE = struct.Struct('<7d3d4f')  # pose, scale, color


@dataclass(frozen=True, eq=False)
class Mark:
    """One thing to draw.

    points: (N, 3). kind: 'line' through the points, 'lines' between each two, 'dots' at them, 'text' at the first.
    color: red, green, blue, opacity in 0 to 1. size_m: width of a line, of a dot, height of letters.
    """

    points: np.ndarray
    kind: str = 'line'
    color: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    size_m: float = 0.1
    text: str = ''

    def __post_init__(self) -> None:
        check_array('points', self.points, None, 3)
        if self.kind not in KINDS:
            raise ValueError(f'kind={self.kind!r} must be one of {", ".join(KINDS)}')
        if self.kind == 'text' and not len(self.points):
            raise ValueError('a text needs a point')


def write_markers(stamp_ns: int, frame: str, marks: Iterable[Mark], name: str = '') -> bytes:
    """Write things to draw in place of those drawn before; `name` is the group that viewers show or hide.

    Field by field, since the type store takes a hundred times as long for the points of a step.
    """
    drawn = list(marks)
    header, group = write_header(stamp_ns, frame)[len(LITTLE_ENDIAN) :], write_text(name)
    message = Parts(LITTLE_ENDIAN)
    message.add_count(len(drawn) + 1)
    message.add(header, 4)
    message.add(group, 4)
    message.add(struct.pack('<iii', 0, 0, DELETE_ALL), 4)
    message.add(bytes(PLACE.size), 8)
    _add_rest(message, b'', 0, '')
    for number, mark in enumerate(drawn):
        points, at_point = np.ascontiguousarray(mark.points, '<f8'), mark.kind == 'text'
        size = (0.0, 0.0, mark.size_m) if at_point else (mark.size_m, 0.0, 0.0)
        if mark.kind == 'dots':
            size = (mark.size_m,) * 3
        message.add(header, 4)
        message.add(group, 4)
        message.add(struct.pack('<iii', number, KINDS[mark.kind], ADD), 4)
        place = points[0].tolist() if at_point else (0.0, 0.0, 0.0)
        message.add(PLACE.pack(*place, 0.0, 0.0, 0.0, 1.0, *size, *mark.color), 8)
        _add_rest(message, b'' if at_point else points.tobytes(), 0 if at_point else len(points), mark.text)
    return message.joined()


def _add_rest(message: Parts, points: bytes, count: int, text: str) -> None:
    """Append what follows the colour: lifetime, frame_locked, points, and fields of which only the text is used."""
    message.add(bytes(9), 4)
    message.add_count(count)
    if count:
        message.add(points, 8)
    message.add(BEFORE_TEXT, 4)
    message.add(write_text(text), 4)
    message.add(AFTER_TEXT, 4)
