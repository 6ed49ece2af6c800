"""Whether the planner's reason is the true one: what it names is taken away, and the choice must become another.

`--data simulated`: `--set scenes=N` roads, of seeds from 1000 + `--seed` on: some of the users of crowded_road.py, and
on some a block, ground that nobody saw, a red light. A named road user is left out of the predictions, ground becomes
free, a stop line or a line goes, a term counts nothing; the planner begins anew each time. Beside it, as a control,
somebody who was not named is left out. Raw answers: `seed_N.json` of each.
"""

import json
from dataclasses import asdict, dataclass, replace

import numpy as np

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.lanes import PIECE_POINTS, LanePieces, Light, Line, Rule, TrafficLights
from autonomy_nodes.common.objects import Predictions
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.evaluation.measures.crowded_road import Bend, crowd_of, grids_of, situation_of, start_of
from autonomy_nodes.evaluation.measures.task import Figures, Result, Task, bootstrap, over
from autonomy_nodes.planning.planner import Planner, PlannerConfig
from autonomy_nodes.planning.situation import Plan, Situation
from autonomy_nodes.planning.warmup import warm

SCENES, MOST_USERS = 200, 8
FIRST_SEED = 1000  # the words of the planner were worked on with those before
MOVED_M = 0.5  # somewhere on the plan: less is the same choice
LINE_ID, LIGHT_ID, HALF_M = 900, 950, 1.75
LINES = (Line.DIVIDER, Line.SOLID, Line.BOUNDARY)
USER, TERM, NONE = 'user', 'term', 'none'


@dataclass(frozen=True)
class Asked:
    """What became of one scene. cause: USER, a gate, TERM, or NONE where nothing can be taken away.

    named: id or name of it. moved_m: by how much the plan is another without it; control_m: without somebody else, NaN
    where there is nobody else.
    """

    seed: int
    cause: str
    named: str
    moved_m: float
    control_m: float
    reason: str


def evaluate(task: Task) -> Result:
    """Ask as many scenes as are wanted."""
    try:
        count = int(task.options.get('scenes', SCENES))
    except ValueError as error:
        raise DataError(f'--set scenes={task.options["scenes"]}: {error}') from error
    warm(PlannerConfig())
    result = Result()
    seeds = [(f'seed_{seed}', seed) for seed in range(FIRST_SEED + task.seed, FIRST_SEED + task.seed + count)]
    found = over(task, seeds, ask, result)
    for name, one in found:
        told = {**asdict(one), 'moved_m': _rounded(one.moved_m), 'control_m': _rounded(one.control_m)}
        (task.out / f'{name}.json').write_text(json.dumps(told, indent=1) + '\n')
    result.figures |= figures([one for _, one in found], task.seed)
    return result


def figures(asked: list[Asked], seed: int) -> Figures:
    """Return the shares of choices that became others, by cause, and of the control."""
    told = [one for one in asked if one.cause != NONE]
    flips = np.array([one.moved_m > MOVED_M for one in told], float)
    control = np.array([one.control_m for one in asked])
    control = control[np.isfinite(control)] > MOVED_M
    found: Figures = {'n_scenes': len(asked), 'n_named': len(told), 'n_control': len(control)}
    if len(told):
        low, high = bootstrap(flips.tolist(), seed)
        found |= {'flipped': float(flips.mean()), 'flipped.low95': low, 'flipped.high95': high}
    if len(control):
        found['control.flipped'] = float(control.mean())
    for cause in sorted({one.cause for one in told}):
        mine = [one.moved_m > MOVED_M for one in told if one.cause == cause]
        found |= {f'n_{cause}': len(mine), f'{cause}.flipped': float(np.mean(mine))}
    return found


def ask(seed: int) -> Asked:
    """Plan, take away what is named, and plan anew."""
    config = PlannerConfig()
    random = np.random.default_rng([seed, 9])
    situation = scene_of(seed, random)
    plan = Planner(config).plan(situation)
    values = plan.decision.values
    cause, named = cause_of(plan)
    moved_m, control_m = np.nan, np.nan
    if cause != NONE:
        moved_m = _apart_m(plan, Planner(_without_term(config, cause, named)).plan(without(situation, cause, named)))
    others = [id_ for id_ in _ids(situation.predictions) if id_ != values.get('who')]
    if others:
        someone = others[int(random.integers(len(others)))]
        control_m = _apart_m(plan, Planner(config).plan(without(situation, USER, someone)))
    return Asked(seed, cause, named, moved_m, control_m, plan.decision.reason)


def cause_of(plan: Plan) -> tuple[str, str]:
    """Return what the decision names as its cause: what kind of thing, and which one."""
    values = plan.decision.values
    if 'who' in values:
        return USER, values['who']
    gate = values.get('gate', '')
    if gate in ('ground', 'stop_line', 'lane_line'):
        return gate, gate
    return (TERM, values['term']) if 'term' in values else (NONE, gate)


def without(situation: Situation, cause: str, named: str) -> Situation:
    """Return the situation without a road user, obstacles and unseen ground, stop lines or lines; else as it is."""
    if cause == USER:
        kept = np.array([id_ != named for id_ in _ids(situation.predictions)], bool)
        told = situation.predictions
        objects, paths, odds = told.objects.kept(kept), told.paths[kept], told.probabilities[kept]
        return replace(situation, predictions=Predictions(objects, paths, odds, told.step_s))
    if cause == 'ground':
        near, far = situation.terrain, situation.terrain_far
        return replace(
            situation, terrain=None if near is None else _free(near), terrain_far=None if far is None else _free(far)
        )
    classes = {'stop_line': (Line.STOP_LINE,), 'lane_line': LINES}.get(cause, ())
    if situation.pieces is None or not classes:
        return situation
    return replace(situation, pieces=_kept(situation.pieces, ~np.isin(situation.pieces.classes, classes)))


