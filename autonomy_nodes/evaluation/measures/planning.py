"""Planning in closed loop on scenarios of CommonRoad, judged by its own checker, beside two simple drivers and peers.

The tools of CommonRoad run in an environment of their own (make benchmark). Each scenario is driven by the stack's own
prediction and planning, written as a CommonRoad solution and judged from that file.
Raw answers: `solutions/ID.xml`, `verdicts.jsonl` (a line a scenario and driver), `explanations.jsonl` (a line a plan),
`timing.csv` (CPU time of each plan).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.commonroad import car
from autonomy_nodes.evaluation.commonroad.bench import Bench
from autonomy_nodes.evaluation.commonroad.drivers import DRIVERS, stack
from autonomy_nodes.evaluation.commonroad.drivers import Task as Given
from autonomy_nodes.evaluation.commonroad.picture import drawn
from autonomy_nodes.evaluation.commonroad.road import narrowest_m, road_of, way_of
from autonomy_nodes.evaluation.commonroad.run import WALL_S, Run, comfort, driven, own_contacts, reason, run_of
from autonomy_nodes.evaluation.commonroad.scenario import Scenario, scenario_of
from autonomy_nodes.evaluation.commonroad.swept import swept
from autonomy_nodes.evaluation.measures.evidence import short
from autonomy_nodes.evaluation.measures.pairs import share_interval
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, over
from autonomy_nodes.planning.planner import PlannerConfig
from autonomy_nodes.planning.warmup import warm as warm_planning
from autonomy_nodes.prediction.predictor import PredictorConfig
from autonomy_nodes.prediction.warmup import warm as warm_prediction

SUFFIXES = ('.xml.xz', '.xml')
OURS, SOLUTIONS = 'ours', 'solutions'
RIVALS = ('reactive_planner', 'frenetix')  # planners of others, in the environment of the tools
TRUCK_LANE_M = 2.999  # a truck drives where no lane on its way is narrower than 3 m; a mm for rounding
WEIGHTS = {'own_fault': 8.0, 'collided': 4.0, 'off_road': 2.0, 'success': -1.0, 'valid': -1.0}  # of the worst first


@dataclass(eq=False)
class Driven:
    """A scenario as one driver drove it. told: the checker's words. own: contacts by our own fault."""

    run: Run
    told: dict[str, Any]
    own: int
    reason: str
    comfort: Figures
    solution: str
    swept: Figures

    @property
    def outcome(self) -> Figures:
        """0 or 1 of each that is counted."""
        hit, off = bool(self.told['contacts']), self.told['off_road'] is not None
        success = self.told['goal'] is not None and not hit and not off and not self.run.error
        return {
            'success': float(success), 'valid': float(success and self.told['valid']), 'collided': float(hit),
            'own_fault': float(self.own > 0), 'off_road': float(off),
            'infeasible': float(self.told['feasible'] is False),
            'failed_to_run': float(bool(self.run.error)),
        }  # fmt: skip

    @property
    def blocked(self) -> bool:
        """Whether a body touched something or stood off the road as it was put there."""
        first = self.run.first_step
        return self.told['off_road'] == first or any(contact[0] == first for contact in self.told['contacts'])


def evaluate(task: Task) -> Result:
    """Drive every scenario of a folder."""
    clerk()  # tells how the tools are made where they are missing
    items = [(path.name.removesuffix(suffix), path) for path in sorted(task.data.iterdir()) for suffix in SUFFIXES
             if path.name.endswith(suffix)]  # fmt: skip
    if not items:
        raise DataError(f'{task.data}: has no scenario (.xml or .xml.xz)')
    (task.out / SOLUTIONS).mkdir(parents=True, exist_ok=True)
    model = model_of(task)
    peers = peers_of(task, model)
    result = Result(worst_by='badness', low_is_bad=False)
    work = partial(scenario_driven, drivers=(OURS, *peers), out=task.out, model=model)
    every = over(task, items, work, result)
    found = [(name, (scenario, drives)) for name, (scenario, drives) in every if drives]
    if not found:
        raise DataError(f'{task.data}: no scenario has a way for a truck')
    result.items = [name for name, _ in found]
    for name, (scenario, drives) in found:
        ours = drives[OURS]
        outcome = ours.outcome
        badness = sum(weight * outcome[key] for key, weight in WEIGHTS.items())
        told = {'badness': badness, **outcome, **ours.comfort}
        words = f'{name}: {ours.reason or "solved"}'
        result.frames.append(Scored(words, told, partial(drawn, scenario, ours.run, words)))
        result.answers[f'{name}.solution'] = short(ours.solution)
        result.answers[f'{name}.explanations'] = short('\n'.join(explained(name, ours.run)))
    write_answers(task.out, found)
    for driver in (OURS, *peers):
        prefix = '' if driver == OURS else f'peer.{driver}.'
        told = figures([drives[driver] for _, (_, drives) in found])
        result.figures |= {f'{prefix}{key}': value for key, value in told.items()}
    result.figures['n_scenarios'] = len(found)
    if model is car.TRUCK:
        result.figures['n_too_narrow'] = len(every) - len(found)
    return result


