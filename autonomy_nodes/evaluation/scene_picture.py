"""A picture of a recorded or simulated scene from above: the map, who is where at a step, and the ways of all."""

import cv2
import numpy as np

from autonomy_nodes.common.lanes import Light, Line
from autonomy_nodes.common.objects import Label
from autonomy_nodes.evaluation.measures.overlaps import corners
from autonomy_nodes.messages.formats.trajectories import RecordedScene

PIXELS, BORDER_M, FINE = 1000, 8.0, 16  # FINE: parts of a pixel that cv2 is told
LINES = {Line.CENTERLINE: (215, 215, 215), Line.BOUNDARY: (90, 90, 90), Line.CROSSWALK: (60, 190, 240)}  # BGR
BODIES = {Label.CAR: (200, 120, 40), Label.TRUCK: (150, 60, 150), Label.PEDESTRIAN: (50, 50, 220)}
OTHER_LINE, OTHER_BODY, STANDS = (170, 170, 170), (60, 150, 40), (150, 150, 150)
OURS = (0, 0, 0)
SHOWN = {Light.RED: (0, 0, 220), Light.AMBER: (0, 170, 240), Light.GREEN: (60, 180, 60)}


def drawn(scene: RecordedScene, step: int, around_m: float = 0.0) -> bytes:
    """Return a PNG: boxes at a step, thin the ways of two seconds before and six after it; lanes by their lights.

    around_m: show no more than this about the recording vehicle, which is black then; 0: all.
    """
    spots = np.concatenate([*scene.lines, scene.states[:, :, :2].reshape(-1, 2)])
    if around_m:
        spots = scene.states[scene.recorder, step, :2] + around_m * np.array([[-1.0, -1.0], [1.0, 1.0]])
    low, high = np.nanmin(spots, axis=0) - BORDER_M, np.nanmax(spots, axis=0) + BORDER_M
    scale = PIXELS / float((high - low).max())
    width, height = (int(side) for side in np.ceil((high - low) * scale))
    image = np.full((height, width, 3), 255, np.uint8)

    def pixels(xy: np.ndarray) -> np.ndarray:
        flat = np.column_stack([(xy[:, 0] - low[0]) * scale, (high[1] - xy[:, 1]) * scale])
        return (FINE * flat).round().astype(np.int32)

    def line(xy: np.ndarray, colour: tuple[int, int, int], thickness: int = 1) -> None:
        cv2.polylines(image, [pixels(xy)], False, colour, thickness, cv2.LINE_AA, 4)

    for points, kind, name in zip(scene.lines, scene.classes, scene.names):
        lit = name in scene.lights
        colour = SHOWN.get(Light(int(scene.lights[name][step]))) if lit else None
        line(points, colour or LINES.get(kind, OTHER_LINE), 2 if lit else 1)
    for label, way in zip(scene.labels, scene.states[:, max(step - 20, 0) : step + 61, :2]):
        line(way[np.isfinite(way[:, 0])], BODIES.get(label, OTHER_BODY))
    rows = np.flatnonzero(np.isfinite(scene.states[:, step, 0]))
    states = scene.states[rows, step]
    boxes = corners(np.column_stack([states[:, :2], scene.sizes_m[rows], states[:, 2]]))
    for row, box, state in zip(rows, boxes, states):
        colour = BODIES.get(scene.labels[row], OTHER_BODY) if np.hypot(*state[3:]) > 0.1 else STANDS
        colour = OURS if around_m and row == scene.recorder else colour
        cv2.fillConvexPoly(image, pixels(box), colour, cv2.LINE_AA, 4)
        line(np.stack([box[[0, 3]].mean(axis=0), box.mean(axis=0)]), (255, 255, 255))
    return bytes(cv2.imencode('.png', image)[1])