def scene_of(seed: int, random: np.random.Generator) -> Situation:
    """Return a road with a few users, and on some a block, unseen ground, or a red light."""
    crowd = crowd_of(seed)
    ego = start_of(crowd.bend, seed, SECOND_NS)
    near, far = grids_of(crowd.bend, SECOND_NS, seed)
    ahead = float(random.uniform(18.0, 45.0))
    kind = int(random.integers(5))  # 3, 4: nothing but users
    if kind == 0:
        near, far = (_covered(grid, crowd.bend, ahead, 2.0, 'block') for grid in (near, far))
    if kind == 1:
        near, far = (_covered(grid, crowd.bend, ahead, 200.0, 'unseen') for grid in (near, far))
    situation = situation_of(crowd, ego, 0.0, (near, far), 0.0)
    if kind == 2 and situation.pieces is not None:
        lights = TrafficLights(ego.stamp_ns, {LIGHT_ID: Light.RED})
        across = crowd.bend.at(np.full(4, ahead), np.linspace(-HALF_M, HALF_M, 4))[:, :2] - ego.position_m[:2]
        cos, sin = np.cos(ego.heading_rad), np.sin(ego.heading_rad)
        across = across @ np.array([[cos, -sin], [sin, cos]])
        situation = replace(situation, pieces=_with_line(situation.pieces, across), lights=lights)
    ids = _ids(situation.predictions)
    count = int(random.integers(min(MOST_USERS, len(ids)) + 1))
    for number in random.permutation(len(ids))[count:]:
        situation = without(situation, USER, ids[number])
    return situation


def _ids(predictions: Predictions) -> list[str]:
    ids = predictions.objects.ids
    return [] if ids is None else [bytes(id_).hex()[:8] for id_ in ids]


def _without_term(config: PlannerConfig, cause: str, named: str) -> PlannerConfig:
    return replace(config, weights=replace(config.weights, **{named: 0.0})) if cause == TERM else config


def _apart_m(one: Plan, other: Plan) -> float:
    places, others = one.trajectory.poses[:, :2], other.trajectory.poses[:, :2]
    count = min(len(places), len(others))
    return float(np.linalg.norm(places[:count] - others[:count], axis=1).max())


def _rounded(metres: float) -> float | None:
    return round(metres, 2) if np.isfinite(metres) else None


def _free(grid: Grid) -> Grid:
    """Return flat ground of which all is known and free."""
    values = {'traversability': 1.0, 'class': 1.0, 'ceiling': np.inf, 'observed': 1.0}
    layers = {name: np.full(layer.shape, values.get(name, 0.0), np.float32) for name, layer in grid.layers.items()}
    return replace(grid, layers=layers)


def _covered(grid: Grid, bend: Bend, ahead_m: float, long_m: float, kind: str) -> Grid:
    """Return the grid with a block over the whole road, or ground that nobody saw, from `ahead_m` on."""
    origin, cells = grid.origin_m, grid.shape[0]
    middles = [low + (np.arange(cells) + 0.5) * grid.resolution_m for low in origin]
    x, y = np.meshgrid(*middles, indexing='ij')
    along = np.arctan2(x * bend.curvature, 1.0 - y * bend.curvature) / bend.curvature
    there = (along > ahead_m) & (along < ahead_m + long_m)
    values = {'block': {'class': 3.0, 'traversability': 0.0, 'occupancy': 1.0, 'obstacle_height': 1.5}}.get(kind, {})
    layers = {}
    for name, layer in grid.layers.items():
        layers[name] = layer.copy()
        if kind == 'unseen':
            layers[name][there] = 0.0 if name == 'observed' else np.nan
        elif name in values:
            layers[name][there] = values[name]
    return replace(grid, layers=layers)


def _with_line(pieces: LanePieces, across: np.ndarray) -> LanePieces:
    """Return the pieces with a stop line of a light, (N, 2) in base_link."""
    line = np.full((1, PIECE_POINTS, 3), np.nan, np.float32)
    line[0, : len(across), :2], line[0, : len(across), 2] = across, 0.0
    return replace(
        pieces, points=np.concatenate([pieces.points, line]),
        classes=np.append(pieces.classes, np.uint8(Line.STOP_LINE)), ids=np.append(pieces.ids, LINE_ID),
        confidence=np.append(pieces.confidence, 1.0), valid_lengths_m=np.append(pieces.valid_lengths_m, 2.0 * HALF_M),
        rules=np.append(pieces.rules, np.uint8(Rule.LIGHT)), rule_ids=np.append(pieces.rule_ids, LIGHT_ID),
    )  # fmt: skip


def _kept(pieces: LanePieces, which: np.ndarray) -> LanePieces:
    return replace(
        pieces, points=pieces.points[which], classes=pieces.classes[which], ids=pieces.ids[which],
        confidence=pieces.confidence[which], valid_lengths_m=pieces.valid_lengths_m[which],
        rules=pieces.rules[which], rule_ids=pieces.rule_ids[which],
    )  # fmt: skip