def peers_of(task: Task, model: car.Model) -> list[str]:
    """Return who else drives: with --peers all who can, or those of --set beside=NAME,NAME."""
    able = [*DRIVERS, *(RIVALS if model is car.CAR else ())]
    wanted = [name for name in task.options.get('beside', '').split(',') if name] or able
    if unknown := sorted({*wanted} - {*able}):
        raise DataError(f'beside={",".join(unknown)}: {", ".join(able)} drive here')
    return [name for name in able if name in wanted] if task.peers else []


def model_of(task: Task) -> car.Model:
    """Return the vehicle that is asked for by --set vehicle=NAME."""
    name = task.options.get('vehicle', 'car')
    if name not in car.MODELS:
        raise DataError(f'vehicle={name!r}: {", ".join(car.MODELS)} drive here')
    return car.MODELS[name]


def scenario_driven(
    path: Path, drivers: Sequence[str], out: Path, model: car.Model
) -> tuple[Scenario, dict[str, Driven]]:
    """Return a scenario as each driver drove it, and leave the solutions; peers' ones in a folder of their name.

    A truck drives where its way has lanes of 3 m; elsewhere nobody does.
    """
    warm_planning(PlannerConfig(vehicle=model.vehicle))
    warm_prediction(PredictorConfig(vehicle=model.vehicle))
    drives = {}
    scenario = scenario_of(clerk().ask('read', path=str(path)))
    road = road_of(scenario)
    given = Given(scenario, road, way_of(scenario, road), model)
    if model is car.TRUCK and (given.way is None or narrowest_m(scenario, road, given.way) < TRUCK_LANE_M):
        return scenario, {}
    told_as = path.name.partition('.xml')[0]
    for name in drivers:
        if name in RIVALS:
            run = run_of(rivals().ask(name, path=str(path), seconds=WALL_S))
        else:
            run = driven(scenario, stack(given) if name == OURS else DRIVERS[name](given), model)
        place = out / SOLUTIONS / ('' if name == OURS else name)
        place.mkdir(parents=True, exist_ok=True)
        file = place / f'{told_as}.xml'
        told = judged(path, given, run, file)
        own = own_contacts(scenario, run, told['contacts'])
        why = reason(scenario, run, given.way is not None, told, own)
        took = swept(run.states) if model.vehicle.trailer.present else {}
        drives[name] = Driven(run, told, own, why, comfort(run, scenario.dt_s), file.read_text(), took)
    return scenario, drives


def judged(path: Path, given: Given, run: Run, file: Path) -> dict[str, Any]:
    """Return what the checker tells of a run, whose solution is left in `file`.

    Of a truck it looks at a tractor about the drive axle alone: what both bodies touch and leave is added.
    """
    name = given.model.name
    told = clerk().ask('judge', path=str(path), states=run.rows(), solution=str(file), model=name)
    if not given.model.vehicle.trailer.present:
        return told
    boxes = [[box.tolist() for box in state.boxes] for state in run.states]
    lanes = [outline.tolist() for outline in given.road.outlines]
    more = clerk().ask('bodies', path=str(path), first=run.first_step, boxes=boxes, lanes=lanes)
    seen = {id_ for _, id_, _ in more['contacts']}
    contacts = more['contacts'] + [[step, id_, 0] for step, id_ in told['contacts'] if id_ not in seen]
    edges = [more['off_road']] * (more['off_road'] is not None)
    edges += [[told['off_road'], 0]] * (told['off_road'] is not None)
    step, body = min(edges, default=[None, 0])
    alone = {'contacts': told['contacts'], 'off_road': told['off_road']}
    return told | {'checker': alone, 'contacts': sorted(contacts), 'off_road': step, 'off_body': body,
                   'beyond_m': more['beyond_m']}  # fmt: skip


