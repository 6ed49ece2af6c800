"""How well vehicles and people are found in single sweeps: by the channel that needs no training, or by a network.

Labels within 45 m of the LiDAR count (KITTI: Car and Van, Pedestrian and Cyclist; in the front camera's picture); what
is found further away or outside the picture does not count as wrong. `--set tuned=0-61` gives the figures of frames
numbered so, on which settings were tuned, and those of the others apart. `strict`: what lies in a region that KITTI's
people did not label counts as wrong. With `--model` the figures are those of the network, and `geometric.` those of
the other channel on the same frames. Metric: `precision`.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.detected import GEOMETRIC, GROUPS, Channel, Seen, drives_of, measured
from autonomy_nodes.evaluation.measures.evidence import short
from autonomy_nodes.evaluation.measures.overlaps import corners
from autonomy_nodes.evaluation.measures.precision import (
    Closeness,
    Scene,
    average_precision,
    interval,
    judged,
    most_recall,
    overlapping,
    within,
)
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, over
from autonomy_nodes.inference.manifest import folder_of

FARTHEST_M = 45.0
PIXELS, SHOWN_SCORE = 700, 0.3
RANGES_M = ((0.0, 20.0), (20.0, 45.0))
RULES: dict[str, Closeness] = {
    'ap_0.5m': within(0.5), 'ap_1m': within(1.0), 'ap_2m': within(2.0), 'ap_4m': within(4.0),
    'ap_iou0.5': overlapping(0.5), 'ap_iou0.7': overlapping(0.7),
}  # fmt: skip
WITH_INTERVAL = ('ap_1m', 'ap_2m', 'ap_iou0.5')


def evaluate(task: Task) -> Result:
    """Find objects in every labelled frame, write what was found, and score it."""
    _, drives = drives_of(task.data)
    named = [
        (f'{drive.name}/{frame.name}', (task.data, which, place))
        for which, drive in enumerate(drives)
        for place, frame in enumerate(drive.frames)
        if frame.truth is not None
    ]
    if not named:
        raise DataError(f'{task.data}: no frame has labels; detection cannot be scored')
    result = Result(worst_by='vehicle.recall_2m')

    def seen_by(channel: Channel) -> list[tuple[str, Seen]]:
        return over(task, [(name, (*item, channel)) for name, item in named], measured, result)

    if task.model != 'none':
        beside = _everything([seen for _, seen in seen_by(GEOMETRIC)], task)
        result.figures |= {_slice('geometric', key): value for key, value in beside.items()}
    found = seen_by(GEOMETRIC if task.model == 'none' else Channel(folder_of(task.model), task.backend))
    _write(task, found)
    result.answers = {name: short(json.dumps(seen.answers, sort_keys=True)) for name, seen in found}
    result.figures |= _everything([seen for _, seen in found], task)
    for name, seen in found:
        recall = most_recall([judged(_limited(seen, 'vehicle', 0.0, FARTHEST_M), RULES['ap_2m'])])
        if np.isfinite(recall):
            result.frames.append(Scored(name, {'vehicle.recall_2m': recall}, partial(drawn, seen)))
    result.figures['n_frames'] = len(found)
    return result


def _everything(frames: Sequence[Seen], task: Task) -> Figures:
    """Return all figures of one channel."""
    figures = _figures(frames, task.seed)
    if 'tuned' in task.options:
        first, last = (int(word) for word in task.options['tuned'].split('-'))
        told = [first <= int(seen.token) <= last for seen in frames]
        for name, wanted in (('tuned', True), ('others', False)):
            some = [seen for seen, mine in zip(frames, told) if mine is wanted]
            figures |= {_slice(name, key): value for key, value in _figures(some, task.seed).items()}
    spent = np.array([seen.seconds for seen in frames]) * 1e3
    return figures | {'cpu_ms.mean': float(spent.mean()), 'cpu_ms.p95': float(np.percentile(spent, 95))}


def _slice(name: str, key: str) -> str:
    return f'n_{name}_{key[2:]}' if key.startswith('n_') else f'{name}.{key}'


def _figures(frames: Sequence[Seen], seed: int) -> Figures:
    """Return everything of some frames."""
    figures: Figures = {}
    if not frames:
        return figures
    for group in GROUPS:
        scenes = [_limited(seen, group, 0.0, FARTHEST_M) for seen in frames]
        for name, rule in RULES.items():
            results = [judged(scene, rule) for scene in scenes]
            figures[f'{group}.{name}'] = average_precision(results)
            if name in WITH_INTERVAL:
                low, high = interval(results, seed)
                figures |= {f'{group}.{name}_low': low, f'{group}.{name}_high': high}
            if name == 'ap_2m':
                figures[f'{group}.recall_2m'] = most_recall(results)
                every = [judged(_limited(seen, group, 0.0, FARTHEST_M, strict=True), rule) for seen in frames]
                figures[f'{group}.strict.ap_2m'] = average_precision(every)
        figures[f'n_{group}_labels'] = sum(int((~scene.left_out).sum()) for scene in scenes)
        for low, high in RANGES_M:
            part = [judged(_limited(seen, group, low, high), RULES['ap_2m']) for seen in frames]
            figures[f'{group}.range_{low:.0f}_{high:.0f}.ap_2m'] = average_precision(part)
    figures['objects_per_frame'] = float(np.mean([seen.objects for seen in frames]))
    figures['unknown_per_frame'] = float(np.mean([seen.unknown for seen in frames]))
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def _limited(seen: Seen, group: str, least_m: float, most_m: float, strict: bool = False) -> Scene:
    """Return a scene in which only what lies between two distances from the LiDAR counts."""
    scene = (seen.strict if strict else seen.scenes)[group]
    far, there = (np.hypot(*(rows[:, :2] - seen.lidar_xy).T) for rows in (scene.labels, scene.found))
    return replace(
        scene,
        left_out=scene.left_out | (far < least_m) | (far >= most_m),
        quiet=scene.quiet | (there < least_m) | (there >= most_m),
    )


def drawn(seen: Seen) -> bytes:
    """Return a picture of a frame from above, ahead is up.

    Labels are white, those left out grey; what was found is the redder the surer.
    """
    image = np.full((PIXELS, PIXELS, 3), 20, np.uint8)
    for scene in seen.scenes.values():
        for box, score in zip(scene.found, scene.scores):
            if score >= SHOWN_SCORE:
                _outline(image, seen, box, (0, int(255 * (1.0 - score)), 255))
        for box, out in zip(scene.labels, scene.left_out):
            _outline(image, seen, box, (110, 110, 110) if out else (255, 255, 255))
    return bytes(cv2.imencode('.png', image)[1])


def _outline(image: np.ndarray, seen: Seen, box: np.ndarray, colour: tuple[int, int, int]) -> None:
    places = (corners(box[None])[0] - seen.lidar_xy) * PIXELS / (2.0 * FARTHEST_M)
    pixels = (PIXELS / 2.0 - places[:, ::-1]).astype(np.int32)
    cv2.polylines(image, [pixels], isClosed=True, color=colour, thickness=1, lineType=cv2.LINE_AA)


def _write(task: Task, found: Sequence[tuple[str, Seen]]) -> None:
    """Write KITTI's text, a file a sequence or a frame; of other layouts one JSON as nuScenes has it."""
    layout, drives = drives_of(task.data)
    if layout != 'kitti':
        results = {seen.token: seen.answers for _, seen in found}
        meta = {'use_camera': False, 'use_lidar': True, 'use_radar': False, 'use_map': False, 'use_external': False}
        text = json.dumps({'meta': meta | {'frame': 'base_link'}, 'results': results}, sort_keys=True)
        (task.out / 'results.json').write_text(text + '\n')
        return
    stills = {drive.name: drive.stills for drive in drives}
    files: dict[str, list[str]] = {}
    for name, seen in found:
        drive = name.rpartition('/')[0]
        files.setdefault(seen.token if stills[drive] else drive, []).extend(seen.answers)
    folder = task.out / 'data'
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        (folder / f'{name}.txt').write_text(''.join(f'{line}\n' for line in lines))
