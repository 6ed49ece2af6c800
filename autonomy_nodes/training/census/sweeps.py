"""Sweeps of any source as perception gets them: examples of the simulator, data sets, and recordings of a vehicle."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.messages.formats.catalogue import detected
from autonomy_nodes.perception.bev import STEP_S
from autonomy_nodes.perception.decode import LABELS
from autonomy_nodes.training.augmentation import augmented
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.shards import read_named

BAGS = ('.mcap', '.db3')
KIND_OF = {label: kind for kind, label in enumerate(LABELS)} | {
    Label.BUS: LABELS.index(Label.TRUCK), Label.TRAILER: LABELS.index(Label.TRUCK),
    Label.MOTORCYCLE: LABELS.index(Label.BICYCLE),
}  # fmt: skip
_MARGIN_M = 0.05  # about a box, within which points are on it


@dataclass(frozen=True, eq=False)
class Labels:
    """What is true of the objects around. boxes: (B, 7) middle, size, heading; kinds: (B,) place in bev.CLASSES.

    hits: (B,) points on each.
    """

    boxes: np.ndarray
    kinds: np.ndarray
    hits: np.ndarray


@dataclass(frozen=True, eq=False)
class Sweep:
    """One sweep in base_link.

    name: unique in its source. drive: what it shares with others, a place or a recording. before: the sweep `gap_s`
    earlier, in this one's base_link, None where there is none. sensor_m: (3,) where the LiDAR sits, None where several
    are merged or nobody says. now_from_last: (4, 4) to base_link from that of the last sweep that was yielded, None
    where they do not follow one another. terrain: (X, Y) as in `Example`.
    """

    name: str
    drive: str
    cloud: PointCloud
    before: PointCloud | None = None
    gap_s: float = 0.0
    sensor_m: np.ndarray | None = None
    now_from_last: np.ndarray | None = None
    labels: Labels | None = None
    terrain: np.ndarray | None = None


@dataclass(frozen=True)
class Part:
    """A piece of a source that one process reads. kind: examples, drive or bag. which: the drive's place."""

    kind: str
    path: Path
    which: int = 0


@dataclass(frozen=True)
class Reading:
    """How sources are read.

    limit: sweeps of each drive at most, 0 for all. augmented: examples as the network sees them in training. vehicle: a
    file of config/vehicles, by default recorded for data sets. remap: yaml of the names in a recording.
    """

    limit: int = 0
    augmented: bool = False
    seed: int = 0
    vehicle: str = ''
    remap: Path | None = None


def parts_of(path: Path) -> list[Part]:
    """Return the pieces of a folder of examples, of a data set, or of a recording; raises DataError if it is none."""
    if not path.exists():
        raise DataError(f'{path}: no such file or folder')
    shards = [path] if path.suffix == '.tar' else sorted(path.glob('*.tar')) if path.is_dir() else []
    if shards:
        return [Part('examples', shard) for shard in shards]
    if path.suffix in BAGS or (path / 'metadata.yaml').is_file():
        return [Part('bag', path)]
    return [Part('drive', path, which) for which in range(len(detected(path).drives(path)))]


def sweeps_of(part: Part, reading: Reading) -> Iterator[Sweep]:
    """Yield the sweeps of a piece, in order."""
    from autonomy_nodes.training.census.recordings import sweeps_of_bag, sweeps_of_drive  # the whole stack, for some

    ways = {'examples': sweeps_of_shard, 'bag': sweeps_of_bag, 'drive': partial(sweeps_of_drive, which=part.which)}
    yield from ways[part.kind](part.path, reading)  # type: ignore[operator]


def sweeps_of_shard(path: Path, reading: Reading) -> Iterator[Sweep]:
    """Yield the examples of a file; all of a place are one drive."""
    for number, (name, example) in enumerate(read_named(path)):
        if reading.augmented:
            example = augmented(example, np.random.default_rng([reading.seed, number, _number(name)]))
        yield sweep_of(name, example)


def sweep_of(name: str, example: Example) -> Sweep:
    """Return an example as a sweep. name: place and view."""
    before = _cloud(example.before) if len(example.before) else None
    labels = Labels(example.boxes[:, :7].astype(float), example.kinds, example.hits)
    return Sweep(
        name, name.rpartition('-')[0], _cloud(example.points), before, STEP_S, np.asarray(example.sensor_m, float),
        labels=labels, terrain=example.terrain,
    )  # fmt: skip


def labels_of(objects: Objects, cloud: PointCloud) -> Labels:
    """Return labelled objects in base_link with the points of a sweep that lie on them; unknown kinds are left out."""
    kinds = np.array([KIND_OF.get(Label(label), -1) for label in objects.labels.tolist()], int)
    known = kinds >= 0
    columns = objects.positions_m, objects.dimensions_m, objects.headings_rad
    boxes = np.column_stack(columns)[known].reshape(-1, 7)
    return Labels(boxes, kinds[known], np.array([_inside(cloud.xyz, box) for box in boxes], int))


def _inside(xyz: np.ndarray, box: np.ndarray) -> int:
    reach = 0.5 * float(np.hypot(box[3], box[4])) + _MARGIN_M
    near = xyz[(np.abs(xyz[:, 0] - box[0]) < reach) & (np.abs(xyz[:, 1] - box[1]) < reach)] - box[:3]
    cos, sin = np.cos(box[6]), np.sin(box[6])
    local = near @ np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return int((np.abs(local) < box[3:6] / 2.0 + _MARGIN_M).all(axis=1).sum())


def _cloud(points: np.ndarray) -> PointCloud:
    xyz = np.ascontiguousarray(points[:, :3], np.float32)
    return PointCloud(0, 'base_link', xyz, np.ascontiguousarray(points[:, 3], np.float32))


def _number(name: str) -> int:
    return int(''.join(letter for letter in name if letter.isdigit())[-18:] or 0)


def after(sweep: Sweep, last: Sweep | None, now_from_last: np.ndarray | None) -> Sweep:
    """Return a sweep of a recording with the one before it, where odometry tells the way between the two."""
    if last is None or now_from_last is None:
        return sweep
    gap_s = (sweep.cloud.stamp_ns - last.cloud.stamp_ns) / SECOND_NS
    turn, shift = now_from_last[:3, :3], now_from_last[:3, 3]
    xyz = (last.cloud.xyz @ turn.T + shift).astype(np.float32)
    return replace(sweep, before=replace(last.cloud, xyz=xyz), gap_s=gap_s, now_from_last=now_from_last)
