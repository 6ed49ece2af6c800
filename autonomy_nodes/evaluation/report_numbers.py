"""The figures of a run as one flat dictionary, from what its stages reported."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from autonomy_nodes.common.status import Mode, Status
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.evaluation.report_spans import Timing, chained, judges
from autonomy_nodes.evaluation.runlog import OUTPUTS, Run, read_log, read_run, read_timing
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.cdr import Cursor
from autonomy_nodes.messages.topics import PLANNED, TRAJECTORY

SUMMARY = 'report.json'
Figures = dict[str, float | int]
SHARES = {'p50': 50, 'p95': 95, 'max': 100}  # of latencies: percentiles
OUTCOME = ('goal_reached', 'collisions', 'progress_m')  # keys of the values of a simulation's statuses
PLANS_PASS = (Mode.NOMINAL.value, Mode.DEGRADED.value)  # modes in which plans are let out
SOURCES = ('lidar', 'camera')  # the stage whose steps are the frames that came in: the first that ran


def summarise(folder: Path) -> Figures:
    """Write report.json of the run in `folder`, and return it; raises DataError where the log cannot be read."""
    run, log, sent_ns = read_run(folder), read_log(folder), None
    if (folder / OUTPUTS).exists():
        messages = Recording(folder / OUTPUTS).messages(topics=[TRAJECTORY.name])
        sent_ns = [Cursor(data).header()[0] for _, _, _, data in messages]
    found = figures(run, log, read_timing(folder), sent_ns)
    (folder / SUMMARY).write_text(json.dumps(found, indent=2) + '\n', encoding='utf-8')
    return found


def figures(run: Run, log: Sequence[Status], timing: Timing, sent_ns: Iterable[int] | None) -> Figures:
    """Return the keys of report.json. sent_ns: stamps of the trajectories that safety sent, None where no bag tells.

    frames.planned: sweeps that became a plan which safety judged. frames.out: those of them whose plan it let out; the
    others it refused, or a stop was driven meanwhile, which is a trajectory too but of no frame.
    """
    stamps = [status.stamp_ns for status in log]
    drive_s = (max(stamps) - min(stamps)) / SECOND_NS if stamps else 0.0
    found: Figures = {'n_statuses': len(log), 'drive_s': round(drive_s, 3)}
    found |= latencies(run, log, timing)
    found |= {f'drops.{topic}': count for topic, count in sorted(drops(log).items())}
    found |= {f'mode_s.{mode}': round(spent, 3) for mode, spent in mode_seconds(log).items()}
    found |= {f'faults.{name}': count for name, count in sorted(Counter(name for _, name in faults(log)).items())}
    found['frames.in'] = run.frames_in if run.frames_in is not None else frames_in(log)
    judged = {status.lineage[PLANNED.name]: status.values.get('mode') for status in log if judges(status)}
    found['frames.planned'] = len(judged)
    if sent_ns is not None:  # a stop that is driven may have the stamp of a plan by chance
        found['frames.out'] = len({at for at, mode in judged.items() if mode in PLANS_PASS} & set(sent_ns))
    if run.wall_s:
        found['wall_s'] = round(run.wall_s, 3)
        found['real_time_factor'] = round(drive_s / run.wall_s, 3)
    return found | outcome(log)


def words(found: Figures) -> list[str]:
    """Return the figures for a person: a table of latencies, of what is counted only what happened."""
    told = {name: f'{value:.3f}' if isinstance(value, float) else str(value) for name, value in found.items()}
    stages = dict.fromkeys(name.split('.')[1] for name in found if name.startswith('latency_ms.'))
    lines = [f'{"latency [ms]":<20}' + ''.join(f'{share:>9}' for share in SHARES)] * bool(stages)
    for stage in stages:
        lines.append(f'  {stage:<18}' + ''.join(f'{found[f"latency_ms.{stage}.{share}"]:9.1f}' for share in SHARES))
    counted = ('latency_ms.', 'drops.', 'mode_s.')
    rest = [name for name in found if not name.startswith(counted) or name.startswith(counted[1:]) and found[name]]
    width = max((len(name) for name in rest), default=0)
    lines += [f'{name:<{width}}  {told[name]}' for name in rest]
    return lines if any(name.startswith('drops.') for name in rest) else [*lines, 'no message was dropped']


def latencies(run: Run, log: Sequence[Status], timing: Timing) -> Figures:
    """Return p50, p95 and max of each stage and from sweep to trajectory, in ms.

    Live: when the output was sent minus its stamp. Lockstep: how long the step took.
    """
    live = run.mode == 'live'
    by_stage: dict[str, list[float]] = defaultdict(list)
    for stage, _, duration_ms, latency_ms in timing:
        value = latency_ms if live else duration_ms
        if value is not None:
            by_stage[stage].append(value)
    by_stage['sweep_to_trajectory'] = list(sweep_to_trajectory_ms(run, log, timing).values())
    return {
        f'latency_ms.{stage}.{name}': round(float(np.percentile(values, share)), 3)
        for stage, values in sorted(by_stage.items())
        for name, share in SHARES.items()
        if values
    }


def sweep_to_trajectory_ms(run: Run, log: Sequence[Status], timing: Timing) -> dict[int, float]:
    """Return how long each sweep took to become a trajectory, by stamp.

    Live: when safety sent it minus its stamp. Lockstep: the longest chain of step durations that leads to it, as if
    each stage had a process of its own.
    """
    if run.mode == 'live':
        return _arrivals(log, timing)
    return {at: spans['safety'][1] for at, spans in chained(log, timing).items()}


def drops(log: Sequence[Status]) -> dict[str, int]:
    """Return the messages dropped by topic. A stage counts since its activation, so a smaller count is a new start."""
    total: dict[str, int] = {}
    last: dict[tuple[str, str], int] = {}
    for status in log:
        for topic, count in status.dropped.items():
            before = last.get((status.node, topic), 0)
            total[topic] = total.get(topic, 0) + (count - before if count >= before else count)
            last[status.node, topic] = count
    return total


def mode_changes(log: Sequence[Status]) -> list[tuple[int, str]]:
    """Return (stamp_ns, mode) of each change of the mode, as safety said it.

    A judged plan is reported with its own stamp, which is older than the ticks before it: time does not run back.
    """
    changes: list[tuple[int, str]] = []
    now_ns = 0
    for status in log:
        if status.node == 'safety' and 'mode' in status.values:
            now_ns = max(now_ns, status.stamp_ns)
            if not changes or changes[-1][1] != status.values['mode']:
                changes.append((now_ns, status.values['mode']))
    return changes


def mode_seconds(log: Sequence[Status]) -> dict[str, float]:
    """Return the seconds in each mode: from when safety said it to the next change, the last to the end of the log."""
    spent = {mode.value: 0.0 for mode in Mode}
    changes = mode_changes(log)
    ends = [stamp_ns for stamp_ns, _ in changes[1:]] + [max((s.stamp_ns for s in log), default=0)]
    for (start_ns, mode), end_ns in zip(changes, ends):
        spent[mode] = spent.get(mode, 0.0) + (end_ns - start_ns) / SECOND_NS
    return spent


def faults(log: Sequence[Status]) -> list[tuple[int, str]]:
    """Return (stamp_ns, id) of each fault that began: ids under the key 'fault', new since the stage's last status."""
    begun: list[tuple[int, str]] = []
    held: dict[str, set[str]] = defaultdict(set)
    for status in log:
        now = set(status.values.get('fault', '').replace(',', ' ').split())
        begun += [(status.stamp_ns, name) for name in sorted(now - held[status.node])]
        held[status.node] = now
    return begun


def frames_in(log: Sequence[Status]) -> int:
    """Return the steps of the LiDAR stage, or of the camera stage where there is no LiDAR."""
    counts = [sum(s.node == source and bool(s.lineage) for s in log) for source in SOURCES]
    return next((count for count in counts if count), 0)


def outcome(log: Sequence[Status]) -> Figures:
    """Return how a simulated drive ended, by the last word of the simulation; nothing for other runs."""
    last: dict[str, str] = {}
    for status in log:
        if status.node == 'sim':
            last |= {key: status.values[key] for key in OUTCOME if key in status.values}
    return {key: _number(value) for key, value in last.items()}


def _number(text: str) -> float | int:
    if text.lower() in ('true', 'false'):
        return int(text.lower() == 'true')
    value = float(text)
    return int(value) if value.is_integer() and '.' not in text else value


def _arrivals(log: Sequence[Status], timing: Timing) -> dict[int, float]:
    """Return the latency of safety's step on each planned trajectory, by stamp."""
    judged = {s.stamp_ns for s in log if judges(s)}
    found = ((at, latency) for stage, at, _, latency in timing if stage == 'safety' and at in judged)
    return {at: latency for at, latency in found if latency is not None}
