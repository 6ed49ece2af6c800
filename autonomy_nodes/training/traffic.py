"""Simulated traffic as a folder of scenes in the layout of recorded ones, with groups.json: to foretell from.

OUT/FAMILY/FAMILY-SSSSSSS.npz, SSSSSSS its seed. Families and folds take turns, difficulty is drawn of the seed. The
same seed gives the same bytes, whatever the number of processes; a run that was cut short goes on where it was.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.evaluation.measures.task import Tell, in_processes
from autonomy_nodes.evaluation.scene_picture import drawn
from autonomy_nodes.inference.manifest import digest
from autonomy_nodes.messages.formats.trajectories import GROUPS, read_scene, write_scene
from autonomy_nodes.sim.flow.families import FAMILIES, played
from autonomy_nodes.training.shards import MANIFEST, begun, write_manifest

LAYOUT = 1
BLOCK, FOLDS = 10, 5  # scenes in a group
SHARES = {'highway': 2, 'lights': 4, 'signs': 3, 'roundabout': 2, 'jam': 2, 'street': 3, 'narrow': 2, 'yard': 1}
PICTURED_STEP = 40


@dataclass(frozen=True)
class Order:
    """What is to be written: so many scenes in all, families by SHARES. hardest: difficulty is drawn up to it."""

    seed: int
    count: int
    families: tuple[str, ...] = tuple(FAMILIES)
    hardest: float = 1.0

    def __post_init__(self) -> None:
        if self.seed < 0 or self.count < 1 or not 0.0 <= self.hardest <= 1.0:
            raise ValueError('seed must not be below 0, scenes not below 1, hardest between 0 and 1')
        if unknown := sorted(set(self.families) - set(FAMILIES)):
            raise ValueError(f'families={unknown[0]} must be of {", ".join(FAMILIES)}')

    def groups(self) -> list['Group']:
        """Return the groups in the order in which they are written; the first ones are the same for any count."""
        turns = [family for turn in range(max(SHARES.values())) for family in self.families if SHARES[family] > turn]
        found: list[Group] = []
        number: Counter[str] = Counter()
        while (first := len(found) * BLOCK) < self.count:
            family = turns[len(found) % len(turns)]
            begin = self.seed + number[family] * BLOCK
            fold = (number[family] + list(FAMILIES).index(family)) % FOLDS
            seeds = tuple(range(begin, begin + min(BLOCK, self.count - first)))
            found.append(Group(family, seeds, fold, self.hardest))
            number[family] += 1
        return found


@dataclass(frozen=True)
class Group:
    """Scenes of a family that stay together."""

    family: str
    seeds: tuple[int, ...]
    fold: int
    hardest: float

    @property
    def name(self) -> str:
        """Name."""
        return f'{self.family}-{self.seeds[0] // BLOCK:06d}'

    @property
    def files(self) -> list[str]:
        """Of each scene, in the folder."""
        return [f'{self.family}/{self.family}-{seed:07d}.npz' for seed in self.seeds]


def write_traffic(folder: Path, order: Order, commit: str, jobs: int, tell: Tell) -> dict[str, Any]:
    """Write what of an order is not there yet, and return the manifest; tell: hears of each group that is done.

    Raises DataError where the folder holds something else.
    """
    asked = {
        'layout': LAYOUT, 'seed': order.seed, 'count': order.count, 'families': list(order.families),
        'hardest': order.hardest, 'commit': commit,
    }  # fmt: skip
    told = begun(folder, asked)
    groups = order.groups()
    missing = [group for group in groups if not _is_there(folder, group, told)]
    tell(f'{len(groups) - len(missing)} of {len(groups)} groups are there', 0, len(missing))
    for group in missing:
        (folder / group.family).mkdir(exist_ok=True)
    start, made = time.monotonic(), 0
    for done, (name, entry) in enumerate(in_processes(jobs, partial(write_group, folder), missing), 1):
        told['files'][name] = entry
        write_manifest(folder, told)
        made += len(entry['sha256'])
        rate = 60.0 * made / max(time.monotonic() - start, 1e-6)
        tell(f'{name}: {made} scenes, {rate:.0f} a minute', done, len(missing))
    rows = [{'group': group.name, 'fold': group.fold, 'scenes': group.files} for group in groups]
    (folder / GROUPS).write_text(json.dumps(rows, indent=1) + '\n')
    return told


def write_group(folder: Path, group: Group) -> tuple[str, dict[str, Any]]:
    """Write the scenes of a group; return its name, their hashes and what happened in them."""
    counts: Counter[str] = Counter()
    hashes = []
    for seed, file in zip(group.seeds, group.files):
        found = played(group.family, seed, difficulty_of(seed, group.hardest))
        path = folder / file
        write_scene(path, found.scene, f'autonomy_nodes simulation, {group.family}')
        hashes.append(digest(path))
        counts['brushes'] += sum(contact.brush for contact in found.contacts)
        counts['contacts_inattentive'] += sum(one.inattentive and not one.brush for one in found.contacts)
        counts['contacts_other'] += sum(not contact.excused for contact in found.contacts)
        counts['drawn'] += found.drawn
        counts['lane_changes'] += len(found.flow.changes)
        counts['cut_ins'] += sum(change.behind_s < 1.0 for change in found.flow.changes)
        counts['bytes'] += path.stat().st_size
    return group.name, {'sha256': hashes, **counts}


def difficulty_of(seed: int, hardest: float) -> float:
    """Return the difficulty of a scene: evenly spread over the seeds."""
    return hardest * float(np.random.default_rng([seed, 77]).random())


def write_scene_pictures(folder: Path, order: Order, count: int) -> list[Path]:
    """Draw the first scenes, of every family in turn, into folder/pictures; return the files."""
    place = folder / 'pictures'
    place.mkdir(exist_ok=True)
    files = [file for group in order.groups() for file in group.files]
    of_family = {family: [file for file in files if file.startswith(f'{family}/')] for family in order.families}
    turns = [file for turn in zip_longest(*of_family.values()) for file in turn if file]
    found = []
    for file in turns[:count]:
        found.append(place / f'{Path(file).stem}.png')
        found[-1].write_bytes(drawn(read_scene(folder / file), PICTURED_STEP))
    return found


def origin(folder: Path, groups: Iterable[str]) -> dict[str, Any]:
    """Return what a card tells of a folder of scenes: of simulated ones from what they were made, else the groups."""
    path = folder / MANIFEST
    told = json.loads(path.read_text()) if path.is_file() else {}
    if 'hardest' not in told:
        return {'groups': sorted({*groups})}
    made = {key: told[key] for key in ('seed', 'count', 'families', 'hardest', 'commit')}
    return {'simulated': made | {'manifest_sha256': digest(path)}}


def _is_there(folder: Path, group: Group, told: dict[str, Any]) -> bool:
    """Return whether a group is there as the manifest tells it."""
    hashes = told['files'].get(group.name, {}).get('sha256', ())
    paths = [folder / file for file in group.files]
    return len(hashes) == len(paths) and all(p.is_file() and digest(p) == told for p, told in zip(paths, hashes))
