"""How well vehicles and people are found in single sweeps: without training, by a network, and by both together.

Labels within 45 m of the LiDAR count (KITTI: Car and Van, Pedestrian and Cyclist; in the front camera's picture); what
is found further away or outside the picture does not count as wrong. `--set tuned=0-61` gives the figures of frames
numbered so, on which settings were tuned, and those of the others apart. `strict`: what lies in a region that KITTI's
people did not label counts as wrong. With `--model` plain names are those of the network (`--set channel=fused`: of
what the stack makes of both), those of the other channels have theirs in front. Metrics: `precision`; `shipped` (at the
thresholds of the vehicle); `reliability` (whether chances and spreads are what they say).
"""

import json
from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np

from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.channels import KINDS, Channel, asked_of, of_kind
from autonomy_nodes.evaluation.measures.detected import GROUPS, Place, Seen, drives_of, labelled, measured
from autonomy_nodes.evaluation.measures.evidence import short
from autonomy_nodes.evaluation.measures.overlaps import corners
from autonomy_nodes.evaluation.measures.precision import (
    Closeness,
    Scene,
    average_precision,
    between,
    interval,
    judged,
    most_recall,
    overlapping,
    within,
)
from autonomy_nodes.evaluation.measures.reliability import diagram, group_bins, reliability_figures
from autonomy_nodes.evaluation.measures.shipped import told_figures
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, over

FARTHEST_M = 45.0
PIXELS, SHOWN_SCORE = 700, 0.3
RANGES_M = ((0.0, 20.0), (20.0, 45.0))
RULES: dict[str, Closeness] = {
    'ap_0.5m': within(0.5), 'ap_1m': within(1.0), 'ap_2m': within(2.0), 'ap_4m': within(4.0),
    'ap_iou0.5': overlapping(0.5), 'ap_iou0.7': overlapping(0.7),
}  # fmt: skip
WITH_INTERVAL = ('ap_1m', 'ap_2m', 'ap_iou0.5')
SLICED = {'vehicle': 'ap_2m', 'vru': 'ap_1m'}


def evaluate(task: Task) -> Result:
    """Find objects in every labelled frame, write what was found, and score it."""
    named, main = named_places(task), asked_of(task)
    result = Result(worst_by='vehicle.recall_2m')

    def seen_by(channel: Channel) -> list[tuple[str, Seen]]:
        return over(task, [(name, (place, channel)) for name, place in named], measured, result)

    for kind in KINDS if task.model != 'none' else ():
        if kind != main.kind:
            beside = everything([seen for _, seen in seen_by(of_kind(task, kind))], task)
            result.figures |= {_slice(kind, key): value for key, value in beside.items()}
    found = seen_by(main)
    _write(task, found)
    result.answers = {name: short(json.dumps(seen.answers, sort_keys=True)) for name, seen in found}
    frames = [seen for _, seen in found]
    result.figures |= everything(frames, task)
    for name, seen in found:
        recall = most_recall([judged(_limited(seen, 'vehicle', 0.0, FARTHEST_M), RULES['ap_2m'])])
        if np.isfinite(recall):
            result.frames.append(Scored(name, {'vehicle.recall_2m': recall}, partial(drawn, seen)))
    for group in GROUPS:
        bins = group_bins(frames, group, FARTHEST_M, shipped=False)
        result.pictures[f'{group}: chance told (right) and share that is right (up)'] = partial(diagram, bins)
    result.figures['n_frames'] = len(found)
    return result


def named_places(task: Task) -> list[tuple[str, Place]]:
    """Return every frame of a folder that has labels; DataError where none has."""
    named = labelled(task.data)
    if not named:
        raise DataError(f'{task.data}: no frame has labels; objects cannot be scored')
    return named


def everything(frames: Sequence[Seen], task: Task) -> Figures:
    """Return all figures of one channel."""
    figures = _figures(frames, task.seed)
    if 'tuned' in task.options:
        first, last = (int(word) for word in task.options['tuned'].split('-'))
        told = [first <= int(seen.token) <= last for seen in frames]
        for name, wanted in (('tuned', True), ('others', False)):
            some = [seen for seen, mine in zip(frames, told) if mine is wanted]
            figures |= {_slice(name, key): value for key, value in _figures(some, task.seed).items()}
    figures |= told_figures(frames, task.seed) | reliability_figures(frames, FARTHEST_M)
    figures |= _by_class(frames) | _by_condition(frames)
    spent = np.array([seen.seconds for seen in frames]) * 1e3
    figures |= {'cpu_ms.mean': float(spent.mean()), 'cpu_ms.p95': float(np.percentile(spent, 95))}
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def _by_class(frames: Sequence[Seen]) -> Figures:
    """Return how many of the labels of each class the vehicle would be told, as anything of the group, in per cent."""
    figures: Figures = {}
    for labels in GROUPS.values():
        met, whole = [], []
        for seen in frames:
            scene = between(seen.scene(labels, shipped=True), seen.lidar_xy, 0.0, FARTHEST_M)
            told = judged(scene, within(2.0))
            kinds = seen.labels.labels[np.isin(seen.labels.labels, labels)]
            met.append(kinds[told.met[told.right]])
            whole.append(kinds[~scene.left_out])
        for label in labels:
            found, count = (int((np.concatenate(each) == label).sum()) for each in (met, whole))
            if count:
                name = Label(label).name.lower()
                figures |= {f'class_{name}.recall_2m': 100.0 * found / count, f'n_class_{name}_labels': count}
    return figures


def _by_condition(frames: Sequence[Seen]) -> Figures:
    """Return AP by what the drives tell of themselves: sensor, weather, and so on."""
    figures: Figures = {}
    named = sorted({f'{name}_{value}' for seen in frames for name, value in seen.conditions.items()})
    for condition in named:
        some = [seen for seen in frames if condition in {f'{a}_{b}' for a, b in seen.conditions.items()}]
        figures[f'n_{condition}_frames'] = len(some)
        for group, rule in SLICED.items():
            told = [judged(_limited(seen, group, 0.0, FARTHEST_M), RULES[rule]) for seen in some]
            figures[f'{condition}.{group}.{rule}'] = average_precision(told)
            figures[f'n_{condition}_{group}_labels'] = sum(each.labels for each in told)
    return figures


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
    told = [seen.shipped.objects.labels for seen in frames]
    figures['objects_per_frame'] = float(np.mean([len(labels) for labels in told]))
    figures['unknown_per_frame'] = float(np.mean([int((labels == Label.UNKNOWN).sum()) for labels in told]))
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def _limited(seen: Seen, group: str, least_m: float, most_m: float, strict: bool = False) -> Scene:
    """Return a scene in which only what lies between two distances from the LiDAR counts."""
    return between(seen.scene(GROUPS[group], strict=strict), seen.lidar_xy, least_m, most_m)


def drawn(seen: Seen) -> bytes:
    """Return a picture of a frame from above, ahead is up.

    Labels are white, those left out grey; what was found is the redder the surer.
    """
    image = np.full((PIXELS, PIXELS, 3), 20, np.uint8)
    for labels in GROUPS.values():
        scene = seen.scene(labels)
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
