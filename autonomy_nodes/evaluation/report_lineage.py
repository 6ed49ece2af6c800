"""Which stamps fed a trajectory: what the stages say that they read, chained by stamp from safety to the sensors."""

from collections.abc import Mapping, Sequence

from autonomy_nodes.common.status import Status
from autonomy_nodes.evaluation.report_numbers import GIVER
from autonomy_nodes.messages.topics import PLANNED, TRAJECTORY, find

Row = tuple[str, str, float]  # stage, topic that it read, ms by which that is older than the trajectory


class Lineage:
    """The steps of a run by stage and stamp."""

    def __init__(self, log: Sequence[Status]) -> None:
        self._steps: dict[tuple[str, int], Mapping[str, int]] = {}
        for status in log:
            if status.lineage:
                self._steps[status.node, status.stamp_ns] = status.lineage

    def judged(self, stamp_ns: int) -> bool:
        """Return whether safety judged a plan of this stamp."""
        return PLANNED.name in self._steps.get((TRAJECTORY.given_by, stamp_ns), {})

    def of(self, stamp_ns: int) -> list[Row]:
        """Return what each step read on the way to the trajectory of this stamp, from safety back; each step once."""
        rows: list[Row] = []
        waiting, seen = [(TRAJECTORY.given_by, stamp_ns)], set()
        while waiting:
            step = waiting.pop(0)
            if step in seen or step not in self._steps:
                continue
            seen.add(step)
            for topic, at in sorted(self._steps[step].items()):
                rows.append((step[0], topic, round((stamp_ns - at) / 1e6, 3)))
                waiting.append((_giver(topic), at))
        return rows


def _giver(name: str) -> str:
    topic = find(name)
    return '' if topic is None else GIVER.get(topic.name, topic.given_by)
