"""How well road users are followed by the stack itself: lidar, localization, perception and tracking as in replay.

Every drive of a folder whose labels have ids. Labels within FARTHEST_M of the LiDAR count; KITTI: Car and Van
(Pedestrian and Cyclist) that are neither truncated nor heavily occluded, in the front camera's picture. What is
followed further away, outside the picture, at most 25 px high or by half where nobody looked is not wrong. Metric:
`clear_mot`, with labels and tracks paired by the distance of their middles seen from above, and once more by 3D IoU as
AB3DMOT does.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import inverse, moved, wrapped
from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.paths import share
from autonomy_nodes.common.status import Status
from autonomy_nodes.common.types import DataError, EgoState
from autonomy_nodes.evaluation.measures.clear_mot import (
    MOST_OCCLUDED,
    MOST_TRUNCATED,
    Closeness,
    Followed,
    Labelled,
    Sequence3D,
    curve,
)
from autonomy_nodes.evaluation.measures.detected import GROUPS, KITTI_KINDS, Camera, drives_of, front_camera
from autonomy_nodes.evaluation.measures.kitti_rows import rows_of, shown
from autonomy_nodes.evaluation.measures.overlaps import box_iou
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, over
from autonomy_nodes.evaluation.replay import Setup, events_of, lockstep, play, sensors_of
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.formats.bag import write_drive
from autonomy_nodes.messages.formats.frames import Drive, Frame
from autonomy_nodes.messages.motion import read_ego
from autonomy_nodes.messages.objects import read_tracked
from autonomy_nodes.nodes.processes import TABLE

STAGES = ('lidar', 'localization', 'perception', 'tracking')
FARTHEST_M, TALL_PX = 45.0, 1000.0
SHOWN_KINDS = {'vehicle': 'Car', 'vru': 'Pedestrian'}
NEAR_M = {'vehicle': 2.0, 'vru': 1.0}


def near(most_m: float) -> Closeness:
    """Return a closeness of boxes that is 0.5 where their middles lie `most_m` apart, seen from above."""

    def closeness(one: np.ndarray, two: np.ndarray) -> np.ndarray:
        away = np.linalg.norm(one[:, None, :2] - two[None, :, :2], axis=2)
        return np.maximum(1.0 - away / (2.0 * most_m), 0.0)

    return closeness


@dataclass(frozen=True, eq=False)
class Played:
    """A drive that was followed. labelled, followed: {group: frame by frame}. lines: rows of KITTI's text."""

    labelled: dict[str, list[Labelled]]
    followed: dict[str, list[Followed]]
    lines: list[str]
    steps: int


def evaluate(task: Task) -> Result:
    """Follow everybody in every drive whose labels tell who is who."""
    _, drives = drives_of(task.data)
    items = [
        (drive.name, (task.data, which, task.model))
        for which, drive in enumerate(drives)
        if not drive.stills and _labelled(drive)
    ]
    if not items:
        raise DataError(f'{task.data}: holds neither det_*_car nor a drive whose labels have ids; tracking needs one')
    result = Result(worst_by='vehicle.mota')
    played = over(task, items, _played, result)
    (task.out / 'data').mkdir(parents=True, exist_ok=True)
    for name, drive in played:
        (task.out / 'data' / f'{name}.txt').write_text(''.join(f'{line}\n' for line in drive.lines))
        figures = _figures([drive])
        if 'vehicle.mota' in figures:
            result.frames.append(Scored(name, figures))
            result.figures |= {f'drive_{name}.{key}': figures[key] for key in ('vehicle.mota', 'vehicle.switches')}
    result.figures |= _figures([drive for _, drive in played])
    result.figures |= {'n_frames': sum(drive.steps for _, drive in played), 'n_drives': len(played)}
    return result


def _figures(drives: list[Played]) -> Figures:
    figures: Figures = {}
    for group in GROUPS:
        rules = {'': near(NEAR_M[group])} | ({'iou0.5.': box_iou} if group == 'vehicle' else {})
        for rule, closeness in rules.items():
            sequences = [Sequence3D(each.labelled[group], each.followed[group], closeness) for each in drives]
            found = curve(sequences).figures(range(len(sequences)))
            if found['n_labels']:
                wanted = ('mota', 'samota', 'recall', 'switches', 'false', 'missed', 'n_labels')
                figures |= {f'{group}.{rule}{name}': found[name] for name in wanted}
    return figures


def _labelled(drive: Drive) -> bool:
    first = next((frame for frame in drive.frames if frame.truth is not None), None)
    return first is not None and first.truth is not None and first.truth().objects.ids is not None


class _Heard:
    """Keeps tracks and odometry, by stamp."""

    def __init__(self) -> None:
        self.tracks: dict[int, Objects] = {}
        self.egos: dict[int, EgoState] = {}

    def message(self, topic: topics.Topic, now_ns: int, data: bytes) -> None:
        """See `Sink`."""
        if topic == topics.TRACKS:
            told = read_tracked(data)
            self.tracks[told.stamp_ns] = told
        elif topic == topics.ODOMETRY:
            ego = read_ego(data)
            self.egos[ego.stamp_ns] = ego

    def status(self, status: Status) -> None:
        """See `Sink`."""


