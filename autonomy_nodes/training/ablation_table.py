"""What the runs of an ablation are worth, side by side: simulated examples that none saw, and frames of a data set.

Intervals: 95 %, examples or frames drawn anew, the same for both runs of a difference (Efron 1979). They tell of other
examples, not of other runs: `again` beside `full` shows how far two runs differ by chance.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autonomy_nodes.evaluation.measures.adaptation import gains, precisions
from autonomy_nodes.evaluation.measures.channels import Channel
from autonomy_nodes.evaluation.measures.detected import Place, Seen, labelled, measured
from autonomy_nodes.evaluation.measures.page import cpu_model
from autonomy_nodes.training.ablation import VARIANTS, WHOLE, Plan, trained, write_model
from autonomy_nodes.training.adapt.unlabelled import hash_of
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.quality import Watched, figures_of, watched
from autonomy_nodes.training.samples import HELD_OUT, Source

FIRST_PLACE, VIEWS = HELD_OUT + 5000, 2  # places that no other command watches, calibrates on or reports
ROUNDS = 300
SHOWN = (
    'sim.vehicle.ap', 'sim.vru.ap', 'sim.ground.mae_m', 'sim.terrain.miou',
    'real.vehicle.ap_2m', 'real.vehicle.ap_iou0.5', 'real.vru.ap_1m',
)  # fmt: skip


def ablated(
    plan: Plan, out: Path, source: Source, examples: int, data: Path | None, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Train what is not trained yet, one after the other, judge all of them and return flat figures.

    examples: simulated ones to judge by. data: a folder of frames with labels, or None.
    """
    held = held_out(source, examples)
    frames = _frames(data) if data is not None else []
    looks: dict[str, list[Watched]] = {}
    seen: dict[str, list[Seen]] = {}
    figures: dict[str, Any] = {'n_examples': len(held), 'n_frames': len(frames), 'n_steps': plan.steps}
    for name in plan.variants:
        network, minutes = trained(plan, name, out, source, tell)
        looks[name] = [watched(network, example, torch.device('cpu')) for example in held]
        write_model(out / name / 'model', network, plan.preset, name)
        channel = Channel('learned', out / name / 'model', 'torch')
        seen[name] = [measured((frame, channel)) for frame in frames]
        figures[f'{name}.minutes'] = minutes
        tell(f'{name}: judged')
    for name in plan.variants:
        whole = WHOLE if WHOLE in looks else name
        figures |= _simulated(name, looks[name], looks[whole], plan.seed)
        if frames:
            figures |= _real(name, seen[name], seen[whole], plan.seed)
    return figures | ({'data_sha256': hash_of(data)} if data is not None else {})


def held_out(source: Source, count: int) -> list[Example]:
    """Return examples of places that nobody learns from, two a place."""
    places = range(FIRST_PLACE, FIRST_PLACE + -(-count // VIEWS))
    return [one for place in places for one in islice(source(place), VIEWS)][:count]


def _frames(data: Path) -> list[Place]:
    return [place for _, place in labelled(data)]


def _simulated(name: str, mine: Sequence[Watched], whole: Sequence[Watched], seed: int) -> dict[str, float]:
    """Return figures with intervals, and by how much they are more than those of the whole."""
    drawn = np.random.default_rng(seed).integers(0, len(mine), (ROUNDS, len(mine))).tolist()
    each = [(figures_of([mine[k] for k in rows]), figures_of([whole[k] for k in rows])) for rows in drawn]
    told, base, found = figures_of(mine), figures_of(whole), dict[str, float]()
    for key in told:
        spread = np.array([(one[key], one[key] - other[key]) for one, other in each])
        (low, less), (high, more) = np.nanpercentile(spread, [2.5, 97.5], axis=0)
        found |= {f'{name}.sim.{key}': told[key], f'{name}.sim.{key}_low': low, f'{name}.sim.{key}_high': high}
        gain = f'{name}.sim.{key}_gain'
        found |= {gain: told[key] - base[key], f'{gain}_low': less, f'{gain}_high': more}
    return {key: float(value) for key, value in found.items() if np.isfinite(value)}


def _real(name: str, mine: Sequence[Seen], whole: Sequence[Seen], seed: int) -> dict[str, float]:
    figures = precisions(mine) | gains(whole, [mine], seed)
    return {f'{name}.real.{key}': value for key, value in figures.items()}


def told_of(plan: Plan, figures: dict[str, Any]) -> dict[str, Any]:
    """Return figures with what they rest on: the plan, versions, the processor."""
    about = {f'{name}.about': VARIANTS[name].about for name in plan.variants}
    more = {'preset': plan.preset, 'seed': plan.seed, 'runs': list(plan.variants), 'cpu': cpu_model()}
    return figures | about | more | {'threads': plan.threads, 'version.torch': torch.__version__}


def table(figures: dict[str, Any]) -> list[str]:
    """Return rows of Markdown: what each run is worth, and in brackets the interval of the difference to the whole."""
    shown = [key for key in SHOWN if any(name.endswith(f'.{key}') for name in figures)]
    lines = [f'| | {" | ".join(shown)} |', f'|---|{"---|" * len(shown)}']
    for name in VARIANTS:
        if f'{name}.minutes' in figures:
            cells = [_cell(figures, f'{name}.{key}', name == WHOLE) for key in shown]
            lines.append(f'| {name} | {" | ".join(cells)} |')
    return lines


def _cell(figures: dict[str, Any], key: str, alone: bool) -> str:
    if key not in figures:
        return ''
    digits = 3 if abs(figures[key]) < 2.0 else 1
    value = f'{figures[key]:.{digits}f}'
    if alone or f'{key}_gain_low' not in figures:
        return value
    return f'{value} ({figures[f"{key}_gain_low"]:+.{digits}f} to {figures[f"{key}_gain_high"]:+.{digits}f})'
