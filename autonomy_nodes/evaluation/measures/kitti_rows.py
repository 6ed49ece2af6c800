"""Objects as rows of KITTI's text, in its rectified camera frame, and what is shown of a box in the picture.

The frame `level` has x ahead, y left, z up, with its origin in the camera: (z, -x, -y) of the camera.
"""

from collections.abc import Sequence

import numpy as np

from autonomy_nodes.common.geometry import wrapped

_LEAST_AHEAD_M = 0.1


def boxes_of(bottoms_m: np.ndarray, sizes_m: np.ndarray, turns_rad: np.ndarray) -> np.ndarray:
    """Return (N, 7) x y z of the middle, length, width, height, heading in `level`.

    bottoms_m: (N, 3) in the camera frame; sizes_m: (N, 3) length, width, height; turns_rad: (N,) KITTI's rotation_y.
    """
    x, y, z = bottoms_m.T
    headings = wrapped(-turns_rad - np.pi / 2.0)
    return np.column_stack([z, -x, -y + sizes_m[:, 2] / 2.0, sizes_m, headings])


def camera_boxes(boxes: np.ndarray) -> np.ndarray:
    """Return (N, 7) height width length x y z rotation_y as KITTI's rows have them, of boxes (N, 7) in `level`."""
    x, y, z, length, width, height, heading = boxes.T
    return np.column_stack([height, width, length, -y, -(z - height / 2.0), x, wrapped(-heading - np.pi / 2.0)])


def shown(boxes: np.ndarray, projection: np.ndarray, size_px: tuple[float, float]) -> np.ndarray:
    """Return (N, 4) left top right bottom of boxes (N, 7) in `level`, cut at the picture's rim; NaN if not in it."""
    out = np.full((len(boxes), 4), np.nan)
    for row, (x, y, z, length, width, height, heading) in enumerate(boxes):
        corners = np.array([(a, b, c) for a in (-0.5, 0.5) for b in (-0.5, 0.5) for c in (-0.5, 0.5)])
        along, across, up = (corners * (length, width, height)).T
        c, s = np.cos(heading), np.sin(heading)
        ahead, left = x + c * along - s * across, y + s * along + c * across
        points = np.column_stack([-left, -(z + up), ahead, np.ones(8)])
        if ahead.max() < _LEAST_AHEAD_M:
            continue
        points[:, 2] = np.maximum(points[:, 2], _LEAST_AHEAD_M)
        pixels = points @ projection.T
        u, v = pixels[:, 0] / pixels[:, 2], pixels[:, 1] / pixels[:, 2]
        rim = np.array([size_px[0] - 1.0, size_px[1] - 1.0] * 2)
        box = np.clip([u.min(), v.min(), u.max(), v.max()], 0.0, rim)
        if box[2] > box[0] and box[3] > box[1]:
            out[row] = box
    return out


def rows_of(
    kinds: Sequence[str], boxes: np.ndarray, boxes_px: np.ndarray, scores: np.ndarray, first: Sequence[str] = ()
) -> list[str]:
    """Return a line for each box (N, 7) in `level`. first: what stands before it: frame and track."""
    lines = []
    for row, numbers in enumerate(camera_boxes(boxes)):
        alpha = float(wrapped(numbers[6] - np.arctan2(numbers[3], numbers[5])))
        head = f'{first[row]} ' if first else ''
        told = ' '.join(f'{value:.6f}' for value in (alpha, *boxes_px[row], *numbers, scores[row]))
        lines.append(f'{head}{kinds[row]} 0 0 {told}')
    return lines
