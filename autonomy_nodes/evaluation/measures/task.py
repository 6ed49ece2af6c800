"""What is asked of a measure, what it gives back, and how it goes over the frames of a folder."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.telling import Tell, untold

Item = TypeVar('Item')
Value = TypeVar('Value')
Figures = dict[str, float]


@dataclass(frozen=True)
class Task:
    """What to measure, on what, how.

    data: a folder laid out as docs/evaluation.md tells. out: for the raw answers. peers: run those that are installed
    beside ours. limit: frames (or scenes) at most, 0 for all. only: names of those that are wanted, all where empty.
    jobs: processes; they change no byte of the answers. options: of one kind of measure alone, such as inject='2,0.1'.
    tell: hears of each frame that is done; it stays in this process.
    """

    data: Path
    out: Path
    peers: bool = False
    limit: int = 0
    only: tuple[str, ...] = ()
    jobs: int = 1
    seed: int = 0
    model: str = 'none'
    backend: str = 'auto'
    options: Mapping[str, str] = field(default_factory=dict)
    tell: Tell = field(default=untold, compare=False, repr=False)

    def __getstate__(self) -> dict[str, object]:
        """Return what goes to other processes."""
        return {**self.__dict__, 'tell': untold}


@dataclass(frozen=True)
class Scored:
    """What one frame gave. figures: by name, lower case with dots. picture: PNG of it, for the worst frames' page."""

    name: str
    figures: Figures
    picture: Callable[[], bytes] | None = None


@dataclass
class Result:
    """What a measure found.

    figures: {'f1': 0.97, 'peer.pypatchworkpp.f1': 0.966, 'range_0_20.f1': ..., 'n_frames': 9, 'cpu_s': ...}: flat;
    slices are the parts before the last dot. frames: for the page with the worst ones, told apart by `worst_by`, of
    which `low_is_bad` says which end is the bad one. refused: {frame: why it could not be read}. items: what was
    measured, by the names that `Task.only` takes. answers: {part: its hash} where a file of raw answers holds those of
    several items, as `evidence.short` gives it. pictures: {what it shows: PNG of it}, for the page.
    """

    figures: Figures = field(default_factory=dict)
    frames: list[Scored] = field(default_factory=list)
    worst_by: str = ''
    low_is_bad: bool = True
    refused: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    items: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, Callable[[], bytes]] = field(default_factory=dict)

    def worst(self, count: int) -> Sequence[Scored]:
        """Return the worst frames, the worst first."""
        told = [frame for frame in self.frames if self.worst_by in frame.figures]
        sign = 1.0 if self.low_is_bad else -1.0
        return sorted(told, key=lambda frame: (sign * frame.figures[self.worst_by], frame.name))[:count]


def over(
    task: Task, items: Iterable[tuple[str, Item]], work: Callable[[Item], Value], result: Result
) -> list[tuple[str, Value]]:
    """Return (name, what `work` gave) of each item in order, in `task.jobs` processes.

    An item that raises DataError is noted in `result.refused` and left out. Raises DataError where none is left.
    `work` must be a function of a module, and must not remember anything from item to item.
    """
    wanted = [item for item in items if not task.only or item[0] in task.only]
    if missing := sorted({*task.only} - {name for name, _ in wanted}):
        raise DataError(f'{task.data}: has no {", ".join(missing)}')
    chosen = wanted[: task.limit or None]
    found: list[tuple[str, Value]] = []
    answers = in_processes(task.jobs, partial(_guarded, work), [item for _, item in chosen])
    for done, ((name, _), (value, error)) in enumerate(zip(chosen, answers), 1):
        task.tell(name, done, len(chosen))
        if error:
            result.refused[name] = error
        else:
            found.append((name, value))  # type: ignore[arg-type]
    if not found:
        reasons = '; '.join(f'{name}: {why}' for name, why in result.refused.items())
        raise DataError(f'{task.data}: nothing could be measured{": " + reasons if reasons else ""}')
    result.figures['n_refused'] = len(result.refused)
    result.items = [name for name, _ in found]
    return found


def in_processes(jobs: int, work: Callable[[Item], Value], items: Sequence[Item]) -> Iterator[Value]:
    """Yield what `work`, a function of a module, gives of each item in order; with one job in this process."""
    if jobs <= 1:
        yield from map(work, items)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context('spawn')) as pool:
        yield from pool.map(work, items)


def _guarded(work: Callable[[Item], Value], item: Item) -> tuple[Value | None, str]:
    try:
        return work(item), ''
    except DataError as error:
        return None, str(error)


def timed(call: Callable[[], Value]) -> tuple[Value, float]:
    """Return what `call` gives and the CPU time of this process that it took [s]."""
    start = time.process_time()
    value = call()
    return value, time.process_time() - start


def bootstrap(values: Sequence[float], seed: int, rounds: int = 1000) -> tuple[float, float]:
    """Return the 95 % interval of the mean of `values` by resampling them (Efron 1979), NaN for none."""
    if not len(values):
        return float('nan'), float('nan')
    drawn = np.random.default_rng(seed).integers(0, len(values), (rounds, len(values)))
    low, high = np.percentile(np.asarray(values, float)[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
