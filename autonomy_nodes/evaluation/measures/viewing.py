"""What the live viewer costs the stack: a recorded drive played live over and over, in pairs with it and without.

A sweep's time is the longest chain of steps of the stages that leads to its trajectory, on the wall clock, so what the
viewer takes from the machine counts, and what it costs to send to one more listener. The transport between processes
does not. The two of a pair follow one another, the one that is first changes; `timing.csv` has a row a run.
"""

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
from autonomy_nodes.nodes.launcher import resolved

PAIRS = 5
LOADING = 10  # sweeps
VIZ = {'off': 'none', 'on': 'rerun'}


def evaluate(task: Task) -> Result:
    """Play the first drive of a folder; `task.limit`: pairs. Options: rate (recorded seconds a second), vehicle."""
    rate, vehicle = float(task.options.get('rate', '0.5')), task.options.get('vehicle', 'kitti')
    drive = next(iter(drives(task.data)), None)
    if drive is None:
        raise DataError(f'{task.data}: holds no drive')
    times_ms: dict[str, list[np.ndarray]] = {way: [] for way in VIZ}
    told, lines = list[Figures](), ['pair,viewer,sweeps,p50_ms,p95_ms']
    with tempfile.TemporaryDirectory() as folder:
        bag = Path(folder) / 'bag.mcap'
        write_drive(drive, bag)
        for pair in range(task.limit or PAIRS):
            for way in sorted(VIZ, reverse=bool(pair % 2)):
                out = Path(folder) / f'{pair}-{way}'
                found = _played(bag, out, VIZ[way], rate, vehicle, task)
                times_ms[way].append(found)
                p50, p95 = np.percentile(found, [50, 95])
                lines.append(f'{pair},{way},{len(found)},{p50:.3f},{p95:.3f}')
                if way == 'on':
                    told.append(_seen(out))
    (task.out / 'timing.csv').write_text('\n'.join(lines) + '\n', encoding='utf-8')
    return Result(figures=_figures(times_ms, told, task.seed), items=[drive.name])


def _played(bag: Path, out: Path, viz: str, rate: float, vehicle: str, task: Task) -> np.ndarray:
    """Return the times [ms] of the sweeps of one run, without the first, for which code is loaded."""
    model = {} if task.model == 'none' else {'model': task.model}
    arguments = resolved({'vehicle': vehicle, 'viz': viz, 'backend': task.backend, **model})
    played = {'player.bag': str(bag), 'player.rate': rate, 'viewer.show': 'web'}
    run_live(LiveRun(out, arguments, 'player', {**sensors_of(bag), **played}))
    chains = sweep_to_trajectory_ms(replace(read_run(out), mode='lockstep'), read_log(out), read_timing(out))
    return np.array([chains[at] for at in sorted(chains)])[LOADING:]


def _seen(out: Path) -> Figures:
    """Return what the viewer of a run drew, and what it passed over."""
    last = next((status for status in reversed(read_log(out)) if 'drawn' in status.values), None)
    return {name: float(last.values[name]) if last else 0.0 for name in ('drawn', 'passed_over')}


def _figures(times_ms: dict[str, list[np.ndarray]], told: list[Figures], seed: int) -> Figures:
    p95 = {way: [float(np.percentile(each, 95)) for each in found] for way, found in times_ms.items()}
    low, high = ratio_interval(p95['on'], p95['off'], seed)
    found: Figures = {'n_pairs': len(p95['on']), 'n_sweeps': sum(map(len, times_ms['on']))}
    for way in VIZ:
        found[f'{way}.p50_ms'], found[f'{way}.p95_ms'] = np.percentile(np.concatenate(times_ms[way]), [50, 95]).tolist()
    found['p95_ratio'] = sum(p95['on']) / sum(p95['off'])
    found |= {'p95_ratio_low': low, 'p95_ratio_high': high}
    found['p95_ratio_median'] = float(np.median(np.divide(p95['on'], p95['off'])))
    return found | {name: float(np.mean([each[name] for each in told])) for name in ('drawn', 'passed_over')}
