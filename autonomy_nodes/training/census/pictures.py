"""A sweep from above, with what is labelled, found and doubtful in it; and charts of a report."""

import cv2
import numpy as np

from autonomy_nodes.evaluation.measures.overlaps import corners
from autonomy_nodes.perception.bev import FINE_M, ORIGIN_M, SIZE_M
from autonomy_nodes.training.census.cards import Card

SCALE = 1.5  # pixels of a picture a cell
COLOURS = {  # of outlines, red green blue; in the order in which they are drawn
    'found': (90, 150, 255), 'labelled': (255, 255, 255), 'appeared': (255, 80, 60), 'vanished': (255, 190, 40),
    'alone': (255, 70, 255), 'unexplained': (70, 235, 235),
}  # fmt: skip
DOUBTS = ('appeared', 'vanished', 'alone', 'unexplained')
_RINGS_M = (20.0, 40.0)
_WIDTH, _HEIGHT, _LEFT, _FOOT = 460, 150, 8, 24


def drawn(card: Card) -> bytes:
    """Return a PNG of a sweep: ahead is up, points are the lighter the higher, rings are 20 m apart."""
    grey = cv2.imdecode(np.frombuffer(card.look, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert grey is not None
    image = np.asarray(cv2.resize(cv2.applyColorMap(grey, cv2.COLORMAP_BONE), None, fx=SCALE, fy=SCALE))
    middle = _pixels(np.zeros((1, 2)))[0]
    for reach in _RINGS_M:
        cv2.circle(image, middle.tolist(), round(reach / FINE_M * SCALE), (70, 70, 70), 1, cv2.LINE_AA)
    cv2.drawMarker(image, middle.tolist(), (80, 220, 80), cv2.MARKER_TRIANGLE_UP, 12, 2)
    labelled = np.zeros((0, 5)) if card.labels is None else card.labels.boxes[card.labels.hits > 0][:, [0, 1, 3, 4, 6]]
    doubts = {name: getattr(card.doubts, name) for name in DOUBTS}
    for name, boxes in ({'found': card.found, 'labelled': labelled} | doubts).items():
        colour = COLOURS[name][::-1]
        for outline in corners(boxes):
            cv2.polylines(image, [_pixels(outline)], True, colour, 1 + (name in doubts), cv2.LINE_AA)
    return bytes(cv2.imencode('.png', image)[1])


def _pixels(places: np.ndarray) -> np.ndarray:
    """Return (N, 2) column and row of (N, 2) x y in base_link."""
    top_left = ORIGIN_M + SIZE_M
    return np.round((top_left - places)[:, ::-1] / FINE_M * SCALE).astype(np.int32)


def bars(shares: dict[str, np.ndarray], edges: np.ndarray) -> bytes:
    """Return a PNG of up to two histograms of equal bins, as steps: {name: (BINS,) shares}."""
    image = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    most = max((float(share.max()) for share in shares.values()), default=0.0) or 1.0
    across = _LEFT + (_WIDTH - 2 * _LEFT) * np.arange(len(edges)) / (len(edges) - 1)
    floor = _HEIGHT - _FOOT
    for (name, share), colour in zip(shares.items(), ((200, 110, 30), (40, 120, 235))):
        up = floor - (floor - 18) * share / most
        steps = np.column_stack([np.repeat(across, 2)[1:-1], np.repeat(up, 2)])
        cv2.polylines(image, [np.round(steps).astype(np.int32)], False, colour, 2, cv2.LINE_AA)
        place = (_WIDTH - 8 * len(name) - 20, 14 + 15 * list(shares).index(name))
        cv2.putText(image, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
    cv2.line(image, (_LEFT, floor), (_WIDTH - _LEFT, floor), (150, 150, 150), 1)
    for edge in (0, len(edges) // 2, len(edges) - 1):
        word, column = f'{edges[edge]:.2g}', int(across[edge])
        left = min(max(column - 4 * len(word), 2), _WIDTH - 9 * len(word))
        cv2.putText(image, word, (left, _HEIGHT - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (90, 90, 90), 1, cv2.LINE_AA)
    return bytes(cv2.imencode('.png', image)[1])
