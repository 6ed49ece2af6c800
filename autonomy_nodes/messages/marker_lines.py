"""Lines of a visualization_msgs/MarkerArray, read back: a report draws what a viewer would have shown."""

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.markers import ARRAY
from autonomy_nodes.messages.store import constants, decode, stamp_of


def read_lines(data: bytes) -> tuple[int, list[np.ndarray]]:
    """Return the stamp and the (N, 3) points of each line, in the order of the message; other markers are left out."""
    message = decode(ARRAY, data)
    if not message.markers:
        raise DataError('marker array is empty: nothing tells its stamp')
    wanted = constants('visualization_msgs/msg/Marker')['LINE_STRIP']
    lines = [
        np.array([(point.x, point.y, point.z) for point in marker.points], float).reshape(-1, 3)
        for marker in message.markers
        if marker.type == wanted and len(marker.points) > 1
    ]
    if not all(np.isfinite(line).all() for line in lines):
        raise DataError('a point of a line is not finite')
    return stamp_of(message.markers[0].header.stamp), lines
