"""The layers of a report's picture, small enough for a web page: whole centimetres and milliradians around an origin.

Every function takes a value of the stack and returns lists of whole numbers (JSON). Places are in odom, relative to the
origin of the report; lengths, speeds and heights in cm and cm/s, angles in mrad, probabilities in percent.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from autonomy_nodes.common.geometry import moved
from autonomy_nodes.common.grid import Grid, kinds
from autonomy_nodes.common.lanes import LanePieces
from autonomy_nodes.common.objects import Objects, Predictions
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import EgoState, Trajectory

LEAST_PERCENT = 5  # modes less probable than this are not drawn
STRAIGHT_M = 0.1  # points of a map line nearer than this to a straight one are left out


def percents(probabilities: np.ndarray) -> list[int]:
    """Return whole percents."""
    return np.rint(100 * probabilities).astype(int).tolist()


def ego_row(ego: EgoState, origin: np.ndarray) -> list[int]:
    """Return x, y, heading, speed."""
    return [*_cm(ego.position_m[:2] - origin), *milli(ego.heading_rad), *_cm(ego.speed_mps)]


def object_rows(objects: Objects, origin: np.ndarray, odom_from_frame: np.ndarray | None = None) -> list[list[Any]]:
    """Return name, label, x, y, heading, length, width, height, vx, vy, existence of each object.

    vx, vy are None where not known. odom_from_frame: (4, 4) for objects that are not in odom.
    """
    turn = np.eye(4) if odom_from_frame is None else odom_from_frame
    xy = moved(objects.positions_m, turn)[:, :2] - origin
    headings = objects.headings_rad + np.arctan2(turn[1, 0], turn[0, 0])
    velocities = objects.velocities_mps @ turn[:2, :2].T
    names = objects.names() or [''] * len(objects)
    return [
        [
            names[i], int(objects.labels[i]), *_cm(xy[i]), *milli(headings[i]), *_cm(objects.dimensions_m[i]),
            *(_cm(velocities[i]) if np.isfinite(velocities[i]).all() else (None, None)),
            round(100 * float(objects.existence[i])),
        ]
        for i in range(len(objects))
    ]  # fmt: skip


def path_rows(predictions: Predictions, origin: np.ndarray, step_s: float = 1.0) -> list[list[list[int]]]:
    """Return for each object its probable paths: mode, percent, x, y, x, y, ... about each `step_s`."""
    stride = max(1, round(step_s / predictions.step_s))
    percent = np.rint(100 * predictions.probabilities).astype(int)  # (N, K)
    places = _cm_array(predictions.paths[:, :, ::stride, :2] - origin)
    return [
        [[k, int(percent[i, k]), *places[i, k].ravel().tolist()] for k in range(places.shape[1])
         if percent[i, k] >= LEAST_PERCENT]
        for i in range(len(places))
    ]  # fmt: skip


def way_row(xy: np.ndarray, origin: np.ndarray, most: int = 12) -> list[int]:
    """Return x, y, x, y, ... of at most `most` points of a path xy (T, 2), its ends included."""
    return _cm_array(xy[_spread(len(xy), most)] - origin).ravel().tolist()


def drive_row(xy: np.ndarray, speeds_mps: np.ndarray, origin: np.ndarray, most: int = 25) -> list[int]:
    """Return x, y, speed, x, y, speed, ... of at most `most` points of a path xy (T, 2), its ends included."""
    keep = _spread(len(xy), most)
    return np.column_stack([_cm_array(xy[keep] - origin), _cm_array(speeds_mps[keep])]).ravel().tolist()


def trajectory_row(trajectory: Trajectory, origin: np.ndarray) -> list[int]:
    """Return x, y, speed, ... of a trajectory in odom."""
    return drive_row(trajectory.poses[:, :2], trajectory.speeds_mps, origin)


def terrain_cells(grid: Grid, origin: np.ndarray) -> dict[str, Any]:
    """Return every cell as one digit, its place in KINDS, x by x; what was not seen or not judged is unknown."""
    shown = kinds(grid) + np.uint8(ord('0'))
    return {
        'origin': _cm(grid.origin_m - origin),
        'cell': _cm(grid.resolution_m)[0],
        'shape': list(shown.shape),
        'cells': shown.tobytes().decode('ascii'),
    }


def point_row(cloud: PointCloud, ego: EgoState, origin: np.ndarray, most: int) -> list[int]:
    """Return x, y, height above base_link [dm] of at most `most` points in base_link, spread evenly over the ground."""
    if not len(cloud):
        return []
    height_dm = np.rint(10 * cloud.xyz[:, 2]).astype(int)
    order = np.argsort(-height_dm, kind='stable')  # of the points in one cell the highest stands for all
    xy = moved(cloud.xyz.astype(float), ego.odom_from_base)[:, :2] - origin
    low, cell_m = np.array([xy[:, 0].min(), xy[:, 1].min()]), 0.2
    while True:
        column, row = np.floor((xy[order] - low) / cell_m).astype(np.int64).T
        _, first = np.unique(column * (row.max() + 1) + row, return_index=True)
        order = order[np.sort(first)]
        if len(order) <= most:
            break
        cell_m *= 1.25
    return np.column_stack([_cm_array(xy[order]), height_dm[order]]).ravel().tolist()


def line_rows(pieces: LanePieces, ego: EgoState, origin: np.ndarray) -> list[list[int]]:
    """Return class, x, y, x, y, ... of each map line, without points that a straight line tells as well."""
    rows = []
    for points, class_ in zip(pieces.points, pieces.classes):
        there = points[np.isfinite(points[:, 0])].astype(float)
        if len(there) >= 2:
            xy = _straightened(moved(there, ego.odom_from_base)[:, :2]) - origin
            rows.append([int(class_), *_cm_array(xy).ravel().tolist()])
    return rows


def milli(angles_rad: Sequence[float] | np.ndarray | float) -> list[int]:
    """Return angles in mrad."""
    return np.rint(1000 * np.atleast_1d(np.asarray(angles_rad, float))).astype(int).tolist()


def _straightened(xy: np.ndarray) -> np.ndarray:
    """Return (M, 2) of (N, 2): the ends and the farthest points from the chords between them (Douglas and Peucker)."""
    chord = xy[-1] - xy[0]
    length = float(np.hypot(*chord))
    offset = xy - xy[0]
    far = np.abs(chord[0] * offset[:, 1] - chord[1] * offset[:, 0]) / length if length else np.hypot(*offset.T)
    worst = int(np.argmax(far))
    if far[worst] < STRAIGHT_M:
        return xy[[0, -1]]
    return np.concatenate([_straightened(xy[: worst + 1])[:-1], _straightened(xy[worst:])])


def _spread(count: int, most: int) -> np.ndarray:
    """Return at most `most` indices from 0 to count - 1, both among them."""
    return np.unique(np.linspace(0, count - 1, most).round().astype(int))


def _cm_array(values: np.ndarray) -> np.ndarray:
    return np.rint(100 * np.asarray(values, float)).astype(int)


def _cm(values: np.ndarray | float) -> list[int]:
    return np.atleast_1d(_cm_array(np.asarray(values))).tolist()
