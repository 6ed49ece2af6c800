"""Which stamps fed a trajectory: what the stages say that they read, chained by stamp from safety to the sensors."""

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush

from autonomy_nodes.common.status import Status
from autonomy_nodes.evaluation.report_spans import GIVER
from autonomy_nodes.messages.topics import TRAJECTORY, find

Row = tuple[str, str, float]  # stage, topic that it read, ms by which that is older than the trajectory


class Lineage:
    """The steps of a run by stage and stamp."""

    def __init__(self, log: Sequence[Status]) -> None:
        self._steps: dict[tuple[str, int], Mapping[str, int]] = {}
        for status in log:
            if status.lineage:
                self._steps[status.node, status.stamp_ns] = status.lineage

    def of(self, stamp_ns: int) -> list[Row]:
        """Return what each stage read on the way to the trajectory of this stamp, the newest steps first.

        Of each stage only its newest step counts, since what is older reached this trajectory through that one; a
        step of a later sweep cannot have fed it, though a tick between sweeps can.
        """
        rows: list[Row] = []
        waiting, seen = [(-stamp_ns, TRAJECTORY.given_by)], set()
        while waiting:
            minus_ns, stage = heappop(waiting)
            step = stage, -minus_ns
            if stage in seen or step not in self._steps:
                continue
            seen.add(stage)
            for topic, at in sorted(self._steps[step].items()):
                rows.append((stage, topic, round((stamp_ns - at) / 1e6, 3)))
                if at <= stamp_ns:
                    heappush(waiting, (-at, _giver(topic)))
        return rows


def _giver(name: str) -> str:
    topic = find(name)
    return '' if topic is None else GIVER.get(topic.name, topic.given_by)
