"""How well points of the ground are told from others; docs/evaluation.md tells the protocol.

With `--model` the points are those that both channels together take for ground (perception/correction.py, as
`correction.points` does on board), and `geometric.` those of the geometric channel alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.measures import peer_ground
from autonomy_nodes.evaluation.measures.labelled_ground import Source, Sweep, sources
from autonomy_nodes.evaluation.measures.single import Network, network_of, told
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, bootstrap, over, timed
from autonomy_nodes.perception.correction import CorrectionSettings, ground_points
from autonomy_nodes.perception.ground import OUTSIDE, GroundConfig, GroundSplitter

RANGES_M = ((0, 20), (20, 40), (40, 80))
REFUSED = 255
ROUNDS = 5  # of which the quickest counts: what else the machine does makes none quicker
OURS, GEOMETRY, PEER = '', 'geometric.', f'peer.{peer_ground.NAME}.'
PIXELS, SHOWN_M = 900, 45.0
COLOURS = {'ground': (200, 170, 60), 'other': (90, 90, 90), 'missed': (60, 60, 255), 'wrong': (30, 190, 255)}  # BGR


@dataclass(frozen=True)
class Measured:
    """Of one sweep, by who gave it: {who: figures}."""

    figures: Mapping[str, Figures]
    points: int


def evaluate(task: Task) -> Result:
    """Measure on every sweep of a folder for which labels or a raster tell the ground."""
    with_peer = task.peers and bool(peer_ground.version())
    items = sources(task.data)
    result = Result(worst_by='f1')
    work = partial(measured, out=task.out, peers=with_peer, network=network_of(task))
    found = over(task, items, work, result)
    result.versions = {peer_ground.NAME: peer_ground.version()} if with_peer else {}
    chosen = {name: source for name, (_, source) in items}
    for name, one in found:
        picture = partial(drawn, chosen[name], task.out / f'{name}.npy')
        result.frames.append(Scored(name, dict(one.figures[OURS]), picture))
    result.figures |= {'n_frames': len(found), 'n_points': sum(one.points for _, one in found)}
    for who in found[0][1].figures:
        result.figures |= _summed(who, found, task.seed)
    if with_peer:
        leads = [one.figures[OURS]['f1'] - one.figures[PEER]['f1'] for _, one in found]
        result.figures |= {'lead_f1.least': min(leads), 'lead_f1.mean': float(np.mean(leads))}
        spent = [one.figures[OURS]['cpu_s'] / one.figures[PEER]['cpu_s'] for _, one in found]
        result.figures |= {'cpu_ratio.median': float(np.median(spent)), 'cpu_ratio.most': max(spent)}
    return result


def _summed(who: str, found: list[tuple[str, Measured]], seed: int) -> Figures:
    """Return means over the frames, the interval of F1, and F1 of each frame."""
    each = [one.figures[who] for _, one in found]
    names = sorted({name for figures in each for name in figures})
    values = {name: [figures[name] for figures in each if name in figures] for name in names}
    figures = {f'{who}{name}': float(np.nanmean(column)) for name, column in values.items()}
    figures[f'{who}f1.low95'], figures[f'{who}f1.high95'] = bootstrap(values['f1'], seed)
    return figures | {f'{who}frame.{name}.f1': one.figures[who]['f1'] for name, one in found}


def measured(item: tuple[str, Source], out: Path, peers: bool, network: Network | None = None) -> Measured:
    """Split one sweep, leave the answers under `out`, and score them."""
    name, source = item
    sweep = source.read()
    alone, alone_s = answered(sweep.xyz)
    answers, spent_s = (alone, alone_s) if network is None else together(sweep, network)
    np.save(out / f'{name}.npy', answers)
    figures = {OURS: scores(sweep, answers == 1) | {'cpu_s': spent_s, 'refused': float((answers == REFUSED).mean())}}
    if network is not None:
        figures[GEOMETRY] = scores(sweep, alone == 1) | {'cpu_s': alone_s}
    if peers:
        peer = peer_ground.Patchwork()
        runs = [peer.ground(sweep.xyz, sweep.intensity, sweep.sensor_m) for _ in range(ROUNDS)]
        figures[PEER] = scores(sweep, runs[0][0]) | {'cpu_s': min(spent for _, spent in runs)}
    return Measured(figures, len(sweep.xyz))


def answered(xyz: np.ndarray) -> tuple[np.ndarray, float]:
    """Return (N,) uint8, 1 ground, 0 other, 255 beyond our range, and the CPU time that it took [s]."""
    splitter = GroundSplitter(GroundConfig(), Vehicle().height_m)
    splitter.split(xyz)  # compiled here
    runs = [timed(lambda: splitter.split(xyz)) for _ in range(ROUNDS)]
    ground = runs[0][0]
    answers = np.where(ground.kinds == OUTSIDE, REFUSED, ground.firm).astype(np.uint8)
    return answers, min(spent for _, spent in runs)


def together(sweep: Sweep, network: Network) -> tuple[np.ndarray, float]:
    """Return what `answered` gives, as both channels tell it."""
    seen, learned, spent_s = told(sweep, network)
    firm, more_s = timed(lambda: ground_points(seen.cloud.xyz, seen.ground, learned, CorrectionSettings()))
    return np.where(seen.ground.kinds == OUTSIDE, REFUSED, firm).astype(np.uint8), spent_s + more_s


def scores(sweep: Sweep, found: np.ndarray) -> Figures:
    """Return precision, recall and F1 of `found` (N,), in whole and by range, and how much of each class it has."""
    figures = _score(found, sweep.ground, sweep.judged, '')
    reach = np.hypot(sweep.xyz[:, 0] - sweep.sensor_m[0], sweep.xyz[:, 1] - sweep.sensor_m[1])
    for low, high in RANGES_M:
        figures |= _score(found, sweep.ground, sweep.judged & (reach >= low) & (reach < high), f'range_{low}_{high}.')
    for name, mine in sweep.kinds.items():
        if mine.any():
            figures[f'called_ground.{name}'] = float(found[mine].mean())
    return figures


def _score(found: np.ndarray, ground: np.ndarray, judged: np.ndarray, prefix: str) -> Figures:
    right = int((found & ground & judged).sum())
    said, true = int((found & judged).sum()), int((ground & judged).sum())
    if not said + true:
        return {}
    return {
        f'{prefix}precision': right / said if said else 0.0,
        f'{prefix}recall': right / true if true else 0.0,
        f'{prefix}f1': 2.0 * right / (said + true),
    }


def drawn(source: Source, answers: Path) -> bytes:
    """Return a PNG from above: ground that was found, missed, and what was wrongly called ground."""
    sweep, found = source.read(), np.load(answers) == 1
    picture = np.full((PIXELS, PIXELS, 3), 255, np.uint8)
    place = np.round((SHOWN_M - sweep.xyz[:, :2]) / (2.0 * SHOWN_M) * (PIXELS - 1)).astype(int)  # x up, y to the left
    inside = ((place >= 0) & (place < PIXELS)).all(axis=1) & sweep.judged
    sets = {
        'other': ~found & ~sweep.ground, 'ground': found & sweep.ground, 'missed': ~found & sweep.ground,
        'wrong': found & ~sweep.ground,
    }  # fmt: skip
    for row, (name, mine) in enumerate(sets.items()):
        rows, columns = place[mine & inside].T
        picture[rows, columns] = COLOURS[name]
        cv2.putText(picture, name, (10, 24 * (row + 1)), cv2.FONT_HERSHEY_SIMPLEX, 0.7, COLOURS[name], 2)
    return cv2.imencode('.png', picture)[1].tobytes()