def _played(item: tuple[Path, int, str]) -> Played:
    """Follow one drive of a folder, with the help of a network or of none."""
    folder, which, model = item
    layout, drives = drives_of(folder)
    drive = drives[which]
    heard = _followed(drive, '' if model == 'none' else model)
    names: dict[bytes, int] = {}
    played = Played({group: [] for group in GROUPS}, {group: [] for group in GROUPS}, [], len(heard.tracks))
    for number, frame in enumerate(drive.frames):
        if frame.truth is None:
            continue
        camera = front_camera(folder, drive, frame) if layout == 'kitti' else None
        lidar_xy = frame.base_from(next(iter(frame.clouds.values()))().frame)[:2, 3]
        tracks, ego = heard.tracks.get(frame.stamp_ns), heard.egos.get(frame.stamp_ns)
        for group in GROUPS:
            played.labelled[group].append(_labels(frame, group, layout == 'kitti', lidar_xy, names))
            here = None if tracks is None or ego is None else _in_base(tracks, ego)
            rows = _rows(here, group, camera, frame, lidar_xy, names)
            played.followed[group].append(rows)
            if camera is not None:
                shown_here = np.isfinite(rows.boxes_px).all(axis=1)
                first = [f'{number} {track}' for track in rows.ids[shown_here].tolist()]
                boxes = rows.boxes[shown_here]
                level = camera.level(boxes[:, [0, 1, 3, 4, 6]], boxes[:, 2], boxes[:, 3:6])
                kinds = [SHOWN_KINDS[group]] * len(first)
                told = rows_of(kinds, level, rows.boxes_px[shown_here], rows.scores[shown_here], first)
                played.lines.extend(told)
    return played


def _followed(drive: Drive, model: str) -> _Heard:
    """Return what the stack tells of a drive."""
    heard = _Heard()
    with tempfile.TemporaryDirectory() as folder:
        bag = Path(folder) / 'bag.mcap'
        write_drive(drive, bag)
        files = [share('config/vehicles/recorded.yaml'), share('config/stack.yaml')]
        settings = {**sensors_of(bag), 'perception.model': model}
        setup = Setup(files, settings, [name for name in TABLE if name not in STAGES])
        play(lockstep(setup, heard), events_of(bag))
    if not heard.tracks:
        raise DataError(f'{drive.name}: the stack gave no tracks; replay it and look why')
    return heard


def _in_base(tracks: Objects, ego: EgoState) -> Objects:
    """Return the tracks in base_link."""
    base_from_odom = inverse(ego.odom_from_base)
    turn = float(np.arctan2(base_from_odom[1, 0], base_from_odom[0, 0]))
    return replace(
        tracks, frame='base_link', positions_m=moved(tracks.positions_m, base_from_odom),
        headings_rad=np.asarray(wrapped(tracks.headings_rad + turn)),
    )  # fmt: skip


def _boxes(objects: Objects) -> np.ndarray:
    return np.column_stack([objects.positions_m, objects.dimensions_m, objects.headings_rad])


def _numbers(ids: np.ndarray | None, names: dict[bytes, int]) -> np.ndarray:
    told = [] if ids is None else [name.tobytes() for name in ids]
    return np.array([names.setdefault(name, len(names)) for name in told], int)


def _labels(frame: Frame, group: str, kitti: bool, lidar_xy: np.ndarray, names: dict[bytes, int]) -> Labelled:
    assert frame.truth is not None
    truth = frame.truth()
    mine = np.isin(truth.objects.labels, GROUPS[group])
    if kitti:
        mine &= np.isin(np.array(truth.kinds, object), KITTI_KINDS[group])
    objects = truth.objects.kept(mine)
    out = np.hypot(*(objects.positions_m[:, :2] - lidar_xy).T) >= FARTHEST_M
    out |= (truth.points[mine] == 0) | (truth.truncated[mine] > MOST_TRUNCATED) | (truth.occluded[mine] > MOST_OCCLUDED)
    ignored = truth.ignored_px.get('front', np.zeros((0, 4)))
    return Labelled(_numbers(objects.ids, names), _boxes(objects), out, ignored)


def _rows(
    tracks: Objects | None,
    group: str,
    camera: Camera | None,
    frame: Frame,
    lidar_xy: np.ndarray,
    names: dict[bytes, int],
) -> Followed:
    """Return the tracks of a group in one frame, none where the stack told none."""
    if tracks is None:
        return Followed(np.zeros(0, int), np.zeros((0, 7)), np.zeros((0, 4)), np.zeros(0), np.zeros(0, bool))
    belief = tracks.class_probabilities[:, list(GROUPS[group])].sum(axis=1)
    tracks = tracks.kept(belief >= 0.5)
    scores = (tracks.existence * belief[belief >= 0.5]).astype(float)
    boxes = _boxes(tracks)
    quiet = np.hypot(*(boxes[:, :2] - lidar_xy).T) >= FARTHEST_M
    pictures = np.tile([0.0, 0.0, TALL_PX, TALL_PX], (len(boxes), 1))
    if camera is not None:
        level = camera.level(boxes[:, [0, 1, 3, 4, 6]], boxes[:, 2], boxes[:, 3:6])
        pictures = shown(level, camera.projection, camera.size_px)
        quiet |= camera.outside(level) | np.isnan(pictures).any(axis=1)
    return Followed(_numbers(tracks.ids, names), boxes, pictures, scores, quiet)
