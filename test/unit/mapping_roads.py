"""Small maps that the tests of the map draw: a straight road of two lanes, a fork."""

import numpy as np

from autonomy_nodes.common.geometry import quaternion_of_heading
from autonomy_nodes.common.types import EgoState, Pose
from autonomy_nodes.mapping.draft import Draft


def straight(length_m=100.0, lanes=2, width_m=3.5, pieces=1, stop_at_m=None, projection=None):
    """A road along x: lane k between y = k w and (k + 1) w, lowest lane rightmost; returns the map and lanelet ids."""
    draft = Draft(projection)
    ids, cuts = [], np.linspace(0.0, length_m, pieces + 1)
    light = ()
    if stop_at_m is not None:
        stop = draft.line([(stop_at_m, 0.0), (stop_at_m, width_m * lanes)], 'stop_line')
        lamp = draft.line([(length_m, 0.0, 5.0), (length_m, 1.0, 5.0)], 'traffic_light')
        light = (draft.rule('traffic_light', [lamp], [stop]),)
    for start, end in zip(cuts, cuts[1:]):
        kinds = [('road_border', ''), *[('line_thin', 'dashed')] * (lanes - 1), ('line_thin', 'solid')]
        lines = [draft.line([(start, k * width_m), (end, k * width_m)], *kind) for k, kind in enumerate(kinds)]
        for k in range(lanes):
            ids.append(draft.lanelet(lines[k + 1], lines[k], speed_limit_kmh=36.0, rules=light))
    return draft.finished(), ids


def fork():
    """A lane of 30 m along x that splits into one straight on and one that bends left by 90 degrees (radius 20)."""
    draft = Draft()
    angles = np.linspace(0.0, np.pi / 2.0, 17)
    in_left, in_right = (
        draft.line([(0, 2), (30, 2)], 'line_thin', 'solid'),
        draft.line([(0, -2), (30, -2)], 'line_thin', 'solid'),
    )
    on_left, on_right = draft.line([(30, 2), (80, 2)], 'virtual'), draft.line([(30, -2), (80, -2)], 'virtual')
    bend = [np.column_stack([30 + r * np.sin(angles), 20 - r * np.cos(angles)]) for r in (18, 22)]
    turn_left, turn_right = draft.line(bend[0], 'virtual'), draft.line(bend[1], 'virtual')
    first, ahead = draft.lanelet(in_left, in_right), draft.lanelet(on_left, on_right, turn_direction='straight')
    left = draft.lanelet(turn_left, turn_right, turn_direction='left')
    return draft.finished(), (first, ahead, left)


def ego_at(x, y, heading=0.0, stamp_ns=1, speed=0.0):
    """The vehicle's state in odom."""
    twist = np.array([speed, 0.0, 0.0, 0.0, 0.0, 0.0])
    return EgoState(stamp_ns, np.array([x, y, 0.0]), quaternion_of_heading(heading), twist)


def pose_at(x, y, heading=0.0, stamp_ns=1, sigma_m=0.1, z=0.0):
    """The vehicle's pose in map."""
    covariance = np.diag([sigma_m**2] * 3 + [1e-4] * 3)
    return Pose(stamp_ns, 'map', np.array([x, y, z]), quaternion_of_heading(heading), covariance)
