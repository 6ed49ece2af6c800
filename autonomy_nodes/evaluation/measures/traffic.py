"""Closed loop among reactive traffic: the stack and a driver model in the same places, compared pair by pair.

`--data simulated`: `--set count=N` drives of `--seed`, `--set seconds=S` each, `--set every=K` tenths of a second from
plan to plan. The families of sim/flow take turns; vectors alone: tracks, map, lights are told (evaluation/traffic).
Raw answers: `NAME.json` a pair: how both ended, and the ways that were driven; `timing.csv`: CPU time of each plan.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache, partial
from typing import Any

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.drives import FIRST_S, SIMULATED
from autonomy_nodes.evaluation.measures.evidence import short
from autonomy_nodes.evaluation.measures.pairs import exact_difference, ratio_interval, share_interval
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, bootstrap, over
from autonomy_nodes.evaluation.traffic.drive import OURS, Course, Drive, driven
from autonomy_nodes.evaluation.traffic.picture import drawn
from autonomy_nodes.planning.planner import PlannerConfig
from autonomy_nodes.planning.warmup import warm as warm_planning
from autonomy_nodes.prediction.predictor import PredictorConfig
from autonomy_nodes.prediction.warmup import warm as warm_prediction
from autonomy_nodes.sim.flow.families import FAMILIES
from autonomy_nodes.sim.flow.flow import DT_S

STACK, BESIDE = 'ours', 'idm'
COUNT, SECONDS, EVERY = 200, 30.0, 1
FIRST_SEED, SEEDS = 5_000_000, 1_000  # of places that nothing is trained on; so many belong to one --seed
STANDS_MPS = 0.2
PER_KM = 100.0
WEIGHTS_M = {'own_fault': 1000.0, 'contact': 300.0, 'off_road': 200.0, 'red': 200.0}  # of progress, the worst first

Pair = dict[str, Drive]


def evaluate(task: Task) -> Result:
    """Drive every course in both ways."""
    if str(task.data) != SIMULATED:
        raise DataError(f'{task.data}: traffic is made by the simulator: --data {SIMULATED}')
    courses = courses_of(task)
    result = Result(worst_by='badness_m', low_is_bad=False)
    found = over(task, [(course.name, course) for course in courses], both, result)
    named = {course.name: course for course in courses}
    times = ['drive,plan,ms']
    for name, pair in found:
        (task.out / f'{name}.json').write_text(json.dumps(told(named[name], pair), indent=1) + '\n')
        times += [f'{name},{n},{1e3 * took_s:.3f}' for n, took_s in enumerate(pair[STACK].times_s)]
        for who, drive in pair.items():
            result.answers[f'{name}.{who}'] = short('\n'.join(lines_of(drive)))
            result.answers[f'{name}.{who}_{FIRST_S:.0f}s'] = short('\n'.join(lines_of(drive)[: round(FIRST_S / DT_S)]))
        words = f'{name}: {outcome_of(pair[STACK])}'
        result.frames.append(Scored(words, compared(pair), partial(drawn, named[name], pair[STACK])))
    (task.out / 'timing.csv').write_text('\n'.join(times) + '\n')
    result.figures |= figures([pair for _, pair in found], task.seed)
    for family in FAMILIES:
        pairs = [pair for name, pair in found if named[name].family == family]
        if pairs:
            result.figures |= {f'{family}.{key}': value for key, value in _of([p[STACK] for p in pairs]).items()}
            beside = _of([pair[BESIDE] for pair in pairs])
            result.figures |= {f'peer.{BESIDE}.{family}.{key}': value for key, value in beside.items()}
    return result


def courses_of(task: Task) -> list[Course]:
    """Return the drives of a seed, families in turn; more of them change none."""
    try:
        count, every = (int(task.options.get(key, value)) for key, value in (('count', COUNT), ('every', EVERY)))
        seconds = float(task.options.get('seconds', SECONDS))
    except ValueError as error:
        raise DataError(f'--set count=N --set seconds=S --set every=K: {error}') from error
    if count < 1 or every < 1 or not seconds > 0.0:
        raise DataError(f'--set count={count} and every={every} must be at least 1, seconds={seconds} above 0')
    if task.seed < 0 or count > SEEDS * len(FAMILIES):
        raise DataError(f'--seed {task.seed} must not be below 0, count={count} not above {SEEDS * len(FAMILIES)}')
    names, first = list(FAMILIES), FIRST_SEED + SEEDS * task.seed
    return [
        Course(f'{number:03d}_{names[number % len(names)]}', names[number % len(names)], first + number // len(names),
               seconds, every)
        for number in range(count)
    ]  # fmt: skip


def both(course: Course) -> Pair:
    """Drive one course in both ways."""
    _warm()
    return {STACK: driven(course, STACK), BESIDE: driven(course, BESIDE)}


@lru_cache(maxsize=1)
def _warm() -> None:
    warm_planning(PlannerConfig(vehicle=OURS))
    warm_prediction(PredictorConfig(vehicle=OURS))


def figures(pairs: Sequence[Pair], seed: int) -> Figures:
    """Return everything of some pairs of drives: ours, those of the driver model beside it, and how they differ."""
    drives = {who: [pair[who] for pair in pairs] for who in (STACK, BESIDE)}
    found: Figures = {'n_drives': len(pairs)} | _of(drives[STACK])
    own = {who: np.array([drive.own for drive in drives[who]], float) for who in drives}
    km = {who: np.array([drive.driven_m for drive in drives[who]]) / 1000.0 for who in drives}
    only = {who: int((own[who] > own[other]).sum()) for who, other in ((STACK, BESIDE), (BESIDE, STACK))}
    more = own[STACK] - own[BESIDE]
    found |= _limits('more_own_faults_a_drive', float(more.mean()), bootstrap(more.tolist(), seed))
    exact = exact_difference(only[STACK], only[BESIDE], len(pairs))
    found |= dict(zip((f'more_own_faults_a_drive.exact_{end}95' for end in ('low', 'high')), exact))
    chosen = np.random.default_rng(seed).integers(0, len(pairs), (1000, len(pairs)))
    rates = {who: PER_KM * own[who][chosen].sum(axis=1) / km[who][chosen].sum(axis=1) for who in drives}
    low, high = np.percentile(rates[STACK] - rates[BESIDE], [2.5, 97.5]).tolist()
    rate = {who: PER_KM * float(own[who].sum() / km[who].sum()) for who in drives}
    found |= _limits('more_own_faults_per_100km', rate[STACK] - rate[BESIDE], (low, high))
    progress = {who: [drive.progress_m for drive in drives[who]] for who in drives}
    ratio = sum(progress[STACK]) / max(sum(progress[BESIDE]), 1e-9)
    found |= _limits('progress_ratio', ratio, ratio_interval(progress[STACK], progress[BESIDE], seed))
    for who, prefix in ((STACK, ''), (BESIDE, f'peer.{BESIDE}.')):
        low, high = share_interval(int(own[who].sum()), len(pairs))
        found |= {f'{prefix}own_faults_a_drive.exact_low95': low, f'{prefix}own_faults_a_drive.exact_high95': high}
    found |= {'n_own_fault_of_ours_only': only[STACK], f'n_own_fault_of_{BESIDE}_only': only[BESIDE]}
    found |= {'n_own_fault_of_both': int(own[STACK].sum()) - only[STACK]}
    return found | {f'peer.{BESIDE}.{key}': value for key, value in _of(drives[BESIDE]).items()}


def _limits(name: str, value: float, limits: tuple[float, float]) -> Figures:
    return {name: value, f'{name}.low95': limits[0], f'{name}.high95': limits[1]}


def _of(drives: Sequence[Drive]) -> Figures:
    """Return the figures of drives in one way: counts, means a drive of metres, medians over drives of comfort."""
    km = sum(drive.driven_m for drive in drives) / 1000.0
    own, hit = sum(drive.own for drive in drives), sum(drive.contact is not None for drive in drives)
    felt = [comfort(drive) for drive in drives]
    speeds, times_s = (np.concatenate(each) for each in zip(*((d.rows[:, 4], d.times_s) for d in drives)))
    found: Figures = {
        'collisions': hit, 'own_faults': own, 'km': km,
        'own_faults_per_100km': PER_KM * own / max(km, 1e-3), 'collisions_per_100km': PER_KM * hit / max(km, 1e-3),
        'progress_m': float(np.mean([drive.progress_m for drive in drives])),
        'way_left_at_start_m': float(np.mean([drive.way_m for drive in drives])),
        'end_of_the_way': float(np.mean([drive.outcome == 'end of the way' for drive in drives])),
        'red_lights_run': sum(drive.red for drive in drives), 'stop_signs_run': sum(drive.sign for drive in drives),
        'off_road': sum(drive.off_road for drive in drives), 'time_standing': float((speeds < STANDS_MPS).mean()),
    }  # fmt: skip
    found |= {f'{key}.median': float(np.median([each[key] for each in felt])) for key in felt[0]}
    took = {'median': np.median(times_s), 'p99': np.percentile(times_s, 99)}
    return found | {f'plan_ms.{key}': 1e3 * float(value) for key, value in took.items()}


def comfort(drive: Drive) -> Figures:
    """Return how it was driven: jerk along, and the extremes of acceleration along and across."""
    speeds, wheels = drive.rows[:, 4], drive.rows[:, 5]
    along = np.diff(speeds) / 0.1
    jerk = np.diff(along) / 0.1 if len(along) > 1 else np.zeros(1)
    across = np.abs(speeds**2 * np.tan(wheels) / OURS.wheelbase_m)
    return {
        'jerk_rms_mps3': float(np.sqrt((jerk**2).mean())), 'lateral_mps2': float(across.max()),
        'braking_mps2': float(along.min(initial=0.0)), 'acceleration_mps2': float(along.max(initial=0.0)),
    }  # fmt: skip


def outcome_of(drive: Drive) -> str:
    """Return in words how a drive ended."""
    if drive.contact is None:
        return drive.outcome + (', off the road' if drive.off_road else '') + (', red light' if drive.red else '')
    return f'{"own fault" if drive.own else "hit"}: {drive.contact.label} at {drive.contact.speed_mps:.1f} m/s'


def compared(pair: Pair) -> Figures:
    """Return what the page tells of one pair."""
    ours, beside = pair[STACK], pair[BESIDE]
    counts = {'own_fault': ours.own, 'contact': ours.contact is not None, 'off_road': ours.off_road, 'red': ours.red}
    badness = sum(WEIGHTS_M[key] * float(value) for key, value in counts.items())
    return {
        'badness_m': badness + beside.progress_m - ours.progress_m, **{key: float(n) for key, n in counts.items()},
        f'{BESIDE}.own_fault': float(beside.own), 'progress_m': ours.progress_m,
        f'{BESIDE}.progress_m': beside.progress_m,
    }  # fmt: skip


def told(course: Course, pair: Pair) -> dict[str, Any]:
    """Return the raw answer of one pair."""
    found: dict[str, Any] = {'family': course.family, 'seed': course.seed, 'seconds': course.seconds}
    for who, drive in pair.items():
        found[who] = {
            'outcome': outcome_of(drive), 'contact': None if drive.contact is None else asdict(drive.contact),
            'progress_m': round(drive.progress_m, 2), 'way_left_at_start_m': round(drive.way_m, 2),
            'red_lights_run': drive.red, 'stop_signs_run': drive.sign, 'off_road': drive.off_road,
            'last_reason': drive.said, **{key: round(value, 3) for key, value in comfort(drive).items()},
            't_x_y_heading_speed_wheel': lines_of(drive),
        }  # fmt: skip
    return found


def lines_of(drive: Drive) -> list[str]:
    """Return where the vehicle was, a line each tenth of a second."""
    return [' '.join(f'{value:.3f}' for value in row) for row in drive.rows.tolist()]
