"""How well the tracker follows cars: KITTI's tracking benchmark with detections that are given.

--data: a folder with det_*_car/NNNN.txt[.gz] (frame, type, box in the picture, score, h w l, x y z, rotation_y, alpha),
calib/NNNN.txt[.gz] and label/ or label_02/ NNNN.txt[.gz]. A sequence without labels is answered, not
scored. No pose is told there: the tracks stand in the camera's moving frame. Metric: `clear_mot`.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np

from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState
from autonomy_nodes.evaluation.measures import own_tracks
from autonomy_nodes.evaluation.measures.clear_mot import (
    MOST_OCCLUDED,
    MOST_TRUNCATED,
    Curve,
    Followed,
    Labelled,
    Sequence3D,
    curve,
)
from autonomy_nodes.evaluation.measures.kitti_rows import boxes_of, rows_of, shown
from autonomy_nodes.evaluation.measures.task import Result, Scored, Task, over, timed
from autonomy_nodes.messages.formats.kitti_files import calibration_of, matrices
from autonomy_nodes.messages.formats.kitti_labels import ignored_regions, label_table, text_of
from autonomy_nodes.perception.tracking import Tracker, TrackingConfig

NAME = re.compile(r'(\d{4})\.txt(\.gz)?')
COUNTED = ('Car', 'Van')
COLUMNS, ROUNDS = 15, 300
PERIOD_NS = SECOND_NS // 10
# how exact the boxes of a network are: along and across [m], heading [rad]; more far away
SIGMA_M, SIGMA_GROWTH, SIGMA_RAD = 0.2, 0.005, 0.1
# the camera's own braking and turning is not told, and seems to be that of all it sees
CONFIG = TrackingConfig(acceleration_mps2=12.0)
KEPT = 0.8  # of a track's score from frame to frame: who has just come is believed less
REMEMBERED = 1  # frames for which a car is told that is not seen any more, as AB3DMOT does


def evaluate(task: Task) -> Result:
    """Follow the detections of every sequence, write KITTI's rows, and score those that have labels.

    A folder without detections is given to the stack itself; see own_tracks.py.
    """
    if task.data.is_dir() and not any(task.data.glob('det_*_car')):
        return own_tracks.evaluate(task)
    result = Result(worst_by='mota')
    tables = _tables(task.data)
    (task.out / 'data').mkdir(parents=True, exist_ok=True)
    work = partial(_followed, task.data)
    sequences, seconds, frames = {}, 0.0, 0
    for name, (lines, labelled, rows, spent_s) in over(task, list(tables.items()), work, result):
        (task.out / 'data' / f'{name}.txt').write_text(''.join(f'{line}\n' for line in lines))
        seconds, frames = seconds + spent_s, frames + len(rows)
        if labelled is not None:
            sequences[name] = Sequence3D(labelled, rows)
    result.figures |= {'n_frames': frames, 'n_sequences': len(tables), 'n_scored': len(sequences)}
    result.figures['cpu_ms'] = 1e3 * seconds / max(frames, 1)
    if not sequences:
        return result
    counted = curve(list(sequences.values()))
    everyone = range(len(sequences))
    result.figures |= counted.figures(everyone) | {'threshold': counted.threshold}
    for k, name in enumerate(sequences):
        figures = counted.figures([k])
        if figures['n_labels']:
            result.frames.append(Scored(name, figures))
            result.figures |= {f'sequence_{name}.{each}': figures[each] for each in ('mota', 'switches')}
    result.figures |= _intervals(counted, len(sequences), task.seed)
    return result


def _intervals(counted: Curve, count: int, seed: int) -> dict[str, float]:
    """Return 95 % intervals of the accuracies by drawing sequences anew, thresholds kept."""
    drawn = np.random.default_rng(seed).integers(0, count, (ROUNDS, count))
    found = [counted.figures(which) for which in drawn.tolist()]
    figures = {}
    for name in ('samota', 'mota'):
        values = [each[name] for each in found if each['n_labels']]
        figures[f'{name}_low'], figures[f'{name}_high'] = np.percentile(values, [2.5, 97.5]).tolist()
    return figures


def _tables(folder: Path) -> dict[str, Path]:
    """Return {sequence: its detections}."""
    places = sorted(path for path in folder.glob('det_*_car') if path.is_dir()) if folder.is_dir() else []
    if len(places) != 1:
        raise DataError(f'{folder}: holds {len(places)} folders det_*_car, expected 1 with NNNN.txt[.gz]')
    found = {NAME.fullmatch(path.name): path for path in sorted(places[0].iterdir())}
    tables = {match[1]: path for match, path in found.items() if match}
    if not tables:
        raise DataError(f'{places[0]}: holds no NNNN.txt[.gz]')
    return tables


def _beside(folder: Path, names: tuple[str, ...], sequence: str) -> Path | None:
    paths = (folder / name / f'{sequence}.txt{ending}' for name in names for ending in ('', '.gz'))
    return next((path for path in paths if path.is_file()), None)


def _followed(folder: Path, table: Path) -> tuple[list[str], list[Labelled] | None, list[Followed], float]:
    """Return the rows as text and as arrays, the labels frame by frame, and the CPU time of the tracker [s]."""
    sequence = table.name[:4]
    path = _beside(folder, ('calib',), sequence)
    if path is None:
        raise DataError(f'{folder}/calib: holds no {sequence}.txt')
    projection = calibration_of(path, matrices(path)).projections['front']
    found = detections(table)
    labels = _beside(folder, ('label', 'label_02'), sequence)
    frames = int(found[:, 0].max(initial=-1)) + 1
    labelled = None
    if labels is not None:
        labelled = labels_of(labels, frames)
        frames = len(labelled)
    lines, rows, seconds = follow(found, frames, projection)
    return lines, labelled, rows, seconds


def detections(table: Path) -> np.ndarray:
    """Return (N, 15) of a table of detections; raises DataError naming the line."""
    rows = []
    for number, line in enumerate(text_of(table).splitlines(), start=1):
        try:
            values = [float(word) for word in line.split(',')]
        except ValueError as error:
            raise DataError(f'{table}:{number}: {error}') from error
        if len(values) != COLUMNS or not np.isfinite(values).all() or min(values[7:10]) <= 0.0:
            raise DataError(f'{table}:{number}: is no detection of {COLUMNS} numbers')
        rows.append(values)
    return np.array(rows).reshape(-1, COLUMNS)


def labels_of(path: Path, least: int) -> list[Labelled]:
    """Return cars, vans and regions not labelled, frame by frame; `least` frames at least."""
    table, errors = label_table(path, range(least))
    if errors:
        raise DataError(errors[0])
    regions = ignored_regions(text_of(path), table=True)
    labelled = []
    for number in range(max([least - 1, *table, *regions]) + 1):
        counted = [each for each in table.get(number, []) if each.kind in COUNTED and each.track >= 0]
        out = [e.kind == 'Van' or e.truncated > MOST_TRUNCATED or e.occluded > MOST_OCCLUDED for e in counted]
        boxes = boxes_of(
            np.array([each.bottom_m for each in counted]).reshape(-1, 3),
            np.array([each.size_m for each in counted]).reshape(-1, 3),
            np.array([each.yaw_rad for each in counted]),
        )
        ignored = np.array(regions.get(number, ())).reshape(-1, 4)
        labelled.append(Labelled(np.array([e.track for e in counted], int), boxes, np.array(out, bool), ignored))
    return labelled


def follow(
    found: np.ndarray, frames: int, projection: np.ndarray, config: TrackingConfig = CONFIG
) -> tuple[list[str], list[Followed], float]:
    """Return KITTI's rows, the same as arrays, and the tracker's CPU time [s] of detections (N, 15)."""
    tracker, seconds = Tracker(config), 0.0
    names: dict[bytes, int] = {}
    lines: list[str] = []
    rows: list[Followed] = []
    last_seen: dict[int, tuple[int, float]] = {}  # frame and score
    size_px = (2.0 * projection[0, 2], 2.0 * projection[1, 2])
    for number in range(frames):
        here = found[found[:, 0] == number]
        stamp_ns = (number + 1) * PERIOD_NS
        ego = EgoState(stamp_ns, np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(6))
        told, spent_s = timed(partial(tracker.track, objects_of(here, stamp_ns), ego))
        seconds += spent_s
        source = tracker.sources
        boxes = np.column_stack([told.positions_m, told.dimensions_m, told.headings_rad])
        pictures = shown(boxes, projection, size_px)
        pictures[source >= 0] = here[source[source >= 0], 2:6]
        told_ids = [] if told.ids is None else [name.tobytes() for name in told.ids]
        ids = np.array([names.setdefault(name, len(names)) for name in told_ids], int)
        for track, row in zip(ids.tolist(), source.tolist()):
            if row >= 0:
                evidence = KEPT * last_seen.get(track, (number, 0.0))[1] + (1.0 - KEPT) * float(here[row, 6])
                last_seen[track] = number, evidence
        last = [last_seen.get(track, (number - 1, 0.0)) for track in ids.tolist()]
        scores = np.array([score for _, score in last])
        fresh = np.array([number - when <= REMEMBERED for when, _ in last], bool)
        inside = (pictures[:, 0] > 0.0) & (pictures[:, 2] < size_px[0] - 1.0)  # false where it is not in the picture
        seen = (source >= 0) | inside & fresh  # what leaves the picture is told no more
        shown_now = Followed(ids[seen], boxes[seen], pictures[seen], scores[seen])
        rows.append(shown_now)
        first = [f'{number} {track}' for track in shown_now.ids.tolist()]
        lines += rows_of(['Car'] * len(first), shown_now.boxes, shown_now.boxes_px, shown_now.scores, first)
    return lines, rows, seconds


def objects_of(rows: np.ndarray, stamp_ns: int) -> Objects:
    """Return detections (N, 15) as cars in the camera's level frame; the score is taken for log odds."""
    boxes = boxes_of(rows[:, 10:13], rows[:, [9, 8, 7]], rows[:, 13])
    count = len(boxes)
    classes = np.zeros((count, len(Label)))
    classes[:, Label.CAR] = 1.0
    covariances = np.zeros((count, 3, 3))
    sigma = SIGMA_M + SIGMA_GROWTH * np.hypot(boxes[:, 0], boxes[:, 1])
    covariances[:, 0, 0] = covariances[:, 1, 1] = sigma**2
    covariances[:, 2, 2] = SIGMA_RAD**2
    return Objects(
        stamp_ns=stamp_ns,
        frame='base_link',
        positions_m=boxes[:, :3],
        headings_rad=boxes[:, 6],
        dimensions_m=boxes[:, 3:6],
        existence=1.0 / (1.0 + np.exp(-rows[:, 6])),
        class_probabilities=classes,
        velocities_mps=np.full((count, 2), np.nan),
        heading_rates_rps=np.full(count, np.nan),
        pose_covariances=covariances,
        velocity_covariances=np.tile(np.eye(2) * 1e4, (count, 1, 1)),
    )
