"""Things to look at in RViz and Foxglove: visualization_msgs/MarkerArray. Nothing reads them back."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from autonomy_nodes.common.types import check_array
from autonomy_nodes.messages.store import constants, encode, header_of, new, store

ARRAY = 'visualization_msgs/msg/MarkerArray'
KINDS = {'line': 'LINE_STRIP', 'lines': 'LINE_LIST', 'dots': 'SPHERE_LIST', 'text': 'TEXT_VIEW_FACING'}


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
    """Write things to draw in place of those drawn before; `name` is the group that viewers show or hide."""
    known = constants('visualization_msgs/msg/Marker')
    header, point = header_of(stamp_ns, frame), store().types['geometry_msgs/msg/Point']
    drawn: list[dict[str, Any]] = [{'header': header, 'ns': name, 'action': known['DELETEALL']}]
    for number, mark in enumerate(marks):
        places = [point(*place) for place in np.asarray(mark.points, float).tolist()]
        at_point = mark.kind == 'text'
        size = {'z': mark.size_m} if at_point else {'x': mark.size_m}
        if mark.kind == 'dots':
            size = dict.fromkeys('xyz', mark.size_m)
        marker = {
            'header': header,
            'ns': name,
            'id': number,
            'type': known[KINDS[mark.kind]],
            'action': known['ADD'],
            'pose': {'position': places[0] if at_point else {}, 'orientation': {'w': 1.0}},
            'scale': size,
            'color': dict(zip('rgba', mark.color)),
            'points': [] if at_point else places,
            'text': mark.text,
        }
        drawn.append(marker)
    return encode(ARRAY, new(ARRAY, markers=drawn))
