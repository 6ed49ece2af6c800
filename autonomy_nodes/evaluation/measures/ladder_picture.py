"""One moment on each rung of the ladder, from above, beside the picture that the front camera took and the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.perception.bev import CELL_M, ORIGIN_M

SIDE, SCALE, BORDER, HEAD = 480, 8.0, 44, 52  # pixels of a panel and a metre, about it, and of its heading
LOW_X_M, LOW_Y_M, HIGH_Y_M = -15.0, -30.0, 30.0  # what is shown; ahead is up
EVERY_M, REACH_M, FREE, SURE = 10.0, 30.0, 0.5, 0.3
GREEN, RED, GREY, WHITE, INK = (120, 190, 110), (90, 90, 215), (170, 170, 170), (255, 255, 255), (40, 40, 40)
TOLD, TRUE, OWN = (180, 60, 20), (0, 0, 0), (0, 200, 255)
LEGEND = (
    (GREEN, 'told to be free'), (RED, 'told to be blocked'), (GREY, 'not known: never driven on'),
    (TOLD, 'vehicle or person that is told'), (TRUE, 'one that is there in truth'), (OWN, 'our vehicle'),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Panel:
    """What one rung tells. words: heading, line below. free: (X, Y) of bev.CELLS how surely free, NaN not known.

    told, true: road users in base_link; None where they are not drawn. own: our vehicle.
    """

    words: tuple[str, str]
    free: np.ndarray
    told: Objects | None
    true: Objects | None
    own: Vehicle


def picture(title: str, pixels: np.ndarray, panels: Sequence[Panel]) -> bytes:
    """Return a PNG of five panels and the picture of the front camera, (H, W, 3) RGB."""
    tiles = [_front(title, pixels), *(_panel(panel) for panel in panels)]
    rows = [np.hstack(tiles[first : first + 3]) for first in range(0, len(tiles), 3)]
    return cv2.imencode('.png', np.vstack(rows))[1].tobytes()


def _front(title: str, pixels: np.ndarray) -> np.ndarray:
    """Return a tile with the picture of the front camera, and what colours mean."""
    tile = np.full((SIDE + BORDER + HEAD, SIDE + 2 * BORDER, 3), 255, np.uint8)
    _write(tile, title, (BORDER, 22), 0.6)
    _write(tile, 'what the front camera sees', (BORDER, 42), 0.45)
    high = round(pixels.shape[0] * SIDE / pixels.shape[1])
    tile[HEAD : HEAD + high, BORDER : BORDER + SIDE] = cv2.resize(
        cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), (SIDE, high), interpolation=cv2.INTER_AREA
    )
    for row, (colour, words) in enumerate(LEGEND):
        y = HEAD + high + 30 + 24 * row
        filled = -1 if colour in (GREEN, RED, GREY) else 2
        cv2.rectangle(tile, (BORDER, y - 12), (BORDER + 24, y + 2), colour, filled)
        _write(tile, words, (BORDER + 34, y), 0.45)
    _write(tile, 'axes in metres from the rear axle; the circle: 30 m, within which cells are counted',
           (BORDER, HEAD + high + 30 + 24 * len(LEGEND)), 0.38)  # fmt: skip
    return tile


def _panel(panel: Panel) -> np.ndarray:
    """Return a tile with one panel, its axes in metres."""
    tile = np.full((SIDE + BORDER + HEAD, SIDE + 2 * BORDER, 3), 255, np.uint8)
    inner = np.ascontiguousarray(_cells(panel.free))
    cv2.circle(inner, _at(0.0, 0.0), round(REACH_M * SCALE), INK, 1, cv2.LINE_AA)
    for objects, colour, least in ((panel.true, TRUE, 0.0), (panel.told, TOLD, SURE)):
        if objects is not None:
            for box in objects.kept(objects.existence > least).flat:
                cv2.polylines(inner, [_rim(box)], True, colour, 1 if colour == TRUE else 2, cv2.LINE_AA)
    cv2.polylines(inner, [_rim(_body(panel.own))], True, OWN, 2, cv2.LINE_AA)
    tile[HEAD : HEAD + SIDE, BORDER : BORDER + SIDE] = inner
    _write(tile, panel.words[0], (BORDER, 22), 0.6)
    _write(tile, panel.words[1], (BORDER, 42), 0.45)
    for metres in np.arange(-20.0, 41.0, EVERY_M):
        x, y = _at(metres, metres)
        if LOW_X_M <= metres <= LOW_X_M + SIDE / SCALE:
            _write(tile, f'{metres:.0f}', (8, HEAD + y + 4), 0.4)
        if LOW_Y_M < metres < HIGH_Y_M:
            _write(tile, f'{metres:.0f}', (BORDER + x - 8, HEAD + SIDE + 16), 0.4)
    _write(tile, 'ahead', (4, HEAD + 12), 0.38)
    _write(tile, 'to the left', (BORDER, HEAD + SIDE + 34), 0.38)
    return tile


def _cells(free: np.ndarray) -> np.ndarray:
    """Return (SIDE, SIDE, 3) of (X, Y) chances to be free, ahead is up and left is left, with a line every 10 m."""
    metres = (np.arange(SIDE) + 0.5) / SCALE
    i = np.floor((LOW_X_M + metres[::-1] - ORIGIN_M[0]) / CELL_M).astype(int)
    j = np.floor((HIGH_Y_M - metres - ORIGIN_M[1]) / CELL_M).astype(int)
    shown = free[np.ix_(i, j)]
    cells = np.full((SIDE, SIDE, 3), GREY, np.uint8)
    cells[shown > FREE], cells[shown <= FREE] = GREEN, RED
    for line in np.arange(-20.0, 41.0, EVERY_M):
        x, y = _at(line, line)
        for rows in (np.s_[y : y + 1], np.s_[:, x : x + 1]):
            cells[rows] = (cells[rows] * 0.88).astype(np.uint8)
    return cells


def _at(x_m: float, y_m: float) -> tuple[int, int]:
    """Return the pixel, column and row, of a place in base_link within a panel."""
    return round((HIGH_Y_M - y_m) * SCALE), SIDE - round((x_m - LOW_X_M) * SCALE)


def _body(own: Vehicle) -> np.ndarray:
    return np.array([0.5 * (own.front_m - own.rear_m), 0.0, own.front_m + own.rear_m, own.width_m, 0.0])


def _rim(box: np.ndarray) -> np.ndarray:
    x, y, length, width, heading = box.tolist()
    c, s = np.cos(heading), np.sin(heading)
    corners = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * 0.5 * (length, width)
    return np.array([_at(*place) for place in corners @ np.array([[c, s], [-s, c]]) + (x, y)], np.int32)


def _write(tile: np.ndarray, words: str, at: tuple[int, int], size: float) -> None:
    cv2.putText(tile, words, at, cv2.FONT_HERSHEY_SIMPLEX, size, INK, 1, cv2.LINE_AA)
