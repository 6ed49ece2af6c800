"""Hard places in closed loop: a truck with its trailer where there is little room, a vehicle off the road.

`--data simulated`; `--set count=N` places in all for the truck, families in turn (turn, roundabout, yard), and
`--set offroad=N` off the road, of `--seed`; `--set every=K` steps of 0.1 s from plan to plan, `--set seconds=S` each.
Planner and follower as their nodes run them, the simulator's law of motion with its lags; no sensors, nobody around.
Raw answers: `NAME.json` a drive, how it ended and the way that was driven.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.courses.drive import Driven, Loop, driven
from autonomy_nodes.evaluation.courses.judge import of_country, of_truck
from autonomy_nodes.evaluation.courses.offroad import Known, country
from autonomy_nodes.evaluation.courses.picture import drawn
from autonomy_nodes.evaluation.courses.place import FINE_M, Place
from autonomy_nodes.evaluation.courses.roads import roundabout, turn
from autonomy_nodes.evaluation.courses.yard import yard
from autonomy_nodes.evaluation.measures.pairs import share_interval
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, over
from autonomy_nodes.nodes.launcher import vehicle_file
from autonomy_nodes.nodes.processes import vehicle_of
from autonomy_nodes.perception.terrain import TerrainConfig
from autonomy_nodes.planning.planner import PlannerConfig
from autonomy_nodes.planning.warmup import warm

SIMULATED = 'simulated'
FAMILIES: dict[str, Callable[[int, Vehicle], Place]] = {'turn': turn, 'roundabout': roundabout, 'yard': yard}
OFFROAD = 'offroad'
OPTIONS = {'count': 50, 'offroad': 10, 'every': 2, 'seconds': 120}  # a plan each 0.2 s, half as often as on the vehicle
TOLD_EVERY = 2  # of the steps of the motion one of so many is told
WORST = {'clearance_m': min, 'least_traversability': min, 'hitch_deg': max, 'hitch_rate_dps': max, 'seconds': max}
COUNTED = ('violation', 'off_path', 'hitch_violation', 'wheel_violation', 'touched')


@dataclass(frozen=True)
class Course:
    """One drive that is to be made."""

    family: str
    seed: int
    seconds: int
    every: int

    @property
    def name(self) -> str:
        """What it is called among the answers."""
        return f'{self.family}_{self.seed:03d}'


@dataclass(frozen=True, eq=False)
class Driving:
    """What became of a course. facts: of the place. figures: of the judge. picture: PNG."""

    facts: dict[str, float]
    drive: Driven
    figures: Figures
    picture: Callable[[], bytes]


def evaluate(task: Task) -> Result:
    """Drive every course."""
    if str(task.data) != SIMULATED:
        raise DataError(f'{task.data}: courses are made by the simulator: --data {SIMULATED}')
    options = options_of(task)
    courses = courses_of(task.seed, options)
    for vehicle in ('truck', OFFROAD):
        warm(PlannerConfig(vehicle=_vehicle(vehicle)))
    result = Result(worst_by='good', low_is_bad=True)
    found = over(task, [(course.name, course) for course in courses], drive_course, result)
    named = {course.name: course for course in courses}
    told: dict[str, list[Figures]] = {}
    for name, driving in found:
        text = json.dumps(_answer(named[name], driving), indent=1) + '\n'
        (task.out / f'{name}.json').write_text(text)
        good = driving.figures['reached'] - 2.0 * driving.figures['violation']
        result.frames.append(Scored(name, {**driving.figures, 'good': good}, driving.picture))
        told.setdefault(named[name].family, []).append(driving.figures)
    for family, figures in told.items():
        result.figures |= {f'{family}.{key}': value for key, value in summed(figures).items()}
    trucks = [figures for family in FAMILIES for figures in told.get(family, [])]
    if trucks:
        result.figures |= {f'truck.{key}': value for key, value in summed(trucks).items()}
    times = [took_s for _, driving in found for took_s in driving.drive.times_s]
    return _timed(result, times)


def options_of(task: Task) -> dict[str, int]:
    """Return how many drives of what; refused (DataError) where that is no number, or none is wanted."""
    if unknown := sorted(set(task.options) - set(OPTIONS)):
        raise DataError(f'--set {unknown[0]}: this measure takes {", ".join(OPTIONS)}')
    try:
        found = OPTIONS | {name: int(value) for name, value in task.options.items()}
    except ValueError as error:
        raise DataError(f'--set of courses, {dict(task.options)}: {error}') from error
    if min(found['count'], found['offroad']) < 0 or min(found['every'], found['seconds']) < 1:
        raise DataError(f'--set of courses: {found} must not be below 0, every and seconds not below 1')
    return found


def courses_of(seed: int, options: dict[str, int]) -> list[Course]:
    """Return the drives: more of them change none. Places of one seed are numbered from 1000 times it on."""
    more, families = (options['seconds'], options['every']), list(FAMILIES)
    courses = [
        Course(families[number % len(families)], 1000 * seed + number, *more) for number in range(options['count'])
    ]
    return courses + [Course(OFFROAD, 1000 * seed + number, *more) for number in range(options['offroad'])]


def drive_course(course: Course) -> Driving:
    """Make the place of a course, drive it, and judge."""
    if course.family == OFFROAD:
        return _off_the_road(course)
    vehicle = _vehicle('truck')
    place = FAMILIES[course.family](course.seed, vehicle)
    drive = driven(place, vehicle, course.seconds, course.every)
    figures = of_truck(place, drive, vehicle)
    words = f'{course.name} {drive.outcome}, clearance {figures["clearance_m"]:.2f} m'
    shown = (place.free.astype(float), place.corner, FINE_M, place.line, place.goal, drive, vehicle, words)
    return Driving(place.facts, drive, figures, partial(drawn, *shown))


def _off_the_road(course: Course) -> Driving:
    vehicle = _vehicle(OFFROAD)
    truth = country(course.seed, vehicle)
    loop = Loop(vehicle, truth.world.ground, truth.start, truth.goal, Known(truth).grids)
    drive = loop.run(course.seconds, course.every)
    figures = of_country(truth, drive, vehicle)
    words = f'{course.name} {drive.outcome}, least traversability {figures["least_traversability"]:.2f}'
    easy, cell_m = truth.layers['traversability'], TerrainConfig().resolution_m
    shown = (easy, truth.corner, cell_m, truth.way, truth.goal, drive, vehicle, words)
    facts = {'world': float(truth.world.seed), 'straight_blocked': truth.share_straight()}
    return Driving(facts, drive, figures, partial(drawn, *shown))


def summed(told: Sequence[Figures]) -> Figures:
    """Return shares and worst values of some drives; `good`: reached the goal without violation, with its interval."""
    good = [one['reached'] - one['violation'] > 0.5 for one in told]
    clean = [one['violation'] < 0.5 for one in told]
    low, high = share_interval(sum(clean), len(told))
    found: Figures = {
        'n': len(told), 'good': float(np.mean(good)), 'reached': float(np.mean([one['reached'] for one in told])),
        'without_violation': float(np.mean(clean)), 'without_violation.low95': low, 'without_violation.high95': high,
    }  # fmt: skip
    found |= {f'n_{name}': int(sum(one[name] for one in told)) for name in COUNTED if name in told[0]}
    found |= {f'worst.{name}': worst(one[name] for one in told) for name, worst in WORST.items() if name in told[0]}
    return found


def _timed(result: Result, times_s: Sequence[float]) -> Result:
    result.figures['plan_ms.p50'] = 1e3 * float(np.median(times_s)) if times_s else math.nan
    result.figures['plan_ms.p95'] = 1e3 * float(np.percentile(times_s, 95)) if times_s else math.nan
    return result


def _answer(course: Course, driving: Driving) -> dict[str, object]:
    """Return what a file of raw answers tells: rows of seconds, x, y, heading, speed, wheel and joint angle."""
    rows = driving.drive.rows
    kept = np.unique(np.append(np.arange(0, len(rows), TOLD_EVERY), len(rows) - 1))
    return {
        'family': course.family, 'seed': course.seed, 'every': course.every, 'outcome': driving.drive.outcome,
        'said': driving.drive.said, 'place': {name: round(value, 3) for name, value in driving.facts.items()},
        'figures': {name: round(value, 3) for name, value in driving.figures.items()},
        'rows': [[round(value, 3) for value in row] for row in rows[kept].tolist()],
    }  # fmt: skip


def _vehicle(name: str) -> Vehicle:
    return vehicle_of('planning', [vehicle_file(name)])
