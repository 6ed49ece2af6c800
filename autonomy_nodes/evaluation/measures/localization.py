"""How exact localization is on a simulated drive, whether it knows so, and whether it notices what harms it.

`--data simulated`: the drives are made of `--seed` (see proving_ground.py), `--set drives=N` of them a scenario;
`--set scenario=NAME`: one of them alone. The sweeps pass the stack's own merger, which takes the motion out. Errors
are against the truth, along and across the vehicle; odom is laid on the truth where it begins. Raw answers:
NAME_SEED.map.tum, .odom.tum, .truth.tum, and NAME_SEED.csv with state, told sigmas and what was flagged, a row a sweep.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import inverse, matrix_of
from autonomy_nodes.common.sensing import Imu, WheelSpeed
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.evidence import short
from autonomy_nodes.evaluation.measures.paths import Way, write_tum
from autonomy_nodes.evaluation.measures.proving_ground import CAR, SCENARIOS, Heard, heard
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, over, timed
from autonomy_nodes.localization.localizer import LocalizationConfig, Localized, Localizer
from autonomy_nodes.localization.warmup import warm
from autonomy_nodes.sensors.lidar import LidarConfig, Merger, twist_at

SIMULATED = 'simulated'
DRIVES = 3
MOTION_AGE_S = 0.5
FIRST = 20  # sweeps of which the answers tell a hash of their own
HEAD = 'stamp_ns,state,along_m,across_m,sigma_along_m,sigma_across_m,odom_along_m,odom_across_m,odom_sigma_along_m,'
HEAD += 'odom_sigma_across_m,degenerate_told,degenerate_true,text'


@dataclass
class Row:
    """One sweep. map, odom: (4,) error along and across, and their told sigmas; NaN where nothing was given."""

    stamp_ns: int
    state: str
    map: np.ndarray
    odom: np.ndarray
    told: int
    true: bool | None
    text: str


@dataclass
class Ran:
    """What one drive gave."""

    rows: list[Row] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    ways: dict[str, list[tuple[int, np.ndarray]]] = field(default_factory=lambda: {'map': [], 'odom': [], 'truth': []})
    way_m: float = 0.0


def evaluate(task: Task) -> Result:
    """Measure every scenario, or the one that is asked for."""
    if str(task.data) != SIMULATED:
        raise DataError(f'{task.data}: localization is measured on drives it makes itself: --data {SIMULATED}')
    chosen = task.options.get('scenario', '')
    if chosen and chosen not in SCENARIOS:
        raise DataError(f'--set scenario={chosen}: must be one of {", ".join(SCENARIOS)}')
    try:
        count = int(task.options.get('drives', DRIVES))
    except ValueError as error:
        raise DataError(f'--set drives=N: {error}') from error
    names = [chosen] if chosen else list(SCENARIOS)
    drives = [(f'{name}_{task.seed + k}', (name, task.seed + k, task.limit)) for name in names for k in range(count)]
    result = Result(worst_by='off_m', low_is_bad=False)
    told = over(replace(task, limit=0), drives, driven, result)
    for name, ran in told:
        write(task.out, name, ran)
        rows = lines_of(ran)
        result.answers |= {f'{name}.csv_{count}': short('\n'.join(rows[:count])) for count in (FIRST, len(rows))}
        off_m = float(np.nanmax(np.hypot(*np.array([row.map for row in ran.rows]).T[:2]), initial=0.0))
        result.frames.append(Scored(name, {'off_m': off_m}))
    for scenario in names:
        runs = [ran for name, ran in told if name.rpartition('_')[0] == scenario]
        result.figures |= {f'{scenario}.{key}': value for key, value in in_all(runs).items()} if runs else {}
    cpu_ms = 1e3 * np.concatenate([ran.cpu_s for _, ran in told])
    result.figures |= {'cpu_ms.mean': float(cpu_ms.mean()), 'cpu_ms.p95': float(np.percentile(cpu_ms, 95.0))}
    result.figures |= {'n_drives': len(told), 'n_sweeps': len(cpu_ms)}
    return result


def driven(drive: tuple[str, int, int]) -> Ran:
    """Run localization over one drive: scenario, seed, sweeps at most (0: all)."""
    warm()
    name, seed, limit = drive
    return over_sweeps(islice(heard(SCENARIOS[name], seed), limit or None))


def over_sweeps(steps: Iterable[Heard], config: LocalizationConfig | None = None) -> Ran:
    """Run merger and localization over what was heard."""
    config = config or LocalizationConfig(vehicle=CAR)
    merger, localizer, ran = Merger(LidarConfig(vehicle=config.vehicle)), Localizer(config), Ran()
    begin: np.ndarray | None = None
    wheels: list[WheelSpeed] = []  # since the last sweep that came
    imu: list[Imu] = []
    last = None
    for step in steps:
        ran.way_m += 0.0 if last is None else float(np.linalg.norm(step.truth[:3, 3] - last[:3, 3]))
        last = step.truth
        wheels, imu = wheels + step.wheels, imu + step.imu
        for pose in step.gnss:
            localizer.places.hear_pose(pose)
        if step.cloud is None:
            continue
        near = localizer.predicted(step.stamp_ns)
        twist = twist_at(step.stamp_ns, near or localizer.ego, step.wheels[0], MOTION_AGE_S)
        try:
            cloud = merger.merge(step.cloud, {}, twist).cloud
            localized, spent_s = timed(partial(localizer.sweep, cloud, wheels, imu))
        except DataError:
            continue  # the nodes drop it too; what was said meanwhile is kept for the next
        ran.cpu_s.append(spent_s)
        wheels, imu = [], []
        if localized.ego is not None and begin is None:
            begin = step.truth @ inverse(localized.ego.odom_from_base)
        if localized.integrity.values['state'] == 'INIT':
            begin = None  # odom begins anew
        ran.rows.append(_row(step, localized, begin))
        for whose, place in _places(step, localized, begin):
            ran.ways[whose].append((step.stamp_ns, place))
    return ran


def _places(step: Heard, localized: Localized, begin: np.ndarray | None) -> Iterator[tuple[str, np.ndarray]]:
    yield 'truth', step.truth
    if localized.ego is not None and begin is not None:
        yield 'odom', begin @ localized.ego.odom_from_base
    if localized.pose is not None:
        yield 'map', matrix_of(localized.pose.position_m, localized.pose.orientation)


def _row(step: Heard, localized: Localized, begin: np.ndarray | None) -> Row:
    """Hold one sweep against the truth."""
    there, nothing = dict(_places(step, localized, begin)), np.full(4, np.nan)
    found = {'map': nothing, 'odom': nothing}
    turn = step.truth[:3, :3].T
    if localized.pose is not None and localized.pose.covariance is not None:
        found['map'] = _off(turn @ (there['map'][:3, 3] - step.truth[:3, 3]), turn, localized.pose.covariance)
    if 'odom' in there and localized.ego is not None and localized.ego.pose_covariance is not None:
        base_from_odom = localized.ego.odom_from_base[:3, :3].T
        off = turn @ (there['odom'][:3, 3] - step.truth[:3, 3])
        found['odom'] = _off(off, base_from_odom, localized.ego.pose_covariance)
    values = localized.integrity.values
    told = int(values['degenerate_directions'])
    return Row(
        step.stamp_ns, values['state'], found['map'], found['odom'], told, step.degenerate, localized.integrity.text
    )


def _off(off: np.ndarray, base_from_frame: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    spread = base_from_frame @ covariance[:3, :3] @ base_from_frame.T
    return np.array([off[0], off[1], math.sqrt(spread[0, 0]), math.sqrt(spread[1, 1])])


def in_all(runs: list[Ran]) -> Figures:
    """Return the figures of the drives of one scenario together."""
    figures: Figures = {'way_m': sum(ran.way_m for ran in runs)}
    rows = [row for ran in runs for row in ran.rows]
    for whose, told in (('map', [row.map for row in rows]), ('odom', [row.odom for row in rows])):
        every = np.array(told)
        known = every[np.isfinite(every[:, 0])]
        figures[f'{whose}.known'] = len(known) / max(len(every), 1)
        if len(known):
            off_m = np.hypot(known[:, 0], known[:, 1])
            figures[f'{whose}.median_m'], figures[f'{whose}.p95_m'] = np.percentile(off_m, [50.0, 95.0]).tolist()
            figures[f'{whose}.max_m'] = float(off_m.max())
            within = np.abs(known[:, :2]) <= 2.0 * known[:, 2:]
            figures[f'{whose}.within_2_sigma'] = float(within.mean())
            figures[f'{whose}.sigma_m.median'] = float(np.median(np.hypot(known[:, 2], known[:, 3])))
    ends_m = [_last([row.odom for row in ran.rows]) for ran in runs]
    figures['odom.end_m'], figures['odom.end_share'] = float(np.mean(ends_m)), sum(ends_m) / figures['way_m']
    figures['map.end_m'] = float(np.mean([_last([row.map for row in ran.rows]) for ran in runs]))
    for name, true in (('flagged', True), ('flagged_wrongly', False)):
        asked = [row.told > 0 for row in rows if row.true is true and row.state != 'INIT']
        if asked:
            figures[f'degenerate.{name}'] = float(np.mean(asked))
    for state in sorted({row.state for row in rows}):
        figures[f'state.{state.lower()}'] = float(np.mean([row.state == state for row in rows]))
    figures['odom.begun_anew'] = float(sum(row.state == 'INIT' for row in rows) - len(runs))
    return figures


def _last(rows: list[np.ndarray]) -> float:
    known = [row for row in rows if np.isfinite(row[0])]
    return math.hypot(known[-1][0], known[-1][1]) if known else math.nan


def write(folder: Path, name: str, ran: Ran) -> None:
    """Write the raw answers of one drive."""
    for whose, way in ran.ways.items():
        if way:
            stamps, poses = zip(*way)
            write_tum(folder / f'{name}.{whose}.tum', Way(stamps, np.array(poses)))
    (folder / f'{name}.csv').write_text('\n'.join([HEAD, *lines_of(ran)]) + '\n')


def lines_of(ran: Ran) -> list[str]:
    """Return one line a sweep."""
    lines = []
    for row in ran.rows:
        numbers = ','.join(f'{value:.4f}' for value in (*row.map, *row.odom))
        true = '' if row.true is None else int(row.true)
        lines.append(f'{row.stamp_ns},{row.state},{numbers},{row.told},{true},"{row.text}"')
    return lines
