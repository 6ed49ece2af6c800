"""Recordings to shards: examples as the simulator gives them too, and beside them what is told of pictures.

A folder holds examples-NNNNN.tar, one a stretch, as training/shards.py reads them, pictures-NNNNN.tar where there are
cameras, and manifest.json. In the latter lies, for the example NAME and each camera, NAME.CAMERA.jpg, the rectified
picture, and NAME.CAMERA.npz, the arrays of `pictures.Told`. Who did the work, and how many, changes no byte.
"""

import io
import time
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from autonomy_nodes.evaluation.measures.evidence import short
from autonomy_nodes.evaluation.measures.task import Tell
from autonomy_nodes.training.pseudo.cluster import shared_out
from autonomy_nodes.training.pseudo.moments import LabelSettings, Moment, moments
from autonomy_nodes.training.pseudo.played import StackSettings, played
from autonomy_nodes.training.pseudo.stretches import CutSettings, Source, Stretch, stretches
from autonomy_nodes.training.shards import LAYOUT, begun, is_there, packed, tarred, write_manifest

QUALITY = 90  # of JPEG


@dataclass(frozen=True)
class Order:
    """What is to be made of a recording. every: of so many sweeps one becomes an example; seed: draws which of them."""

    source: Source
    stack: StackSettings
    seed: int = 0
    every: int = 5
    cut: CutSettings = field(default_factory=CutSettings)
    labels: LabelSettings = field(default_factory=LabelSettings)

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f'every={self.every} must be 1 or more')
        if self.seed < 0:
            raise ValueError(f'seed={self.seed} must not be below 0')
        if self.cut.margin_s < self.labels.hindsight.reach_s:
            margin = f'margin_s={self.cut.margin_s} must not be below'
            raise ValueError(f'{margin} hindsight.reach_s={self.labels.hindsight.reach_s}')

    def asked(self, commit: str) -> dict[str, Any]:
        """Return what the manifest tells of it."""
        files = [path.read_text() for path in self.stack.files]
        settings = repr((files, sorted(self.stack.more.items()), self.cut, self.labels))
        return {
            'layout': LAYOUT, 'recording': self.source.path.name, 'fingerprint': self.source.fingerprint(),
            'model': Path(self.stack.model).name, 'seed': self.seed, 'every': self.every, 'settings': short(settings),
            'commit': commit,
        }  # fmt: skip


@dataclass(frozen=True)
class Workers:
    """Who does it, as `cluster.shared_out` has them."""

    jobs: int = 1
    backend: str = 'local'
    address: str = ''


@dataclass(frozen=True)
class Made:
    """Files of one stretch. count: of its examples. pictures: None without cameras."""

    count: int
    examples: bytes
    pictures: bytes | None


def write_order(folder: Path, order: Order, commit: str, workers: Workers, tell: Tell) -> dict[str, Any]:
    """Write what of an order is not there yet, and return the manifest; tell: hears of each stretch that is done.

    Raises DataError where the folder holds something else.
    """
    told = begun(folder, order.asked(commit))
    every = list(enumerate(stretches(order.source, order.cut)))
    missing = [(number, stretch) for number, stretch in every if not _complete(folder, number, told)]
    tell(f'{len(every) - len(missing)} of {len(every)} stretches are there', 0, len(missing))
    start, count = time.monotonic(), 0
    answers = shared_out(workers.backend, workers.address, workers.jobs, partial(made, order), missing)
    for done, ((number, _), found) in enumerate(zip(missing, answers), 1):
        entry = {'pictures': found.pictures is not None}
        if found.pictures is not None:
            _keep(folder, f'pictures-{number:05d}.tar', found.pictures, {}, told)
        _keep(folder, f'examples-{number:05d}.tar', found.examples, {'examples': found.count, **entry}, told)
        write_manifest(folder, told)
        count += found.count
        rate = count / max(time.monotonic() - start, 1e-6)
        tell(f'{done} of {len(missing)}: {found.count} examples, {rate:.1f} a second', done, len(missing))
    return told


def made(order: Order, item: tuple[int, Stretch]) -> Made:
    """Return the files of one stretch, by its number."""
    number, stretch = item
    phase = int(np.random.default_rng([order.seed, number]).integers(order.every))
    found = played(stretch, order.stack, order.every, phase)
    examples: dict[str, bytes] = {}
    pictures: dict[str, bytes] = {}
    for place, moment in enumerate(moments(found, order.labels) if found is not None else ()):
        name = f'{number:07d}-{place}'
        examples[f'{name}.npz'] = packed(moment.example)
        pictures |= _pictures(name, moment)
    return Made(len(examples), tarred(examples), tarred(pictures) if pictures else None)


def _pictures(name: str, moment: Moment) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    for camera, (taken, told) in moment.pictures.items():
        swapped = cv2.cvtColor(taken.image.pixels, cv2.COLOR_RGB2BGR)
        _, jpeg = cv2.imencode('.jpg', swapped, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        file = io.BytesIO()
        np.savez_compressed(file, **told.table())  # type: ignore[arg-type]
        members |= {f'{name}.{camera}.jpg': jpeg.tobytes(), f'{name}.{camera}.npz': file.getvalue()}
    return members


def _keep(folder: Path, name: str, data: bytes, more: dict[str, Any], told: dict[str, Any]) -> None:
    part = folder / f'{name}.part'
    part.write_bytes(data)
    part.rename(folder / name)
    told['files'][name] = {'sha256': sha256(data).hexdigest(), **more}


def _complete(folder: Path, number: int, told: dict[str, Any]) -> bool:
    name = f'examples-{number:05d}.tar'
    if not is_there(folder / name, told):
        return False
    return not told['files'][name]['pictures'] or is_there(folder / f'pictures-{number:05d}.tar', told)
