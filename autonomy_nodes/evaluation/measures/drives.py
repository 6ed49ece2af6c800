"""Closed loop with and without a network: the same simulated drives twice, all else equal, compared pair by pair.

`--data simulated --model NAME`; `--set count=N` drives of `--seed`, `--set seconds=S` each (driving.py).
Raw answers: `NAME.json` a drive, both ways: how it ended, progress, gaps, modes, and the way that was driven.
"""

import json
import math
from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np

from autonomy_nodes.common.status import Mode
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.driving import NOTHING, STANDS_MPS, VEHICLES, Course, Driven, courses_of, driven
from autonomy_nodes.evaluation.measures.evidence import short
from autonomy_nodes.evaluation.measures.pairs import exact_difference, ratio_interval, share_interval
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, bootstrap, over
from autonomy_nodes.sim.scenes import made

SIMULATED = 'simulated'
COUNT, SECONDS = 40, 30.0
GEOMETRIC, LEARNED = 'geometric', 'learned'
FIRST_S = 3.0  # of a drive of which the answers tell a hash of their own, whatever `seconds`
IN_DRIVES = 40.0
NEAR_MISS_M = 0.3
COLLISION_M = 100.0  # of progress that a collision more is worth where drives are put in order, the worst first
PIXELS, BORDER_M = 700, 12.0

Pair = dict[str, Driven]


def evaluate(task: Task) -> Result:
    """Drive every course in both ways."""
    if str(task.data) != SIMULATED:
        raise DataError(f'{task.data}: drives are made by the simulator: --data {SIMULATED}')
    if task.model == NOTHING:
        raise DataError('drives with a network are compared to drives without: --model NAME')
    try:
        count, seconds = int(task.options.get('count', COUNT)), float(task.options.get('seconds', SECONDS))
    except ValueError as error:
        raise DataError(f'--set count=N --set seconds=S: {error}') from error
    if count < 1 or not seconds > 0.0:
        raise DataError(f'--set count={count} must be at least 1 and seconds={seconds} above 0')
    courses = courses_of(task.seed, count, seconds)
    result = Result(worst_by='worse_by_m', low_is_bad=False)
    found = over(task, [(course.name, course) for course in courses], partial(both, model=task.model), result)
    named = {course.name: course for course in courses}
    for name, pair in found:
        text = json.dumps(told(named[name], pair, task.model), indent=1) + '\n'
        (task.out / f'{name}.json').write_text(text)
        for way, drive in pair.items():
            result.answers[f'{name}.{way}'] = short('\n'.join(lines_of(drive)))
            result.answers[f'{name}.{way}_{FIRST_S:.0f}s'] = short('\n'.join(lines_of(drive, FIRST_S)))
        result.frames.append(Scored(name, compared(pair), partial(drawn, named[name], pair)))
    families = {family: [pair for name, pair in found if named[name].family == family] for family in VEHICLES}
    for family, pairs in families.items():
        result.figures |= {f'{family}.{key}': value for key, value in _ways(pairs).items()} if pairs else {}
    result.figures |= figures([pair for _, pair in found], task.seed)
    return result


def both(course: Course, model: str) -> Pair:
    """Drive one course without and with the network."""
    return {GEOMETRIC: driven(course, NOTHING), LEARNED: driven(course, model)}


def figures(pairs: Sequence[Pair], seed: int) -> Figures:
    """Return everything of some pairs of drives."""
    count = len(pairs)
    collided = {way: np.array([pair[way].collided for pair in pairs]) for way in (GEOMETRIC, LEARNED)}
    progress = {way: [pair[way].progress_m for pair in pairs] for way in (GEOMETRIC, LEARNED)}
    only_learned = int((collided[LEARNED] & ~collided[GEOMETRIC]).sum())
    only_geometric = int((collided[GEOMETRIC] & ~collided[LEARNED]).sum())
    more = collided[LEARNED].astype(float) - collided[GEOMETRIC].astype(float)
    limits = {'': bootstrap(more.tolist(), seed), 'exact_': exact_difference(only_learned, only_geometric, count)}
    found: Figures = _ways(pairs) | {'more_collisions': float(more.mean())}
    for kind, (low, high) in limits.items():
        found |= {f'more_collisions.{kind}low95': low, f'more_collisions.{kind}high95': high}
    found['more_collisions_in_40'] = IN_DRIVES * found['more_collisions']
    for kind, (_, high) in limits.items():
        found[f'more_collisions_in_40.{kind}high95'] = IN_DRIVES * high
    low, high = ratio_interval(progress[LEARNED], progress[GEOMETRIC], seed)
    total = sum(progress[GEOMETRIC])
    found['progress_ratio'] = sum(progress[LEARNED]) / total if total else math.nan
    found |= {'progress_ratio.low95': low, 'progress_ratio.high95': high}
    for way in (GEOMETRIC, LEARNED):
        low, high = share_interval(int(collided[way].sum()), count)
        found |= {f'{way}.collisions.exact_low95': low, f'{way}.collisions.exact_high95': high}
    return found | {
        'n_drives': count, 'n_only_learned_collided': only_learned, 'n_only_geometric_collided': only_geometric,
        'n_both_collided': int((collided[LEARNED] & collided[GEOMETRIC]).sum()),
    }  # fmt: skip


def _ways(pairs: Sequence[Pair]) -> Figures:
    ways = {way: _of([pair[way] for pair in pairs]) for way in (GEOMETRIC, LEARNED)}
    return {f'{way}.{key}': value for way, found in ways.items() for key, value in found.items()}


