"""How well lines of the road are found in single sweeps, against the map; docs/evaluation.md tells the protocol.

What counts lies in the cells of lanes (64 by 40 m) where the ground was seen within 2 m, told lines as well as true
ones. Beside the network, as `paint.`, what brightness alone tells of dividers and stop lines.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial import cKDTree

from autonomy_nodes.common.lanes import LaneObservations, Line
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.labelled_ground import Source, sources
from autonomy_nodes.evaluation.measures.lane_picture import picture
from autonomy_nodes.evaluation.measures.lane_scores import Answer, average_precisions, cut
from autonomy_nodes.evaluation.measures.lane_truth import truth_of
from autonomy_nodes.evaluation.measures.single import Network, network_of
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, over, timed
from autonomy_nodes.messages.formats.frames import BASE
from autonomy_nodes.perception.bev import CELL_M, LANDMARKS, LANE_KINDS, LANES, LANES_ORIGIN_M
from autonomy_nodes.perception.lanes.channel import CLASSES, LaneChannel, LaneSettings, Road, observed, opened
from autonomy_nodes.perception.perceiver import Perceiver, PerceptionConfig, Segmented

WITHIN_M = 0.5
SEEN_M = 2.0  # of ground that was seen
MARK_M = 1.0
LEAST = LaneSettings().line  # recall and precision are of what the stack hears
ROUNDS = 200
PAINTED = ('divider', 'stop_line')
_DILATE = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(SEEN_M / 0.4) + 1,) * 2)
Share = tuple[float, float]  # of what, of how much


@dataclass(frozen=True, eq=False)
class Measured:
    """One sweep. shares: {figure: (right, of all)}."""

    answer: Answer
    shares: dict[str, Share]
    spent_s: float


def evaluate(task: Task) -> Result:
    """Measure on every sweep of a folder about which a map tells."""
    network = network_of(task)
    if network is None:
        raise SettingsError('lanes needs --model NAME: a network of lanes')
    items = [(name, item) for name, item in sources(task.data) if truth_of(item[1].folder) is not None]
    if not items:
        raise DataError(f'{task.data}: holds no sweep about which a map tells; give simulated drives or Argoverse 2')
    result = Result(worst_by='divider.recall')
    found = over(task, items, partial(measured, out=task.out, network=network), result)
    by_name = dict(items)
    for name, one in found:
        figures = _shared([one.shares])
        result.frames.append(Scored(name, figures, partial(drawn, by_name[name][1], network, name)))
    result.figures |= summed([one for _, one in found], task.seed) | {'n_frames': len(found)}
    result.figures['cpu_s'] = float(np.mean([one.spent_s for _, one in found]))
    return result


def measured(item: tuple[str, Source], out: Path, network: Network) -> Measured:
    """Tell the lines of one sweep, leave them under `out` as GeoJSON, and hold them against the map."""
    name, source = item
    seen, road, spent_s = looked(source, network)
    (out / f'{name}.geojson').write_text(json.dumps(geojson(road)) + '\n')
    true, marks = _truth(source)
    asked = cv2.dilate(road.known.astype(np.uint8), _DILATE) > 0
    answer = Answer(cut(road.lines, asked), cut(true, asked))
    shares: dict[str, Share] = {}
    for kind, what in enumerate(LANE_KINDS):
        mine = [line.points for line in answer.told if line.kind == kind and line.score >= LEAST]
        theirs = [line.points for line in answer.true if line.kind == kind]
        shares |= {f'{what}.recall': _covered(theirs, mine), f'{what}.precision': _covered(mine, theirs)}
    for what in PAINTED:
        told = _pieces(seen.lanes, CLASSES[what], asked)
        theirs = [line.points for line in answer.true if line.kind == LANE_KINDS.index(what)]
        shares |= {f'paint.{what}.recall': _covered(theirs, told), f'paint.{what}.precision': _covered(told, theirs)}
    if marks is not None:
        shares |= _marked(road, marks, asked)
    return Measured(answer, shares, spent_s)


def looked(source: Source, network: Network) -> tuple[Segmented, Road, float]:
    """Return what the geometric channel makes of a sweep, the road that the network tells, and its CPU time [s]."""
    sweep, channel = source.read(), _channel(network)
    perceiver = Perceiver(PerceptionConfig())
    seen = perceiver.segment(PointCloud(0, 'base_link', sweep.xyz, sweep.intensity), sweep.sensor_m)
    rows = np.column_stack([sweep.xyz, sweep.intensity]).astype(np.float32)
    road, spent_s = timed(partial(channel.perceive, rows, seen.ground, seen.rays, seen.sensor_m))
    return seen, road, spent_s


def geojson(road: Road) -> dict[str, object]:
    """Return lines and landmarks as a collection of features, in base_link [m]."""
    features = [
        {
            'type': 'Feature', 'properties': {'class': LANE_KINDS[line.kind], 'score': round(line.score, 4)},
            'geometry': {'type': 'LineString', 'coordinates': np.round(line.points, 3).tolist()},
        }
        for line in road.lines
    ]  # fmt: skip
    features += [
        {
            'type': 'Feature', 'properties': {'class': LANDMARKS[int(kind)], 'score': round(float(score), 4)},
            'geometry': {'type': 'Point', 'coordinates': np.round([x, y], 3).tolist()},
        }
        for kind, x, y, score in road.marks
    ]  # fmt: skip
    return {'type': 'FeatureCollection', 'features': features}


def summed(found: Sequence[Measured], seed: int) -> Figures:
    """Return average precisions with the interval of their mean over sweeps drawn anew, recall and precision."""
    answers = [one.answer for one in found]
    figures = _precisions(answers)
    rng = np.random.default_rng(seed)
    again = [_precisions([answers[n] for n in rng.integers(0, len(answers), len(answers))]) for _ in range(ROUNDS)]
    means = [one['map'] for one in again if 'map' in one]
    if means:
        figures['map.low95'], figures['map.high95'] = (float(value) for value in np.percentile(means, [2.5, 97.5]))
    for kind, name in enumerate(LANE_KINDS):
        figures[f'n_{name}'] = sum(line.kind == kind for answer in answers for line in answer.true)
    return figures | _shared([one.shares for one in found])


def _precisions(answers: Sequence[Answer]) -> Figures:
    found = {f'{name}.ap': value for name, value in average_precisions(answers).items() if np.isfinite(value)}
    return found | ({'map': float(np.mean(list(found.values())))} if found else {})


def _shared(found: Sequence[dict[str, Share]]) -> Figures:
    figures = {}
    for name in sorted({name for shares in found for name in shares}):
        right, total = np.sum([shares[name] for shares in found if name in shares], axis=0)
        if total > 0.0:
            figures[name] = float(right / total)
    return figures


def _covered(lines: Sequence[np.ndarray], by: Sequence[np.ndarray]) -> Share:
    """Return how many points of lines lie within WITHIN_M of a point of others, and how many there are."""
    points = sum(len(line) for line in lines)
    if not points or not by:
        return 0.0, float(points)
    tree = cKDTree(np.concatenate(by))
    return float(sum((tree.query(line)[0] <= WITHIN_M).sum() for line in lines)), float(points)


def _pieces(seen: LaneObservations, class_: Line, asked: np.ndarray) -> list[np.ndarray]:
    """Return the pieces of one class as lines with points 0.25 m apart, as far as they were asked for."""
    steps = np.linspace(0.0, 1.0, 9)[:, None]
    lines = [a[:2] + steps * (b - a)[:2] for a, b in seen.segments[seen.classes == class_]]
    return [kept for line in lines if len(kept := line[_asked(line, asked)])]


def _marked(road: Road, marks: np.ndarray, asked: np.ndarray) -> dict[str, Share]:
    shares = {}
    for kind, name in enumerate(LANDMARKS):
        theirs = marks[marks[:, 0] == kind, 1:]
        mine = road.marks[road.marks[:, 0] == kind, 1:3]
        theirs, mine = (places[_asked(places, asked)] for places in (theirs, mine))
        for what, one, two in (('recall', theirs, mine), ('precision', mine, theirs)):
            near = cKDTree(two).query(one)[0] <= MARK_M if len(one) and len(two) else np.zeros(len(one), bool)
            shares[f'{name}.{what}'] = (float(near.sum()), float(len(one)))
    return shares


def _asked(places: np.ndarray, asked: np.ndarray) -> np.ndarray:
    cell = np.floor((places - LANES_ORIGIN_M) / CELL_M).astype(int)
    inside = ((cell >= 0) & (cell < LANES)).all(axis=1)
    return np.asarray(inside & asked[tuple(np.where(inside[:, None], cell, 0).T)])


def _truth(source: Source) -> tuple[list[tuple[int, np.ndarray]], np.ndarray | None]:
    road = truth_of(source.folder)
    assert road is not None
    return road.about(source.frame.map_from(BASE))


def drawn(source: Source, network: Network, name: str) -> bytes:
    """Return a PNG of what is told of a sweep beside what the map tells."""
    seen, road, _ = looked(source, network)
    return picture(name, seen.cloud, observed(road, 0, seen.lanes.seen_range_m, LEAST), road, _truth(source)[0])


@lru_cache(maxsize=1)
def _channel(network: Network) -> LaneChannel:
    return opened(*network)
