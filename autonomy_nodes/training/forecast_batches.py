"""Batches of prepared moments for the prediction network, each time in another guise.

Mirrored, stretched, blurred, with states, neighbours or the whole map missing: what a network meets on another vehicle.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.scene_loops import RELATIONS
from autonomy_nodes.common.scene_tracks import STATE, STATES
from autonomy_nodes.prediction.tensors import AGENTS, INPUTS
from autonomy_nodes.training.forecast_samples import KNOT, Arrays, Prepared, related

TRUTH_S = 0.1  # from step to step of what happened
LEAST_KNOTS = 3  # who is told for a shorter time is not learned from
SLOW_WEIGHT, ON_FOOT_WEIGHT = 0.05, 0.4  # who stands, who walks or cycles, against a vehicle that moves
_PAIRS = ('agents_agents', 'agents_lanes')
_TRUTH = ('truth.path', 'truth.told', 'learned', 'agent')
_AT = {name: place for place, name in enumerate(STATE)}
_SIDEWAYS = {  # columns that change their sign in a mirror
    'agents_states': [_AT['y_m'], _AT['heading_sin'], _AT['vy_mps']],
    'lanes_points': [1, 3],
    **dict.fromkeys(
        (f'{pair}_relations' for pair in _PAIRS), [RELATIONS.index('bearing_sin'), RELATIONS.index('heading_sin')]
    ),
}
_LONG = {  # columns that are lengths or speeds
    'agents_states': [_AT[name] for name in ('x_m', 'y_m', 'vx_mps', 'vy_mps')],
    'lanes_points': [0, 1],
    **dict.fromkeys((f'{pair}_relations' for pair in _PAIRS), [RELATIONS.index('distance_m')]),
}
Batch = tuple[dict[str, Tensor], dict[str, Tensor]]


@dataclass(frozen=True)
class GuiseSettings:
    """How moments are changed. stretch: largest change of all lengths and speeds, as a logarithm.

    place_sigma_m, speed_sigma_mps: of states. young: share of scenes whose agents were seen for less than two seconds;
    no_map: that have no map; lost: of neighbours that are not seen.
    """

    stretch: float = 0.15
    place_sigma_m: float = 0.03
    speed_sigma_mps: float = 0.1
    young: float = 0.2
    no_map: float = 0.08
    lost: float = 0.1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0.0 <= value <= 1.0:
                raise ValueError(f'{name}={value} must lie between 0 and 1')


def batch_of(
    prepared: Prepared, rows: np.ndarray, agents: int = AGENTS, rng: np.random.Generator | None = None
) -> Batch:
    """Return the network's inputs and the targets of moments; targets as forecast_losses.losses takes them.

    agents: of each moment so many; with fewer than AGENTS those who are learned from before others, else by draws of
    rng, and of the lanes those that they look at: for less work, the tensors are smaller than tensors.INPUTS.
    """
    moments = [_moment(prepared.arrays, row) for row in rows.tolist()]
    if agents < AGENTS:
        assert rng is not None
        moments = [_thinned(moment, agents, rng) for moment in moments]
    count = len(rows)
    found = {key: _stacked([moment[key] for moment in moments]) for key in moments[0]}
    inputs = {}
    for name, shape in INPUTS.items():
        table, _, column = name.rpartition('_')
        if (key := f'{table}.{column}') in found:
            value = found[key]
        elif agents < AGENTS:  # no recording has cells: one that is masked
            value = np.zeros((count, agents, 1, *shape[2:]) if table == 'agents_cells' else (count, 1, *shape[1:]))
        else:
            value = np.zeros((count, *shape))
        inputs[name] = torch.from_numpy(np.ascontiguousarray(value, np.float32))
    knots = np.ascontiguousarray(found['truth.path'][:, :, KNOT - 1 :: KNOT, :2], np.float32)
    told = np.ascontiguousarray(found['truth.told'][:, :, KNOT - 1 :: KNOT])
    targets = {'knots': knots, 'told': told, 'weight': _weights(found, told)}
    return inputs, {name: torch.from_numpy(value) for name, value in targets.items()}


def _moment(arrays: Arrays, row: int) -> Arrays:
    """Return what is fed at one moment, and its truth."""
    tables = ('agents', 'lanes', *_PAIRS)
    found = {key: value[row] for key, value in arrays.items() if key.partition('.')[0] in tables or key in _TRUTH}
    return found | {f'{pair}.relations': related(arrays, pair, row) for pair in _PAIRS}


def _thinned(moment: Arrays, agents: int, rng: np.random.Generator) -> Arrays:
    """Return a moment of fewer agents, and of the lanes that they look at."""
    there = moment['agents.there']
    rows = np.lexsort((rng.random(len(there)), ~there, ~moment['learned']))[:agents]
    found = {key: value if key.startswith('lanes.') else value[rows] for key, value in moment.items()}
    _only(found, 'agents_agents', rows, len(there))
    lanes = np.unique(found['agents_lanes.index'][found['agents_lanes.there']])
    _only(found, 'agents_lanes', lanes, len(moment['lanes.there']))
    return {key: value[lanes] if key.startswith('lanes.') else value for key, value in found.items()}


def _only(moment: Arrays, pair: str, kept: np.ndarray, count: int) -> None:
    """Let a pair of tables tell of those of `count` rows that are kept, by their new places, in place."""
    places = np.full(count, -1)
    places[kept] = np.arange(len(kept))
    index = places[moment[f'{pair}.index']]
    moment[f'{pair}.there'] = moment[f'{pair}.there'] & (index >= 0)
    moment[f'{pair}.index'] = np.maximum(index, 0)


def _stacked(values: list[np.ndarray]) -> np.ndarray:
    """Return (B, N, ...) of arrays (N, ...), N the most rows of any, at least 1; of the others the last ones are 0."""
    most = max(1, *(len(value) for value in values))
    found = np.zeros((len(values), most, *values[0].shape[1:]), values[0].dtype)
    for row, value in zip(found, values):
        row[: len(value)] = value
    return found


def _weights(found: Arrays, told: np.ndarray) -> np.ndarray:
    chances = found['agents.traits']
    on_foot = chances[..., Label.PEDESTRIAN] + chances[..., Label.BICYCLE] > 0.5
    weight = np.where(found['learned'], np.where(on_foot, ON_FOOT_WEIGHT, 1.0), SLOW_WEIGHT)
    known = (found['agent'] >= 0) & (told.sum(axis=2) >= LEAST_KNOTS)
    return np.where(known, weight, 0.0).astype(np.float32)


def changed(batch: Batch, generator: torch.Generator, settings: GuiseSettings) -> Batch:
    """Return a batch in other guises, drawn for each scene, in place."""
    inputs, targets = batch
    count = len(targets['knots'])

    def drawn(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    side = torch.where(drawn(count) < 0.5, -1.0, 1.0)
    longer = torch.exp((2.0 * drawn(count) - 1.0) * settings.stretch)
    for factor, columns in ((side, _SIDEWAYS), (longer, _LONG)):
        for name, places in columns.items():
            inputs[name][..., places] *= factor.view(-1, *([1] * (inputs[name].dim() - 1)))
    targets['knots'] *= longer.view(-1, 1, 1, 1)
    targets['knots'][..., 1] *= side.view(-1, 1, 1)
    told = inputs['agents_told'][..., None]
    for first, sigma in ((_AT['x_m'], settings.place_sigma_m), (_AT['vx_mps'], settings.speed_sigma_mps)):
        states = inputs['agents_states'][..., first : first + 2]
        states += sigma * told * torch.randn(states.shape, generator=generator)
    kept = (drawn(count, 1, 1) >= settings.no_map) & (drawn(*inputs['agents_lanes_there'].shape) >= settings.lost)
    inputs['agents_lanes_there'] *= kept
    inputs['agents_agents_there'] *= drawn(*inputs['agents_agents_there'].shape) >= settings.lost
    unseen = torch.floor(drawn(count, 1, 1) * (STATES - 2)) * (drawn(count, 1, 1) < settings.young)
    inputs['agents_told'] *= torch.arange(STATES) >= unseen
    return inputs, targets
