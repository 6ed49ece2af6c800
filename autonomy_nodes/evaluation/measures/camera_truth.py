"""What cameras tell, held against what people or the simulator know of a frame: classes of cells, labelled vehicles."""

from pathlib import Path

import numpy as np

from autonomy_nodes.common.grid import SEMANTICS, Grid
from autonomy_nodes.common.objects import Label
from autonomy_nodes.evaluation.measures.cell_truth import UNKNOWN, truth_of
from autonomy_nodes.evaluation.measures.labelled_ground import Source
from autonomy_nodes.evaluation.measures.precision import Judged, Scene, judged, within
from autonomy_nodes.evaluation.measures.terrain import OF_SEMANTIC, Answer, Counts, counted
from autonomy_nodes.messages.formats.frames import Frame
from autonomy_nodes.messages.formats.simulated import SEQUENCES
from autonomy_nodes.perception.bev import CELL_M, ORIGIN_M, middles
from autonomy_nodes.perception.camera.channel import Sighted
from autonomy_nodes.perception.confidence import chance

GROUPS = {  # classes, and how near is near enough [m]
    'vehicle': ((Label.CAR, Label.TRUCK, Label.BUS, Label.TRAILER), 2.0),
    'vru': ((Label.PEDESTRIAN, Label.BICYCLE, Label.MOTORCYCLE), 1.0),
}
LEAST_POINTS = 5  # of the sweep on a label, that it counts
_KINDS = np.array([UNKNOWN, *(OF_SEMANTIC[name] for name in SEMANTICS[1:])])  # by place in SEMANTICS


def source_of(data: Path, drive: str, frame: Frame) -> Source:
    """Return where the truth of a frame's cells lies."""
    places = (data / drive, data / SEQUENCES / drive)
    return Source(frame, next((place for place in places if place.is_dir()), data))


def cells_told(told: Sighted, source: Source, reach_m: float) -> Counts:
    """Return (part, whole) of each figure of terrain.counted of cells in a picture within reach; {} without truth."""
    if source.frame.labels is None:
        return {}
    kind = _KINDS[1 + told.outputs['terrain'].argmax(axis=0)]
    p_free = (1.0 - chance(told.outputs['blocked'][0])).astype(np.float32)
    grid = Grid(0, 'base_link', CELL_M, ORIGIN_M, {'kind': kind.astype(np.float32)})
    places = middles()
    index = np.nonzero(told.seen & (np.hypot(places[..., 0], places[..., 1]) < reach_m))
    truth = truth_of(source, source.read(), grid, places[index])
    return counted(Answer(kind, p_free, told.seen), truth, index)


def labelled(told: Sighted, frame: Frame, reach_m: float) -> dict[str, Judged]:
    """Return {group: what was found of the labels} in a picture within reach, {} where nobody labelled the frame."""
    if frame.truth is None:
        return {}
    truth = frame.truth()
    flat, names = truth.objects.flat, truth.objects.labels
    hidden = (truth.points >= 0) & (truth.points < LEAST_POINTS)
    found = {}
    for group, (labels, near_m) in GROUPS.items():
        there, mine = np.isin(names, labels), np.isin(told.objects.labels, labels)
        said = told.objects.kept(mine)
        out = hidden[there] | ~shown(told, flat[there], reach_m)
        scene = Scene(flat[there], out, said.flat, said.existence, ~shown(told, said.flat, reach_m))
        found[group] = judged(scene, within(near_m))
    return found


def shown(told: Sighted, flat: np.ndarray, reach_m: float) -> np.ndarray:
    """Return (N,) which rectangles (N, 5) have their middles in a picture within reach."""
    cells = np.floor((flat[:, :2] - ORIGIN_M) / CELL_M).astype(int)
    inside = ((cells >= 0) & (cells < np.array(told.seen.shape))).all(axis=1)
    cells = np.clip(cells, 0, np.array(told.seen.shape) - 1)
    near = np.hypot(flat[:, 0], flat[:, 1]) < reach_m
    return np.asarray(inside & near & told.seen[cells[:, 0], cells[:, 1]])
