"""An example from above: what the points lie on and who is there, beside the ground as it truly is."""

from pathlib import Path

import cv2
import numpy as np

from autonomy_nodes.evaluation.measures.overlaps import corners
from autonomy_nodes.perception.bev import CLASSES, ORIGIN_M, SIZE_M, TERRAIN
from autonomy_nodes.sim.materials import Semantic
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.shards import read_named

SCALE = 9.0  # pixels a metre
OF_POINTS = {  # red green blue
    Semantic.NOTHING: (150, 150, 150), Semantic.PAVED: (95, 95, 105), Semantic.LOOSE: (150, 120, 80),
    Semantic.LOW_VEGETATION: (90, 150, 60), Semantic.HIGH_VEGETATION: (30, 110, 40), Semantic.WET: (60, 110, 200),
    Semantic.RUBBLE: (170, 140, 120), Semantic.STRUCTURE: (200, 150, 90), Semantic.POLE: (230, 220, 60),
    Semantic.SIGN: (255, 255, 160), Semantic.CURB: (140, 140, 160), Semantic.ACTOR: (255, 90, 60),
    Semantic.EGO: (255, 255, 255),
}  # fmt: skip
OF_BOXES = dict(zip(CLASSES, ((255, 120, 80), (255, 190, 60), (255, 80, 255), (90, 230, 255), (160, 255, 120))))
OF_TERRAIN = dict(zip(TERRAIN, (
    (120, 120, 125), (170, 140, 100), (150, 200, 110), (60, 120, 60), (90, 140, 220), (190, 150, 150), (205, 90, 70),
)))  # fmt: skip
_UNKNOWN = (35, 35, 40)
_POINTS = np.array([OF_POINTS[semantic] for semantic in Semantic], np.uint8)
_TERRAIN = np.array([*OF_TERRAIN.values(), *[_UNKNOWN] * (256 - len(TERRAIN))], np.uint8)


def drawn(example: Example) -> np.ndarray:
    """Return (H, W, 3) uint8, red green blue: ahead is up. Left the points and the boxes, thin ones without a point.

    Right the truth of the cells: terrain, the higher something stands the brighter, what bars the way hatched.
    """
    width, height = (round(float(metres) * SCALE) for metres in SIZE_M[::-1])
    seen = np.full((height, width, 3), 18, np.uint8)
    pixels = _pixels(example.points[:, :2])
    order = np.argsort(example.points[:, 2], kind='stable')  # the highest lies on top
    inside = np.asarray(((pixels >= 0) & (pixels < (width, height))).all(axis=1))
    order = order[inside[order]]
    seen[pixels[order, 1], pixels[order, 0]] = _POINTS[example.semantics[order]]
    cells = _TERRAIN[example.terrain].astype(float)
    cells *= 0.75 + 0.25 * np.clip(example.top_m / 2.0, 0.0, 1.0)[..., None]
    row, column = np.indices(example.blocked.shape)
    cells[example.blocked & ((row + column) % 3 == 0)] *= 0.45
    cells[np.isnan(example.ground_m)] = _UNKNOWN
    truth = cv2.resize(cells[::-1, ::-1].astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    for picture in (seen, truth):
        _boxes(picture, example)
        cv2.drawMarker(picture, _pixels(np.zeros((1, 2)))[0].tolist(), (255, 255, 255), cv2.MARKER_TRIANGLE_UP, 14, 2)
    return np.hstack([seen, np.zeros((height, 6, 3), np.uint8), truth])


def _boxes(picture: np.ndarray, example: Example) -> None:
    outlines = corners(example.boxes[:, [0, 1, 3, 4, 6]].astype(float))
    for outline, box, kind, hits in zip(outlines, example.boxes, example.kinds.tolist(), example.hits.tolist()):
        colour = OF_BOXES[CLASSES[kind]]
        cv2.polylines(picture, [_pixels(outline)], True, colour, 2 if hits else 1, cv2.LINE_AA)
        ahead = box[:2] + 0.5 * box[3] * np.array([np.cos(box[6]), np.sin(box[6])])
        ends = _pixels(np.stack([box[:2], ahead]))
        cv2.line(picture, ends[0].tolist(), ends[1].tolist(), colour, 1, cv2.LINE_AA)


def _pixels(places: np.ndarray) -> np.ndarray:
    """Return (N, 2) column and row of (N, 2) x y in base_link."""
    return np.floor((ORIGIN_M + SIZE_M - places)[:, ::-1] * SCALE).astype(np.int32)


def write_pictures(folder: Path, names: list[str], count: int) -> list[Path]:
    """Draw the first examples of a folder's files into pictures/ and return where they are."""
    (folder / 'pictures').mkdir(exist_ok=True)
    written: list[Path] = []
    for name in names:
        for told, example in read_named(folder / name):
            if len(written) == count:
                return written
            written.append(folder / 'pictures' / f'{told}.png')
            written[-1].write_bytes(bytes(cv2.imencode('.png', drawn(example)[..., ::-1])[1]))
    return written
