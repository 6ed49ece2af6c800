"""A picture of the worst moment of a scene: the map grey, what was foretold red, what happened green."""

from pathlib import Path

import cv2
import numpy as np

from autonomy_nodes.common.lanes import Line
from autonomy_nodes.evaluation.measures.forecasts import FUTURE
from autonomy_nodes.messages.formats.files import read_npz
from autonomy_nodes.messages.formats.trajectories import read_scene

PIXELS, BORDER_M = 700, 15.0
GREY, PALE, GREEN, RED = (225, 225, 225), (190, 190, 190), (60, 150, 40), (0, 0, 220)  # BGR


def drawn(path: Path, name: str, out: Path) -> bytes:
    """Return a PNG of the moment at which the predictor was furthest off, by what it left under `out`."""
    scene, told = read_scene(path, name), read_npz(out / f'{name}.npz', 'agent', 't0', 'trajectories', 'probabilities')
    truth = np.array([scene.states[a, t : t + FUTURE + 1, :2] for a, t in zip(told['agent'], told['t0'])])
    errors = np.linalg.norm(told['trajectories'][:, :, :FUTURE] - truth[:, None, 1:], axis=3).mean(axis=2).min(axis=1)
    rows = np.flatnonzero(told['t0'] == told['t0'][np.argmax(errors)])
    futures = told['trajectories'][rows, :, :FUTURE].astype(float)
    spots = np.concatenate([truth[rows].reshape(-1, 2), futures.reshape(-1, 2)])
    low, high = spots.min(axis=0) - BORDER_M, spots.max(axis=0) + BORDER_M
    scale = PIXELS / float((high - low).max())
    width, height = (int(side) for side in np.ceil((high - low) * scale))
    image = np.full((height, width, 3), 255, np.uint8)

    def line(xy: np.ndarray, colour: tuple[int, ...], thickness: int = 1) -> None:
        pixels = np.column_stack([(xy[:, 0] - low[0]) * scale, (high[1] - xy[:, 1]) * scale]).round().astype(np.int32)
        cv2.polylines(image, [pixels], isClosed=False, color=colour, thickness=thickness, lineType=cv2.LINE_AA)

    for points, kind in zip(scene.lines, scene.classes):
        line(points, PALE if kind == Line.CENTERLINE else GREY)
    for row, future in zip(rows, futures):
        for odds, path_xy in zip(told['probabilities'][row], future):
            line(path_xy, RED if odds >= 0.2 else (140, 140, 255))
        line(truth[row], GREEN, 2)
    return bytes(cv2.imencode('.png', image)[1])

