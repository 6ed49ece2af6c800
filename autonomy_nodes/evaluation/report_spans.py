"""When each stage worked on a sweep: from its stamp on, live; one after another from what fed it, in lockstep."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from autonomy_nodes.common.status import Status
from autonomy_nodes.messages.topics import PLANNED, TABLE

Timing = Sequence[tuple[str, int, float | None, float | None]]  # stage, stamp_ns, duration_ms, latency_ms
Spans = dict[str, tuple[float, float]]  # of each stage from when to when [ms]
GIVER = {topic.name: topic.given_by for topic in TABLE}


def judges(status: Status) -> bool:
    """Return whether this is safety's step on a plan; others, such as a simulator, read plans and judge none."""
    return status.node == 'safety' and PLANNED.name in status.lineage


def chained(log: Sequence[Status], timing: Timing) -> dict[int, Spans]:
    """Return the spans of the steps that lead to safety's step of each stamp, through inputs of the same stamp.

    Each step begins when the last of its givers is done, as if each stage had a process of its own; safety ends last.
    """
    took = {(stage, at): duration for stage, at, duration, _ in timing if duration is not None}
    fed_by: dict[tuple[str, int], set[str]] = defaultdict(set)
    for status in log:
        fed_by[status.node, status.stamp_ns] |= {
            GIVER[topic] for topic, at in status.lineage.items() if at == status.stamp_ns and topic in GIVER
        }

    def finished(stage: str, at: int, above: tuple[str, ...], spans: Spans) -> float:
        earlier = [giver for giver in fed_by[stage, at] if giver not in above and (giver, at) in took]
        begin = max((finished(giver, at, (*above, giver), spans) for giver in sorted(earlier)), default=0.0)
        spans[stage] = begin, begin + took[stage, at]
        return spans[stage][1]

    found: dict[int, Spans] = {}
    for at in sorted({s.stamp_ns for s in log if judges(s) and s.lineage[PLANNED.name] == s.stamp_ns}):
        if ('safety', at) in took:
            finished('safety', at, ('safety',), found.setdefault(at, {}))
    return found


def measured(timing: Timing) -> dict[int, Spans]:
    """Return the spans of the steps of each stamp as a live run measured them, after the stamp."""
    found: dict[int, Spans] = defaultdict(dict)
    for stage, at, duration, latency in timing:
        if duration is not None and latency is not None:
            found[at][stage] = latency - duration, latency
    return found


def waterfall(spans: Mapping[int, Spans], stamp_ns: int) -> list[list[str | float]]:
    """Return stage, begin, end [ms] of the steps of one stamp, the first to end first."""
    rows = sorted(spans.get(stamp_ns, {}).items(), key=lambda row: row[1][::-1])
    return [[stage, round(begin, 1), round(end, 1)] for stage, (begin, end) in rows]