def _of(drives: Sequence[Driven]) -> Figures:
    """Return the figures of drives in one way; shares are of the drives, or of their time where that is said."""
    time_s = sum(drive.time_s for drive in drives)
    found: dict[str, list[float]] = {
        'collisions': [drive.collided for drive in drives],
        'off_road': [drive.outcome == 'off road' for drive in drives],
        'goal_reached': [drive.outcome == 'goal reached' for drive in drives],
        'near_misses': [0.0 < drive.gap_m < NEAR_MISS_M for drive in drives],
        'progress_m': [drive.progress_m for drive in drives],
        'met': [drive.met for drive in drives],
        'mode_changes': [drive.changes for drive in drives],
        'braking_mps2': [drive.braking_mps2 for drive in drives],
    }
    figures = {name: float(np.mean(values)) for name, values in found.items()}
    stood = sum(float((drive.rows[:, 4] < STANDS_MPS).mean()) * drive.time_s for drive in drives)
    modes = {mode.value: sum(drive.modes.get(mode.value, 0.0) for drive in drives) for mode in Mode}
    figures |= {f'time_in_{name.lower()}': spent / sum(modes.values()) for name, spent in modes.items()}
    gaps = [drive.gap_m for drive in drives if math.isfinite(drive.gap_m)]
    figures |= {'gap_m.median': float(np.median(gaps)), 'gap_m.least': min(gaps)} if gaps else {}
    figures |= {'time_standing': stood / time_s, 'time_told_by_network': float(np.mean([d.told for d in drives]))}
    return figures | {'cpu_s_per_simulated_s': sum(drive.cpu_s for drive in drives) / time_s}


def compared(pair: Pair) -> Figures:
    """Return what the page tells of one pair, and by how much it is worse with the network."""
    geometric, learned = pair[GEOMETRIC], pair[LEARNED]
    more = float(learned.collided) - float(geometric.collided)
    return {
        'worse_by_m': geometric.progress_m - learned.progress_m + COLLISION_M * more,
        'geometric.collided': float(geometric.collided), 'learned.collided': float(learned.collided),
        'geometric.progress_m': geometric.progress_m, 'learned.progress_m': learned.progress_m,
        'geometric.gap_m': geometric.gap_m, 'learned.gap_m': learned.gap_m,
    }  # fmt: skip


def told(course: Course, pair: Pair, model: str) -> dict[str, object]:
    """Return the raw answer of one pair; `again`: the command that makes the drive with the network, with a report."""
    start_m = pair[LEARNED].start_m
    again = f'autonomy drive --lockstep --scenario {course.family} --seed {course.seed} --start {start_m:g} --goal 0 '
    again += f'--duration {course.seconds:g} --set sim.simulation.cameras=[] --set camera.cameras=[] '
    again += f'--set perception.cameras=[] --out out/{course.name} vehicle:={course.vehicle} model:={model}'
    found: dict[str, object] = {'family': course.family, 'seed': course.seed, 'vehicle': course.vehicle}
    found |= {'start_m': start_m, 'seconds': course.seconds, 'again': again}
    for way, drive in pair.items():
        found[way] = {
            'outcome': drive.outcome, 'touched': list(drive.touched), 'progress_m': round(drive.progress_m, 2),
            'time_s': drive.time_s, 'gap_m': round(drive.gap_m, 2) if math.isfinite(drive.gap_m) else None,
            'met': drive.met, 'braking_mps2': round(drive.braking_mps2, 2), 'mode_changes': drive.changes,
            'modes_s': {name: round(spent, 2) for name, spent in drive.modes.items()},
            'told_by_network': round(drive.told, 3), 't_x_y_heading_speed': lines_of(drive),
        }  # fmt: skip
    return found


def lines_of(drive: Driven, first_s: float = math.inf) -> list[str]:
    """Return where the vehicle truly was, a line each tenth of a second; of the first seconds only where asked."""
    return [' '.join(f'{value:.3f}' for value in row[:5]) for row in drive.rows.tolist() if row[0] < first_s - 0.01]


def drawn(course: Course, pair: Pair) -> bytes:
    """Return a picture from above.

    What stands is grey, the route thin; the way without the network is blue, with it red, each with a dot a second and
    the road users at its end in its colour.
    """
    world = made(course.family, course.seed).begun(pair[LEARNED].start_m)
    ways = np.concatenate([drive.rows[:, 1:3] for drive in pair.values()])
    low, high = ways.min(axis=0) - BORDER_M, ways.max(axis=0) + BORDER_M
    scale = PIXELS / float((high - low).max())
    width, height = (int(side) for side in np.ceil((high - low) * scale))
    image = np.full((height, width, 3), 255, np.uint8)

    def pixels(xy: np.ndarray) -> np.ndarray:
        return np.column_stack([(xy[:, 0] - low[0]) * scale, (high[1] - xy[:, 1]) * scale]).round().astype(np.int32)

    for solid in world.solids:
        if len(solid.footprint):
            cv2.fillPoly(image, [pixels(solid.footprint)], (190, 190, 190))
    cv2.polylines(image, [pixels(world.route)], isClosed=False, color=(150, 200, 150), thickness=1)
    for way, colour in ((GEOMETRIC, (220, 120, 0)), (LEARNED, (0, 0, 220))):
        drive = pair[way]
        for outline in drive.others:
            cv2.polylines(image, [pixels(outline)], isClosed=True, color=colour, thickness=1, lineType=cv2.LINE_AA)
        line = pixels(drive.rows[:, 1:3])
        cv2.polylines(image, [line], isClosed=False, color=colour, thickness=2, lineType=cv2.LINE_AA)
        for x, y in line[::10].tolist():
            cv2.circle(image, (x, y), 3, colour, -1, cv2.LINE_AA)
        place = (8, 20 if way == GEOMETRIC else 42)
        cv2.putText(image, f'{way}: {drive.outcome}', place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
    return bytes(cv2.imencode('.png', image)[1])
