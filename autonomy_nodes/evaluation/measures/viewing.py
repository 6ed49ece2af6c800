"""What the live viewer costs the stack: a recorded drive played live over and over, in pairs with it and without.

A sweep's time is the longest chain of steps of the stages that leads to its trajectory, on the wall clock, so what the
viewer takes from the machine counts, and what it costs to send to one more listener. The transport between processes
does not. Beside it stands the CPU time that the processes of the stack took, start included, which other work on the
machine changes less. The two of a pair follow one another, the one that is first changes; `timing.csv` has a row a run.
"""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.live import LiveRun, run_live
from autonomy_nodes.evaluation.measures.pairs import ratio_interval
from autonomy_nodes.evaluation.measures.task import Figures, Result, Task
from autonomy_nodes.evaluation.replay import sensors_of
from autonomy_nodes.evaluation.report_numbers import sweep_to_trajectory_ms
from autonomy_nodes.evaluation.runlog import read_log, read_run, read_timing
from autonomy_nodes.messages.formats.bag import write_drive
from autonomy_nodes.messages.formats.catalogue import drives
from autonomy_nodes.nodes.launcher import Launcher, Process, resolved

PAIRS = 5
LOADING = 10  # sweeps
NOT_STACK = ('player', 'recorder')
VIZ = {'off': 'none', 'on': 'rerun'}


def evaluate(task: Task) -> Result:
    """Play the first drive of a folder; `task.limit`: pairs. Options: rate (recorded seconds a second), vehicle."""
    rate, vehicle = float(task.options.get('rate', '0.5')), task.options.get('vehicle', 'kitti')
    drive = next(iter(drives(task.data)), None)
    if drive is None:
        raise DataError(f'{task.data}: holds no drive')
    times_ms: dict[str, list[np.ndarray]] = {way: [] for way in VIZ}
    cpu_s: dict[str, list[dict[str, float]]] = {way: [] for way in VIZ}
    told, lines = list[Figures](), ['pair,viewer,sweeps,p50_ms,p95_ms,stack_cpu_s,viewer_cpu_s']
    with tempfile.TemporaryDirectory() as folder:
        bag = Path(folder) / 'bag.mcap'
        write_drive(drive, bag)
        for pair in range(task.limit or PAIRS):
            for way in sorted(VIZ, reverse=bool(pair % 2)):
                out = Path(folder) / f'{pair}-{way}'
                found, spent = _played(bag, out, VIZ[way], rate, vehicle, task)
                times_ms[way].append(found)
                cpu_s[way].append(spent)
                p50, p95 = np.percentile(found, [50, 95])
                took = f'{spent["stack"]:.2f},{spent["viewer"]:.2f}'
                lines.append(f'{pair},{way},{len(found)},{p50:.3f},{p95:.3f},{took}')
                if way == 'on':
                    told.append(_seen(out))
    (task.out / 'timing.csv').write_text('\n'.join(lines) + '\n', encoding='utf-8')
    return Result(figures=_figures(times_ms, cpu_s, told, task.seed), items=[drive.name])


def _played(
    bag: Path, out: Path, viz: str, rate: float, vehicle: str, task: Task
) -> tuple[np.ndarray, dict[str, float]]:
    """Return the times [ms] of the sweeps of one run, without the first, and the CPU time [s] of stack and viewer."""
    model = {} if task.model == 'none' else {'model': task.model}
    arguments = resolved({'vehicle': vehicle, 'viz': viz, 'backend': task.backend, **model})
    played = {'player.bag': str(bag), 'player.rate': rate, 'viewer.show': 'web'}
    spent = {'stack': 0.0, 'viewer': 0.0}

    def watch(seconds: float, launcher: Launcher) -> None:
        took = {member.name: _cpu_s(member) for member in launcher.members if member.name not in NOT_STACK}
        spent['viewer'] = max(spent['viewer'], took.pop('viewer', 0.0))
        spent['stack'] = max(spent['stack'], sum(took.values()))

    run_live(LiveRun(out, arguments, 'player', {**sensors_of(bag), **played}), watch)
    chains = sweep_to_trajectory_ms(replace(read_run(out), mode='lockstep'), read_log(out), read_timing(out))
    return np.array([chains[at] for at in sorted(chains)])[LOADING:], spent


def _cpu_s(member: Process) -> float:
    """Return the CPU time of a process so far, 0 where it has ended."""
    path = Path(f'/proc/{member.running.pid if member.running else 0}/stat')
    if not path.exists():
        return 0.0
    fields = path.read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')  # utime, stime: proc(5)


def _seen(out: Path) -> Figures:
    """Return what the viewer of a run drew, and what it passed over."""
    last = next((status for status in reversed(read_log(out)) if 'drawn' in status.values), None)
    return {name: float(last.values[name]) if last else 0.0 for name in ('drawn', 'passed_over')}


def _figures(
    times_ms: dict[str, list[np.ndarray]], cpu_s: dict[str, list[dict[str, float]]], told: list[Figures], seed: int
) -> Figures:
    p95 = {way: [float(np.percentile(each, 95)) for each in found] for way, found in times_ms.items()}
    low, high = ratio_interval(p95['on'], p95['off'], seed)
    found: Figures = {'n_pairs': len(p95['on']), 'n_sweeps': sum(map(len, times_ms['on']))}
    for way in VIZ:
        found[f'{way}.p50_ms'], found[f'{way}.p95_ms'] = np.percentile(np.concatenate(times_ms[way]), [50, 95]).tolist()
    found['p95_ratio'] = sum(p95['on']) / sum(p95['off'])
    found |= {'p95_ratio_low': low, 'p95_ratio_high': high}
    stack = {way: [each['stack'] for each in spent] for way, spent in cpu_s.items()}
    found['cpu_ratio'] = sum(stack['on']) / sum(stack['off'])
    found['cpu_ratio_low'], found['cpu_ratio_high'] = ratio_interval(stack['on'], stack['off'], seed)
    found['stack_cpu_s'] = float(np.mean(stack['on']))
    found['viewer_cpu_s'] = float(np.mean([each['viewer'] for each in cpu_s['on']]))
    found['p95_ratio_median'] = float(np.median(np.divide(p95['on'], p95['off'])))
    return found | {name: float(np.mean([each[name] for each in told])) for name in ('drawn', 'passed_over')}
