"""CPU time of a planning step on a crowded road, part by part, beside the numpy pieces of a planner in the same run.

`--data simulated --set of=planning`: scenes are made of `--seed` on, `--limit` of them (see crowded_road.py); each is
planned twice, 0.1 s apart, and the second step is measured: it has a last plan to be true to. The lattice is the finer
one, of 500 candidates; `--set lattice=shipped`: that of the node's settings. `--set blocks=N`: that many blocks of
candidates at most. Candidates that are one drive by several names are
simulated and judged once: `n_drives` of `n_candidates` differ. Raw answers: `timing.csv`, a row a scene.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.evaluation.measures.crowded_road import after_tick, crowd_of, grids_of, situation_of, start_of
from autonomy_nodes.evaluation.measures.planning_pieces import pieces_s
from autonomy_nodes.evaluation.measures.task import Figures, Result, Task, timed
from autonomy_nodes.nodes.memory import keep_memory
from autonomy_nodes.planning.planner import Planner, PlannerConfig
from autonomy_nodes.planning.proposals import FINER, ProposalSettings
from autonomy_nodes.planning.warmup import warm

PARTS = ('look_around', 'generate', 'simulate', 'judge', 'mark', 'choose')  # of Planner, in this order
SCENES, LOADING = 40, 3
BASE, FINE = 'numpy', 'fine'
LATTICES = {FINE: FINER, 'shipped': ProposalSettings()}


def evaluate(task: Task) -> Result:
    """Plan on as many crowded roads as are asked for."""
    config = _config(task)
    keep_memory()  # as the node does
    warm(config)
    count = task.limit or SCENES
    rows = [_measured(seed, config) for seed in range(task.seed, task.seed + count + LOADING)][LOADING:]
    names = list(rows[0])
    lines = [','.join(f'{row[name]:.6g}' for name in names) for row in rows]
    (task.out / 'timing.csv').write_text('\n'.join([','.join(names), *lines]) + '\n')
    values = {name: np.array([row[name] for row in rows]) for name in names}
    base = sum(values[name] for name in names if name.startswith(BASE))
    found: Figures = {'n_scenes': count}
    found |= {f'{name}.mean': float(values[name].mean()) for name in names if name.startswith('n_')}
    for name in ('cpu_ms', *(f'{part}.cpu_ms' for part in PARTS)):
        found |= {f'{name}.p{share}': float(np.percentile(values[name], share)) for share in (50, 95)}
    found |= {f'peer.{name}.p50': float(np.median(values[name])) for name in names if name.startswith(BASE)}
    found[f'peer.{BASE}.cpu_ms.p50'] = float(np.median(base))
    found['cpu_ratio'] = float(np.median(values['cpu_ms'] / base))
    return Result(found, items=[f'seed_{seed}' for seed in range(task.seed + LOADING, task.seed + LOADING + count)])


def _config(task: Task) -> PlannerConfig:
    if (lattice := task.options.get('lattice', FINE)) not in LATTICES:
        raise DataError(f'--set lattice={lattice}: must be one of {", ".join(LATTICES)}')
    proposals = LATTICES[lattice]
    try:
        proposals = replace(proposals, blocks=int(task.options.get('blocks', proposals.blocks)))
    except ValueError as error:
        raise DataError(f'--set blocks={task.options["blocks"]}: {error}') from error
    return PlannerConfig(proposals=proposals)


def _measured(seed: int, config: PlannerConfig) -> dict[str, float]:
    """Return counts, and the CPU time of the second step on a road [ms], in parts, and of the baseline."""
    crowd, planner = crowd_of(seed), Planner(config)
    ego, grids = start_of(crowd.bend, seed, SECOND_NS), grids_of(crowd.bend, SECOND_NS, seed)
    wheel = float(np.arctan(config.vehicle.wheelbase_m * crowd.bend.curvature))
    ego, wheel = after_tick(planner.plan(situation_of(crowd, ego, wheel, grids, 0.0)).trajectory)
    situation = situation_of(crowd, ego, wheel, grids, (ego.stamp_ns - SECOND_NS) / SECOND_NS)
    spent: dict[str, float] = {}
    told: dict[str, int] = {}

    def clocked(name: str, part: Callable[..., Any], *given: Any) -> Any:
        gave, spent[f'{name}.cpu_ms'] = timed(partial(part, *given))
        if name == 'look_around':
            told['n_ways'] = len(gave.traffic.of)
        elif name == 'simulate':
            told['n_drives'] = len(gave)
        return gave

    for part in PARTS:
        setattr(planner, part, partial(clocked, part, getattr(planner, part)))
    plan, whole_s = timed(partial(planner.plan, situation))
    base = {f'{BASE}.{name}.cpu_ms': spent_s for name, spent_s in pieces_s(situation.predictions, 10.0).items()}
    counted = {'n_candidates': len(plan.marks.scores), 'n_users': len(crowd.kinds), **told}
    return counted | {name: 1e3 * seconds for name, seconds in ({'cpu_ms': whole_s} | spent | base).items()}
