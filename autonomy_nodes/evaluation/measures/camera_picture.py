"""A frame as cameras tell it: the picture, and from above what they say and what the LiDAR measured."""

import cv2
import numpy as np

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.objects import Objects
from autonomy_nodes.perception.bev import CELL_M, CELLS, ORIGIN_M, middles
from autonomy_nodes.perception.camera.channel import Sighted
from autonomy_nodes.perception.confidence import chance

FREE, SURE, EVERY_M, PIXELS = 0.5, 0.3, 10.0, 2  # of 'blocked', of boxes that are drawn; lines; pixels a cell
GREEN, RED, GREY, LINE = (80, 170, 80), (60, 60, 200), 128, 90


def picture(name: str, pixels: np.ndarray, told: Sighted, truth: Grid) -> bytes:
    """Return a PNG. pixels: (H, W, 3) RGB of the first camera. truth: terrain of the geometric channel.

    Green is free, red is blocked, grey is not known; white boxes are vehicles and people that the cameras tell.
    """
    places = middles()
    stands, easy = np.nan_to_num(truth.at('occupancy', places)) > 0.5, truth.at('traversability', places)
    said = _map(chance(told.outputs['blocked'][0]) >= FREE, told.seen, told.objects)
    measured = _map(stands | (easy <= 0.0), stands | np.isfinite(easy), told.objects)
    above = np.hstack([said, measured])
    for words, x in ((f'{name}: cameras', 8), ('LiDAR; a square is 10 m', above.shape[1] // 2 + 8)):
        cv2.putText(above, words, (x, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    high = round(pixels.shape[0] * above.shape[1] / pixels.shape[1])
    front = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), (above.shape[1], high))
    return cv2.imencode('.png', np.vstack([front, above]))[1].tobytes()


def _map(blocked: np.ndarray, known: np.ndarray, objects: Objects) -> np.ndarray:
    """Return a map from above, ahead is up, with lines every 10 m and the boxes of sure objects."""
    cells = np.full((*CELLS, 3), GREY, np.uint8)
    cells[known & ~blocked], cells[known & blocked] = GREEN, RED
    shown = cv2.resize(cells, None, fx=PIXELS, fy=PIXELS, interpolation=cv2.INTER_NEAREST)
    step = round(EVERY_M / CELL_M) * PIXELS
    shown[::step] = shown[:, ::step] = LINE
    for x, y, length, width, heading in objects.kept(objects.existence > SURE).flat:
        c, s = np.cos(heading), np.sin(heading)
        corners = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * 0.5 * (length, width)
        rim = ((corners @ np.array([[c, s], [-s, c]]) + (x, y) - ORIGIN_M) / CELL_M * PIXELS)[:, ::-1]
        cv2.polylines(shown, [np.round(rim).astype(np.int32)], True, (255, 255, 255), 1, cv2.LINE_AA)
    return np.ascontiguousarray(shown[::-1, ::-1])
