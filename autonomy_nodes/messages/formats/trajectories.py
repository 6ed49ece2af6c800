"""Recorded scenes of road users with vector maps: one .npz a scene, and groups.json, which tells what may leak.

tracks (A, T, 7): x, y, heading, vx, vy, 0, valid; types, size (A, 2), map_pts, map_off, map_type, map_id, dt, and
where known lane_links (K, 2) and tl (R, 3): lane id, step, state. Padding is zero there, NaN here.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.lanes import Light, Line
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.formats.files import AGAIN, checked, only_folder, read_json, read_npz

STEP_S = 0.1
GROUPS = 'groups.json'
COOPERATIVE = 'cr_C-'  # CommonRoad's cooperative scenarios are copies of others
NAMES = ('tracks', 'types', 'size', 'map_pts', 'map_off', 'map_type', 'map_id', 'dt')
LABELS = {0: Label.CAR, 1: Label.TRUCK, 2: Label.PEDESTRIAN, 3: Label.BICYCLE, 4: Label.UNKNOWN}
LINES = {1: Line.CENTERLINE, 2: Line.UNKNOWN, 3: Line.BOUNDARY, 4: Line.CROSSWALK}
WORDS = {'STOP': Light.RED, 'CAUTION': Light.AMBER, 'GO': Light.GREEN}  # last word of a state, in any letters
STATES = {light: word for word, light in WORDS.items()} | {Light.UNKNOWN: 'UNKNOWN'}
CODES = dict.fromkeys(('1', '4', '7'), Light.RED) | dict.fromkeys(('2', '5', '8'), Light.AMBER)
CODES |= dict.fromkeys(('3', '6'), Light.GREEN)


@dataclass(frozen=True, eq=False)
class Group:
    """Scenes, as FOLDER/FILE.npz, that share motion: never to be divided between training and test."""

    name: str
    fold: int
    scenes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class RecordedScene:
    """A agents over T steps of 0.1 s, and the map about them, in one frame that stands still.

    states: (A, T, 5) x, y [m], heading [rad], vx, vy [m/s, axes of the frame]; NaN where an agent is not there.
    labels: (A,) `Label`. sizes_m: (A, 2) length, width. lines: (M, 2) points of each line of the map; classes: (L,)
    `Line`; names: of each, as the source calls it (a lane and its bounds may share one). follows: (lane, successor).
    lights: {lane: (T,) `Light`}, where told. recorder: row of the recording vehicle, -1 where not known.
    """

    name: str
    states: np.ndarray
    labels: np.ndarray
    sizes_m: np.ndarray
    lines: list[np.ndarray]
    classes: np.ndarray
    names: list[str]
    follows: list[tuple[str, str]] = field(default_factory=list)
    lights: dict[str, np.ndarray] = field(default_factory=dict)
    recorder: int = -1

    @property
    def steps(self) -> int:
        """How many steps it has."""
        return self.states.shape[1]


def scenes(folder: Path) -> dict[str, Path]:
    """Return {FOLDER/NAME: file} of all scenes in a folder of folders, or in one of those; sorted by name."""
    folder = only_folder(folder)
    paths = sorted([*folder.glob('*.npz'), *folder.glob('*/*.npz')])
    found = {f'{path.parent.name}/{path.stem}': path for path in paths if not path.stem.startswith(COOPERATIVE)}
    if not found:
        raise DataError(f'{folder}: holds no scenes, neither *.npz nor FOLDER/*.npz')
    return found


def groups(folder: Path) -> list[Group]:
    """Return the groups that lie in a folder or beside it; none where nothing tells them."""
    path = next((place / GROUPS for place in (folder, folder.parent) if (place / GROUPS).is_file()), None)
    if path is None:
        return []
    rows = read_json(path)

    def told() -> list[Group]:
        return [Group(str(row['group']), int(row['fold']), tuple(map(str, row['scenes']))) for row in rows]

    return checked(path, told)


def read_scene(path: Path, name: str = '') -> RecordedScene:
    """Return a recorded scene at 10 Hz; raises DataError naming the file where its arrays do not fit together."""
    stored = read_npz(path, *NAMES)
    tracks, count = stored['tracks'], len(stored['types'])
    lines, dt_s = len(stored['map_type']), round(float(stored['dt']), 4)
    offsets, ends = stored['map_off'], len(stored['map_pts'])
    shapes = {
        'tracks': tracks.ndim == 3 and tracks.shape[0] == count and tracks.shape[1] > 1 and tracks.shape[2] == 7,
        'size': stored['size'].shape == (count, 2), 'map_id': len(stored['map_id']) == lines, 'dt': dt_s > 0.0,
        'map_pts': stored['map_pts'].ndim == 2 and stored['map_pts'].shape[1] == 2,
        'map_off': len(offsets) == lines + 1 and offsets[-1] == ends and (np.diff(offsets) >= 0).all(),
        'types': bool(np.isin(stored['types'], list(LABELS)).all()),
    }  # fmt: skip
    if wrong := [key for key, fits in shapes.items() if not fits]:
        raise DataError(f'{path}: {", ".join(wrong)} do not fit the others; {AGAIN}')
    there = tracks[:, :, 6] > 0.5
    states = np.where(there[..., None], tracks[:, :, :5].astype(float), np.nan)
    if not np.isfinite(states[there]).all() or not (stored['size'] > 0.0).all():
        raise DataError(f'{path}: tracks or size hold values that are none; {AGAIN}')
    states[:, :, 2] = wrapped(states[:, :, 2])
    states = resampled(states, dt_s)
    return RecordedScene(
        name or path.stem, states, np.array([LABELS[kind] for kind in stored['types'].tolist()], np.int64),
        stored['size'].astype(float),
        [stored['map_pts'][start:end].astype(float) for start, end in zip(offsets[:-1], offsets[1:])],
        np.array([LINES.get(kind, -1) for kind in stored['map_type'].tolist()], np.int64),
        stored['map_id'].astype(str).tolist(), [(str(a), str(b)) for a, b in stored.get('lane_links', ())],
        _lights(stored.get('tl', ()), dt_s, states.shape[1]), int(stored.get('sdc', -1)),
    )  # fmt: skip


def write_scene(path: Path, scene: RecordedScene, source: str) -> None:
    """Write a scene so that `read_scene` gives it back; equal scenes give equal bytes.

    Values are rounded to 1/1024, which leaves them exact in float32 and lets the file be small; source: who made it.
    """
    kinds, types = ({value: key for key, value in table.items()} for table in (LINES, LABELS))
    there = np.isfinite(scene.states[:, :, 0])
    tracks = np.zeros((*there.shape, 7), np.float32)
    tracks[:, :, :5] = np.round(np.where(there[..., None], scene.states, 0.0) * 1024.0) / 1024.0
    tracks[:, :, 6] = there
    lights = [
        (lane, str(step), f'LANE_STATE_{STATES[Light(int(colour))]}')
        for lane, colours in scene.lights.items()
        for step, colour in enumerate(colours)
    ]
    told: dict[str, Any] = {'lane_links': np.array(scene.follows)} if scene.follows else {}
    told |= {'tl': np.array(lights)} if lights else {}
    offsets = np.cumsum([0, *(len(line) for line in scene.lines)])
    file = io.BytesIO()
    np.savez_compressed(
        file, tracks=tracks, types=np.array([types.get(label, 4) for label in scene.labels.tolist()], np.int8),
        size=(np.round(scene.sizes_m * 1024.0) / 1024.0).astype(np.float32),
        ids=np.array([str(row) for row in range(len(scene.labels))]),
        map_pts=(np.round(np.concatenate([*scene.lines, np.zeros((0, 2))]) * 1024.0) / 1024.0).astype(np.float32),
        map_off=offsets.astype(np.int32), map_id=np.array(scene.names, str),
        map_type=np.array([kinds[kind] for kind in scene.classes.tolist()], np.int8), origin=np.zeros(2),
        dt=np.float32(STEP_S), sdc=np.int32(scene.recorder), predict=np.zeros(0, np.int32), source=np.array(source),
        meta=np.array('{}'), **told,
    )  # fmt: skip
    part = path.with_suffix('.part')
    part.write_bytes(file.getvalue())
    part.rename(path)


def resampled(states: np.ndarray, dt_s: float) -> np.ndarray:
    """Return (A, T', 5) states at steps of 0.1 s of (A, T, 5) at steps of `dt_s`, linear between two.

    A state is made of the two about it, or of the one at its time and the one before: so each is as old as what
    it stands between, and the first of a track is not told.
    """
    if dt_s == STEP_S:
        return states
    last = states.shape[1] - 1
    at = np.arange(int(last * dt_s / STEP_S + 1e-6) + 1) * STEP_S / dt_s
    after = np.clip(np.ceil(at - 1e-6).astype(int), 0, last)
    before = np.maximum(after - 1, 0)
    first, second, part = states[:, before], states[:, after], (at - before)[None, :, None]
    between = first + part * (second - first)
    between[:, :, 2] = wrapped(first[:, :, 2] + part[:, :, 0] * np.asarray(wrapped(second[:, :, 2] - first[:, :, 2])))
    between[:, after == 0] = np.nan
    return between


def _lights(rows: Iterable[Any], dt_s: float, steps: int) -> dict[str, np.ndarray]:
    """Return {lane: (T,) `Light`}."""
    found: dict[str, np.ndarray] = {}
    for lane, step, state in rows:
        first, end = (int(np.ceil(each * dt_s / STEP_S - 1e-6)) for each in (int(step), int(step) + 1))
        lights = found.setdefault(str(lane), np.full(steps, Light.UNKNOWN, np.int64))
        lights[first:end] = light_of(str(state))
    return found


def light_of(state: str) -> Light:
    """Return what a state tells, in words of either source or in Waymo's numbers."""
    return CODES.get(state) or WORDS.get(state.upper().rpartition('_')[2], Light.UNKNOWN)


def in_folds(folder: Path, folds: Sequence[int]) -> Iterator[tuple[str, Path, str]]:
    """Yield name, file and group of the scenes of some folds, of all where none are named; sorted by name.

    A scene that no group holds is a group of its own, and in no fold.
    """
    told = groups(folder)
    if folds and not told:
        raise DataError(f'{folder}: folds={",".join(map(str, folds))}: neither here nor beside it lies a {GROUPS}')
    if missing := sorted(set(folds) - {group.fold for group in told}):
        raise DataError(f'{folder}: {GROUPS} has no fold {missing[0]}')
    of = {scene.removesuffix('.npz'): group for group in told for scene in group.scenes}
    for name, path in scenes(folder).items():
        group = of.get(name)
        if not folds or (group is not None and group.fold in folds):
            yield name, path, group.name if group is not None else name
