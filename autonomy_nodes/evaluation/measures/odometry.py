"""How exact and how quick the odometry is on LiDAR alone, beside KISS-ICP.

Any layout with sweeps in order of time; a pause in them begins a new leg. A leg's way is held against the poses that
the data set tells (`truth`), against sweeps laid straight on one another (`direct`, see direct.py), and against the
peer's. Raw answers: LEG.WHOSE.tum, trajectories of base_link, of the truth too; LEG.direct.tum, per part two rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.evaluation.measures.direct import links
from autonomy_nodes.evaluation.measures.evidence import short
from autonomy_nodes.evaluation.measures.paths import Link, Way, against_links, against_way, apart, write_tum
from autonomy_nodes.evaluation.measures.sweeps import KISS, Sweep, kiss, kiss_version, ours, read_sweep
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, over
from autonomy_nodes.localization.warmup import warm
from autonomy_nodes.messages.formats.catalogue import drives
from autonomy_nodes.messages.formats.frames import Frame

LONGEST_PAUSE_S = 1.0  # between sweeps of one leg
OURS = 'ours'
FIRST = 4  # rows of a way that a run over its beginning gives again


@dataclass(frozen=True)
class Leg:
    """Sweeps without a pause: the numbers of their frames in a drive."""

    data: Path
    drive: str
    frames: tuple[int, ...]
    name: str
    peers: bool


@dataclass
class Ran:
    """What one leg gave. ways, cpu_s: {'ours' or a peer: ...}. truth: None where no poses are told."""

    ways: dict[str, Way] = field(default_factory=dict)
    cpu_s: dict[str, list[float]] = field(default_factory=dict)
    truth: Way | None = None
    direct: list[Link] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def evaluate(task: Task) -> Result:
    """Measure every leg of every drive in a folder; `task.limit`: sweeps of each."""
    result = Result(worst_by='off_m', low_is_bad=False)
    found = [leg for drive in drives(task.data) for leg in legs(task, drive.name, drive.frames)]
    if not found:
        raise DataError(f'{task.data}: no two sweeps within {LONGEST_PAUSE_S} s of each other')
    told = over(replace(task, limit=0), [(leg.name, leg) for leg in found], driven, result)
    for name, ran in told:
        _write(task.out, name, ran)
        rows = (task.out / f'{name}.{OURS}.tum').read_text().splitlines()
        for part, count in (('first', FIRST), ('all', len(rows))):
            result.answers[f'{name}.{part}_{count}'] = short('\n'.join(rows[:count]))
        result.frames += _scored(name, ran)
        result.refused |= {f'{name} {frame}': why for frame, why in ran.refused.items()}
    for whose, head in ((OURS, ''), (KISS, f'peer.{KISS}.')):
        every = [(name, ran) for name, ran in told if whose in ran.ways]
        if every:
            figures = in_all([ran for _, ran in every], whose)
            for name, ran in every:
                figures |= {f'{name}.{figure}': value for figure, value in in_all([ran], whose).items()}
            result.figures |= {f'{head}{figure}': value for figure, value in figures.items()}
            result.versions |= {KISS: kiss_version()} if whose == KISS else {}
    if quick := result.figures.get(f'peer.{KISS}.cpu_ms.mean'):
        result.figures[f'times_faster_than_{KISS}'] = quick / result.figures['cpu_ms.mean']
    result.figures |= {'n_legs': len(told), 'n_sweeps': sum(len(ran.cpu_s[OURS]) for _, ran in told)}
    result.figures['n_refused'] = len(result.refused)
    return result


def legs(task: Task, drive: str, frames: Sequence[Frame]) -> Iterator[Leg]:
    """Yield the legs of a drive: two sweeps or more, none more than a pause after the one before."""
    numbers = [number for number, frame in enumerate(frames) if frame.clouds]
    late = [
        place for place, (a, b) in enumerate(pairwise(numbers), 1)
        if frames[b].stamp_ns - frames[a].stamp_ns > LONGEST_PAUSE_S * SECOND_NS
    ]  # fmt: skip
    for start, stop in pairwise([0, *late, len(numbers)]):
        chosen = tuple(numbers[start:stop][: task.limit or None])
        if len(chosen) > 1:
            yield Leg(task.data, drive, chosen, f'{drive}_{frames[chosen[0]].name}', task.peers)


def driven(leg: Leg) -> Ran:
    """Run the odometry, and the peer where it is asked for and installed, over one leg."""
    warm()
    every = next(drive for drive in drives(leg.data) if drive.name == leg.drive).frames
    ran, frames = Ran(), {every[number].stamp_ns: every[number] for number in leg.frames}

    def sweeps() -> Iterator[Sweep]:  # read anew for each: a long leg does not fit into memory
        for frame in frames.values():
            try:
                yield read_sweep(frame)
            except (DataError, OSError) as error:
                ran.refused[frame.name] = str(error)

    runners = {OURS: ours, **({KISS: kiss} if leg.peers and kiss_version() else {})}
    for whose, run in runners.items():
        ran.ways[whose], ran.cpu_s[whose] = run(sweeps())
    ran.direct = links(ran.ways[OURS], lambda stamp_ns: read_sweep(frames[stamp_ns]))
    placed = [(sweep.cloud.stamp_ns, sweep.placed) for sweep in sweeps() if sweep.placed is not None]
    if len(placed) > 1:
        ran.truth = Way(tuple(stamp for stamp, _ in placed), np.array([pose for _, pose in placed]))
    return ran


def in_all(runs: Sequence[Ran], whose: str) -> Figures:
    """Return the figures of legs together: errors at their ends summed, and as a share of the summed way."""
    cpu_ms = 1e3 * np.concatenate([ran.cpu_s[whose] for ran in runs])
    figures: Figures = {
        'driven_m': sum(float(ran.ways[whose].along_m[-1]) for ran in runs), 'cpu_ms.mean': float(cpu_ms.mean()),
        'cpu_ms.p50': float(np.median(cpu_ms)), 'cpu_ms.p95': float(np.percentile(cpu_ms, 95.0)),
    }  # fmt: skip
    held: dict[str, list[Figures]] = {'truth': [], 'direct': [], f'to_{KISS}': []}
    for ran in runs:
        way = ran.ways[whose]
        held['direct'].append(against_links(way, ran.direct))
        held['truth'].append({} if ran.truth is None else against_way(way, ran.truth))
        held[f'to_{KISS}'].append(against_way(way, ran.ways[KISS]) if whose == OURS and KISS in ran.ways else {})
    for name, told in held.items():
        if told := [each for each in told if each]:
            way_m = sum(each['way_m'] for each in told)
            total = {key: sum(each[key] for each in told) for key in told[0] if key.endswith(('_m', '_deg', 'links'))}
            figures |= {f'{name}.{key}': value for key, value in total.items() if key != 'way_m'}
            for key in ('end', 'along'):
                if f'{key}_m' in total:
                    figures[f'{name}.{key}_share'] = total[f'{key}_m'] / max(way_m, 1e-9)
    return figures


def _scored(name: str, ran: Ran) -> list[Scored]:
    """Return each moment of which something is known, for the page with the worst."""
    if ran.truth is not None:
        off = apart(ran.ways[OURS], ran.truth)
        return [Scored(f'{name} {ns}', {'off_m': float(np.linalg.norm(pose[:3, 3]))}) for ns, pose in off]
    off_m = [(link.last_ns, against_links(ran.ways[OURS], [link])['end_m']) for link in ran.direct]
    return [Scored(f'{name} {stamp_ns}', {'off_m': value}) for stamp_ns, value in off_m]


def _write(folder: Path, name: str, ran: Ran) -> None:
    for whose, way in ran.ways.items():
        write_tum(folder / f'{name}.{whose}.tum', way)
    if ran.truth is not None:
        write_tum(folder / f'{name}.truth.tum', ran.truth)
    stamps = [stamp for link in ran.direct for stamp in (link.first_ns, link.last_ns)]
    poses = [pose for link in ran.direct for pose in (np.eye(4), link.first_from_last)]
    if stamps:
        write_tum(folder / f'{name}.direct.tum', Way(tuple(stamps), np.array(poses)))
    rows = [f'{whose},{number},{s:.6f}' for whose, cpu_s in ran.cpu_s.items() for number, s in enumerate(cpu_s)]
    (folder / f'timing.{name}.csv').write_text('\n'.join(['whose,sweep,cpu_s', *rows]) + '\n')
