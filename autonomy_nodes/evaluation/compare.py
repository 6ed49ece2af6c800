"""Two runs over the same recording side by side: where they say the same, where not, and why not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.status import Status
from autonomy_nodes.common.types import Trajectory
from autonomy_nodes.evaluation.report_numbers import PLANS_PASS
from autonomy_nodes.evaluation.report_spans import judges
from autonomy_nodes.evaluation.runlog import OUTPUTS, read_log
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.objects import read_tracked
from autonomy_nodes.messages.topics import TRACKS, TRAJECTORY, Topic
from autonomy_nodes.messages.trajectory import read_trajectory

ORDER = ('lidar', 'localization', 'map', 'perception', 'tracking', 'prediction', 'planning', 'safety')
OBJECTS_M, TRAJECTORY_M = 0.01, 0.02


@dataclass(frozen=True)
class Difference:
    """A stamp on which two runs differ: what differs, and the first stage that went another way with the reason."""

    stamp_ns: int
    what: str
    cause: str


@dataclass(frozen=True)
class Comparison:
    """stamps: how many sweeps both runs saw. equal: on how many of them nothing differs. differences: the others."""

    stamps: int
    equal: int
    differences: tuple[Difference, ...]

    @property
    def share(self) -> float:
        """Share of stamps without a difference, 0 where no stamp is common."""
        return self.equal / self.stamps if self.stamps else 0.0


def compare(one: Path, other: Path) -> Comparison:
    """Compare ids, modes, positions of objects (1 cm) and points of trajectories (2 cm) of two run folders.

    Trajectories are those that a plan became: a stop that safety drives on has the stamp of a tick, which in one run
    may be that of a sweep by chance.
    """
    tracks = [dict(_by_stamp(folder, TRACKS, read_tracked)) for folder in (one, other)]
    logs = [_steps(folder) for folder in (one, other)]
    drives = [
        {at: drive for at, drive in _by_stamp(folder, TRAJECTORY, read_trajectory) if _mode(log, at) in PLANS_PASS}
        for folder, log in zip((one, other), logs)
    ]
    stamps = sorted({stamp for found in tracks for stamp in found})
    differences = []
    for stamp_ns in stamps:
        told = [
            objects_differ(*(found.get(stamp_ns) for found in tracks)),
            trajectories_differ(*(found.get(stamp_ns) for found in drives)),
            _modes_differ(*(_mode(log, stamp_ns) for log in logs)),
        ]
        if what := '; '.join(filter(None, told)):
            differences.append(Difference(stamp_ns, what, _cause(stamp_ns, *logs)))
    return Comparison(len(stamps), len(stamps) - len(differences), tuple(differences))


def objects_differ(one: Objects | None, other: Objects | None) -> str:
    """Return in what two lists of tracked objects differ, empty where they do not."""
    if one is None or other is None:
        return 'tracked objects in one run only' if (one is None) is not (other is None) else ''
    here, there = ({bytes(row): k for k, row in enumerate(o.ids)} for o in (one, other))  # type: ignore[arg-type]
    if here.keys() != there.keys():
        return f'{len(here.keys() ^ there.keys())} objects have ids of one run only'
    if not here:
        return ''
    rows = np.array([(here[key], there[key]) for key in here])
    apart_m = np.linalg.norm(one.positions_m[rows[:, 0]] - other.positions_m[rows[:, 1]], axis=1).max()
    return f'an object is {apart_m:.3f} m apart' if apart_m > OBJECTS_M else ''


def trajectories_differ(one: Trajectory | None, other: Trajectory | None) -> str:
    """Return in what two trajectories differ, empty where they do not."""
    if one is None or other is None:
        return 'a trajectory in one run only' if (one is None) is not (other is None) else ''
    if len(one.times_s) != len(other.times_s):
        return f'trajectories of {len(one.times_s)} and {len(other.times_s)} points'
    apart_m = np.linalg.norm(one.poses[:, :3] - other.poses[:, :3], axis=1).max()
    return f'a trajectory point is {apart_m:.3f} m apart' if apart_m > TRAJECTORY_M else ''


def _modes_differ(one: str | None, other: str | None) -> str:
    return f'modes {one} and {other}' if one != other else ''


def _mode(log: dict[tuple[str, int], Status], stamp_ns: int) -> str | None:
    """Return the mode in which safety judged the plan of a stamp."""
    status = log.get(('safety', stamp_ns))
    return None if status is None else status.values.get('mode')


def _by_stamp(folder: Path, topic: Topic, read: Callable[[bytes], Any]) -> Iterator[tuple[int, Any]]:
    for _, _, _, data in Recording(folder / OUTPUTS).messages(topics=[topic.name]):
        value = read(data)
        yield value.stamp_ns, value


def _steps(folder: Path) -> dict[tuple[str, int], Status]:
    """Return the statuses of steps (not of ticks between them) by stage and stamp."""
    steps = (s for s in read_log(folder) if s.lineage and (s.node != 'safety' or judges(s)))
    return {(status.node, status.stamp_ns): status for status in steps}


def _cause(stamp_ns: int, one: dict[tuple[str, int], Status], other: dict[tuple[str, int], Status]) -> str:
    """Return the first stage on the way that read other inputs, or said something else, and what."""
    for stage in ORDER:
        here, there = one.get((stage, stamp_ns)), other.get((stage, stamp_ns))
        if here is None or there is None:
            if here is not there:
                return f'{stage} made this step in one run only'
            continue
        for topic in sorted({*here.lineage, *there.lineage}):
            stamps = here.lineage.get(topic), there.lineage.get(topic)
            if stamps[0] != stamps[1]:
                return f'{stage} read {topic} of {stamps[0]} and {stamps[1]}'
        if here.text != there.text:
            return f'{stage} said {here.text!r} and {there.text!r}'
    return 'an earlier step differed, and its state remains'
