"""Lines of the road as a network tells them, beside what a map tells, seen from above."""

import cv2
import numpy as np

from autonomy_nodes.common.lanes import Landmark, LaneObservations, Line
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.perception.bev import CELL_M, LANE_KINDS, LANES, LANES_ORIGIN_M
from autonomy_nodes.perception.lanes.channel import CLASSES, Road

PIXELS = 5  # a cell
EVERY_M = 10.0
COLOURS = {  # blue green red
    Line.DIVIDER: (80, 220, 255), Line.BOUNDARY: (90, 90, 255), Line.STOP_LINE: (255, 140, 255),
    Line.CROSSWALK: (255, 200, 80), Line.CENTERLINE: (110, 190, 110), Landmark.POLE: (255, 255, 255),
    Landmark.SIGN: (60, 160, 255),
}  # fmt: skip
NAMES = {
    Line.DIVIDER: 'divider', Line.BOUNDARY: 'edge', Line.STOP_LINE: 'stop line', Line.CROSSWALK: 'crossing',
    Line.CENTERLINE: 'middle of a lane', Landmark.POLE: 'pole', Landmark.SIGN: 'sign',
}  # fmt: skip
GREY, TEXT, NOT_KNOWN = (110, 110, 110), (255, 255, 255), 45
_LEGEND_PX = 26


def picture(
    name: str, cloud: PointCloud, seen: LaneObservations, road: Road, true: list[tuple[int, np.ndarray]]
) -> bytes:
    """Return a PNG, ahead is up: what is told (left), what the map tells (right); dark is what the LiDAR cannot know.

    Points are as bright as they shine.
    """
    told, map_ = _points(cloud, road), _points(cloud, road)
    for (a, b), class_ in zip(seen.segments, seen.classes):
        if class_ in (Landmark.POLE, Landmark.SIGN):
            cv2.circle(told, _pixel(a[:2]), 4, COLOURS[class_], 1, cv2.LINE_AA)
        else:
            cv2.line(told, _pixel(a[:2]), _pixel(b[:2]), COLOURS[class_], 2, cv2.LINE_AA)
    for kind, line in true:
        rim = np.array([_pixel(point) for point in line], np.int32)
        cv2.polylines(map_, [rim], False, COLOURS[CLASSES[LANE_KINDS[kind]]], 2, cv2.LINE_AA)
    for panel, words in ((told, f'{name}: told'), (map_, 'map; a square is 10 m')):
        cv2.putText(panel, words, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, TEXT, 1, cv2.LINE_AA)
    shown = np.hstack([told, np.full((len(told), 6, 3), 255, np.uint8), map_])
    return cv2.imencode('.png', np.vstack([shown, _legend(shown.shape[1])]))[1].tobytes()


def _points(cloud: PointCloud, road: Road) -> np.ndarray:
    """Return the sweep from above with lines every 10 m."""
    panel = np.full((LANES[0] * PIXELS, LANES[1] * PIXELS, 3), NOT_KNOWN, np.uint8)
    known = cv2.resize(road.known.astype(np.uint8), None, fx=PIXELS, fy=PIXELS, interpolation=cv2.INTER_NEAREST)
    panel[known[::-1, ::-1] > 0] = 70
    for axis in (0, 1):
        low = LANES_ORIGIN_M[axis]
        for at in np.arange(np.ceil(low / EVERY_M) * EVERY_M, low + LANES[axis] * CELL_M, EVERY_M):
            place = int(panel.shape[axis] - 1 - (at - low) / CELL_M * PIXELS)
            panel[(place, slice(None)) if axis == 0 else (slice(None), place)] = 95
    bright = np.clip(cloud.intensity / max(float(np.percentile(cloud.intensity, 98)), 1e-6), 0.0, 1.0)
    place = np.floor((cloud.xyz[:, :2] - LANES_ORIGIN_M) / CELL_M * PIXELS).astype(int)
    inside = ((place >= 0) & (place < np.array(LANES) * PIXELS)).all(axis=1)
    i, j = place[inside].T
    panel[panel.shape[0] - 1 - i, panel.shape[1] - 1 - j] = (100 + 120 * bright[inside]).astype(np.uint8)[:, None]
    return panel


def _legend(width: int) -> np.ndarray:
    strip, x = np.full((_LEGEND_PX, width, 3), 30, np.uint8), 8
    for kind, words in NAMES.items():
        cv2.line(strip, (x, _LEGEND_PX // 2), (x + 18, _LEGEND_PX // 2), COLOURS[kind], 3, cv2.LINE_AA)
        cv2.putText(strip, words, (x + 24, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.42, TEXT, 1, cv2.LINE_AA)
        x += 44 + 8 * len(words)
    return strip


def _pixel(xy: np.ndarray) -> tuple[int, int]:
    """Return column and row of a place in base_link."""
    row, column = np.array(LANES) * PIXELS - (np.asarray(xy) - LANES_ORIGIN_M) / CELL_M * PIXELS
    return int(column), int(row)