@lru_cache(maxsize=1)
def clerk() -> Bench:
    """Return this process' clerk, who takes seconds to start; it ends with the process."""
    return Bench()


@lru_cache(maxsize=1)
def rivals() -> Bench:
    """Return this process' process of planners of others."""
    return Bench('rivals.py')


def figures(drives: Sequence[Driven]) -> Figures:
    """Return counts and shares of scenarios, medians over scenarios of how it was driven, and times a plan."""
    outcomes = [drive.outcome for drive in drives]
    found: Figures = {}
    for key in outcomes[0]:
        count = int(sum(outcome[key] for outcome in outcomes))
        found |= {key: count / len(drives), f'count.{key}': count}
        if key in ('success', 'valid'):
            found[f'{key}.low95'], found[f'{key}.high95'] = share_interval(count, len(drives))
    for key in ('jerk_rms_mps3', 'lateral_mps2', 'braking_mps2', 'acceleration_mps2'):
        found[f'{key}.median'] = float(np.median([drive.comfort[key] for drive in drives]))
    if drives[0].swept:
        begun = [drive.outcome['valid'] for drive in drives if not drive.blocked]
        found |= {'count.blocked_at_start': len(drives) - len(begun), 'of_begun.valid': float(np.mean(begun or [0.0])),
                  'of_checker.valid': float(np.mean([drive.told['valid'] for drive in drives]))}  # fmt: skip
    for key in drives[0].swept:
        values = [drive.swept[key] for drive in drives]
        found |= {f'{key}.median': float(np.median(values)), f'{key}.max': float(np.max(values))}
    found['bounds_held'] = float(np.mean([drive.comfort['bounds_held'] for drive in drives]))
    plans = [answer for drive in drives for answer in drive.run.answers if answer.planning_s > 0.0]
    if plans:
        predicting, planning = (np.array([getattr(plan, f'{name}_s') for plan in plans])
                                for name in ('predicting', 'planning'))  # fmt: skip
        for name, times in (('predicting', predicting), ('planning', planning), ('step', predicting + planning)):
            found |= {f'{name}_ms.median': 1e3 * float(np.median(times)),
                      f'{name}_ms.p99': 1e3 * float(np.percentile(times, 99))}  # fmt: skip
    for drive in drives:
        key = f'reason.{drive.reason.split(":")[0].replace(" ", "_") or "solved"}'
        found[key] = found.get(key, 0) + 1
    return found


def explained(name: str, run: Run) -> list[str]:
    """Return a line a plan: what was chosen and why."""
    lines = []
    for n, answer in enumerate(run.answers):
        if (told := answer.decision) is not None:
            lines.append(json.dumps({
                'scenario': name, 'step': run.first_step + n, 'chosen': told.chosen, 'reason': told.reason,
                'runner_up': told.runner_up, **told.values,
            }))  # fmt: skip
    return lines


def write_answers(out: Path, found: Sequence[tuple[str, tuple[Scenario, dict[str, Driven]]]]) -> None:
    """Write verdicts, explanations and times of all scenarios."""
    verdicts, why, times = [], [], ['scenario,step,predicting_ms,planning_ms']
    for name, (_, drives) in found:
        for driver, drive in drives.items():
            verdicts.append(json.dumps({
                'scenario': name, 'driver': driver, **{key: bool(value) for key, value in drive.outcome.items()},
                'reason': drive.reason, 'own_contacts': drive.own, 'steps': len(drive.run.states) - 1, **drive.told,
                **{key: round(value, 4) for key, value in (drive.comfort | drive.swept).items()},
            }))  # fmt: skip
        run = drives[OURS].run
        why += explained(name, run)
        times += [f'{name},{run.first_step + n},{1e3 * answer.predicting_s:.3f},{1e3 * answer.planning_s:.3f}'
                  for n, answer in enumerate(run.answers) if answer.decision is not None]  # fmt: skip
    (out / 'verdicts.jsonl').write_text('\n'.join(verdicts) + '\n')
    (out / 'explanations.jsonl').write_text('\n'.join(why) + '\n')
    (out / 'timing.csv').write_text('\n'.join(times) + '\n')
