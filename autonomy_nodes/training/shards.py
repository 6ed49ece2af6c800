"""Examples on disk: tar files of npz files, one an example, as WebDataset and others read them; no library is needed.

A folder holds examples-NNNNN.tar and manifest.json. In a tar lies PPPPPPP-V.npz: place (its seed) and view. Arrays are
those of `Example` in few bytes: xyz in steps of STEP_M as int16, intensity and top in 255 steps, ground in millimetres.
The same seed gives the same bytes, whatever the number of processes; a run that was cut short goes on where it was.
"""

import io
import json
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.task import Tell, in_processes
from autonomy_nodes.inference.manifest import digest
from autonomy_nodes.perception import bev
from autonomy_nodes.training.examples import MASKS, Example
from autonomy_nodes.training.places import PlaceSettings, examples

MANIFEST = 'manifest.json'
LAYOUT = 1
STEP_M = 0.0025
REACH_M = 80.0  # what lies farther is beyond the grid
_NOWHERE = -32768
PLACES = 32  # in a shard


@dataclass(frozen=True)
class Order:
    """What is to be written: places from a seed on, so many examples in all."""

    seed: int
    count: int
    settings: PlaceSettings

    @property
    def shards(self) -> int:
        """Number of files."""
        return -(-self.count // (PLACES * self.settings.views))

    def names(self) -> list[str]:
        """Return the names of the files."""
        return [f'examples-{number:05d}.tar' for number in range(self.shards)]


def packed(example: Example) -> bytes:
    """Return an example as the bytes of an npz file."""
    near = np.abs(example.points[:, :3]).max(axis=1, initial=0.0) < REACH_M
    before = example.before[np.abs(example.before[:, :3]).max(axis=1, initial=0.0) < REACH_M]
    ground = np.where(np.isnan(example.ground_m), 0.0, np.clip(example.ground_m, -32.0, 32.0))
    whole = np.where(np.isnan(example.ground_m), _NOWHERE, np.round(1000.0 * ground)).astype(np.int16)
    table: dict[str, Any] = _quantised('points', example.points[near]) | _quantised('before', before)
    table |= {name: getattr(example, name) for name in ('sensor_m', 'boxes', 'hits', 'shares', 'terrain')}
    table |= {
        'kinds': example.kinds.astype(np.uint8), 'semantics': example.semantics[near],
        'bodies': example.bodies[near].astype(np.int16), 'ground_mm': whole,
        'top': np.round(example.top_m * (255.0 / bev.HIGH_M)).astype(np.uint8), 'blocked': np.packbits(example.blocked),
    }  # fmt: skip
    masks = {name: mask for name in MASKS if (mask := getattr(example, name)) is not None}
    table |= {name: np.packbits(mask) for name, mask in masks.items()}
    file = io.BytesIO()
    np.savez_compressed(file, **table)
    return file.getvalue()


def _quantised(name: str, points: np.ndarray) -> dict[str, np.ndarray]:
    steps = np.round(points[:, :3] / STEP_M).astype(np.int16)
    return {f'{name}_steps': steps, f'{name}_intensity': np.round(255.0 * points[:, 3]).astype(np.uint8)}


def unpacked(data: bytes) -> Example:
    """Return the example of the bytes of an npz file; raises DataError where it is none."""
    try:
        with np.load(io.BytesIO(data)) as found:
            table = {name: found[name] for name in found.files}
        masks = [_mask(table[name]) if name in table else None for name in MASKS]
        ground = np.where(table['ground_mm'] == _NOWHERE, np.nan, table['ground_mm'] / 1000.0)
        return Example(
            points=_points(table, 'points'), before=_points(table, 'before'), sensor_m=table['sensor_m'],
            boxes=table['boxes'], kinds=table['kinds'].astype(np.int64), hits=table['hits'], shares=table['shares'],
            semantics=table['semantics'], bodies=table['bodies'].astype(np.int32),
            ground_m=ground.astype(np.float32), terrain=table['terrain'],
            top_m=(table['top'] * (bev.HIGH_M / 255.0)).astype(np.float32),
            blocked=_mask(table['blocked']), objects_asked=masks[0], stands_asked=masks[1],
        )  # fmt: skip
    except (KeyError, ValueError, OSError) as error:
        raise DataError(f'no example: {error}') from error


def _mask(bits: np.ndarray) -> np.ndarray:
    return np.unpackbits(bits, count=bev.CELLS[0] * bev.CELLS[1]).reshape(bev.CELLS).astype(bool)


def _points(table: dict[str, np.ndarray], name: str) -> np.ndarray:
    xyz, light = table[f'{name}_steps'] * np.float32(STEP_M), table[f'{name}_intensity'] * np.float32(1.0 / 255.0)
    return np.column_stack([xyz, light]).astype(np.float32)


def read_shard(path: Path) -> Iterator[Example]:
    """Yield the examples of one file, in their order; raises DataError naming it where it is broken."""
    for _, example in read_named(path):
        yield example


def read_named(path: Path) -> Iterator[tuple[str, Example]]:
    """Yield (name, example) of one file, as `read_shard` does; a name is PPPPPPP-V, place and view."""
    try:
        with tarfile.open(path) as shard:
            for member in shard:
                file = shard.extractfile(member)
                if file is not None:
                    yield Path(member.name).stem, unpacked(file.read())
    except (tarfile.TarError, OSError, DataError) as error:
        raise DataError(f'{path}: {error}') from error


def write_shards(folder: Path, order: Order, commit: str, jobs: int, tell: Tell) -> dict[str, Any]:
    """Write what of an order is not there yet, and return the manifest; tell: hears of each file that is done.

    Raises DataError where the folder holds something else.
    """
    asked = {
        'layout': LAYOUT, 'seed': order.seed, 'count': order.count, 'views': order.settings.views, 'commit': commit
    }
    told = begun(folder, asked)
    missing = [number for number, name in enumerate(order.names()) if not is_there(folder / name, told)]
    tell(f'{order.shards - len(missing)} of {order.shards} files are there', 0, len(missing))
    start, made = time.monotonic(), 0
    shards = in_processes(jobs, partial(write_shard, folder, order), missing)
    for done, (name, count, told_hash) in enumerate(shards, 1):
        told['files'][name] = {'sha256': told_hash, 'examples': count}
        write_manifest(folder, told)
        made += count
        rate = made / max(time.monotonic() - start, 1e-6)
        tell(f'{done} of {len(missing)}: {name}, {count} examples, {rate:.1f} a second', done, len(missing))
    return told


def write_shard(folder: Path, order: Order, number: int) -> tuple[str, int, str]:
    """Write one file; return its name, how many examples it holds and its hash."""
    name, views = order.names()[number], order.settings.views
    left = min(PLACES * views, order.count - number * PLACES * views)
    part, count = folder / f'{name}.part', 0
    with tarfile.open(part, 'w', format=tarfile.USTAR_FORMAT) as shard:
        for place in range(order.seed + number * PLACES, order.seed + (number + 1) * PLACES):
            if count == left:
                break
            for view, example in enumerate(examples(place, order.settings)):
                if count == left:
                    break
                add(shard, f'{place:07d}-{view}.npz', packed(example))
                count += 1
    part.rename(folder / name)
    return name, count, digest(folder / name)


def begun(folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest of a folder, a new one where there is none; raises DataError where it tells of another."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / MANIFEST
    if not path.exists():
        if any(folder.iterdir()):
            raise DataError(f'{folder} is not empty and holds no {MANIFEST}; give a new folder')
        return {**asked, 'files': {}}
    told: dict[str, Any] = json.loads(path.read_text())
    differing = [key for key, value in asked.items() if told.get(key) != value]
    if differing:
        key = differing[0]
        raise DataError(f'{path}: {key} is {told.get(key)!r}, not {asked[key]!r}; give a new folder')
    return told


def is_there(path: Path, told: dict[str, Any]) -> bool:
    """Return whether a file is there as its manifest tells it."""
    return path.name in told['files'] and path.exists() and digest(path) == told['files'][path.name]['sha256']


def write_manifest(folder: Path, told: dict[str, Any]) -> None:
    """Write what is told of a folder, in one step."""
    part = folder / f'{MANIFEST}.part'
    part.write_text(json.dumps(told, indent=1, sort_keys=True) + '\n')
    part.rename(folder / MANIFEST)


def tarred(members: Mapping[str, bytes]) -> bytes:
    """Return a tar file; equal members give equal bytes."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode='w', format=tarfile.USTAR_FORMAT) as shard:
        for name, data in members.items():
            add(shard, name, data)
    return file.getvalue()


def add(shard: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file to a tar file; owner and time stay 0."""
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    shard.addfile(entry, io.BytesIO(data))
