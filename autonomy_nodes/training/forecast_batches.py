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
from autonomy_nodes.prediction.tensors import INPUTS, KNOT_S
from autonomy_nodes.training.forecast_samples import Prepared, related

TRUTH_S = 0.1  # from step to step of what happened
KNOT = round(KNOT_S / TRUTH_S)
LEAST_KNOTS = 3  # who is told for a shorter time is not learned from
SLOW_WEIGHT, ON_FOOT_WEIGHT = 0.05, 0.4  # who stands, who walks or cycles, against a vehicle that moves
_PAIRS = ('agents_agents', 'agents_lanes')
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


def batch_of(prepared: Prepared, rows: np.ndarray) -> Batch:
    """Return the network's inputs and the targets of moments; targets as forecast_losses.losses takes them."""
    arrays, inputs = prepared.arrays, {}
    for name, shape in INPUTS.items():
        table, _, column = name.rpartition('_')
        if column == 'relations' and table in _PAIRS:
            value = np.stack([related(arrays, table, row) for row in rows.tolist()])
        else:
            value = arrays.get(f'{table}.{column}', np.zeros((1, *shape), np.float32))
            value = value[rows] if f'{table}.{column}' in arrays else np.repeat(value, len(rows), 0)
        inputs[name] = torch.from_numpy(np.ascontiguousarray(value, np.float32))
    knots = np.ascontiguousarray(arrays['truth.path'][rows][:, :, KNOT - 1 :: KNOT, :2], np.float32)
    told = np.ascontiguousarray(arrays['truth.told'][rows][:, :, KNOT - 1 :: KNOT])
    targets = {'knots': knots, 'told': told, 'weight': _weights(prepared, rows, told)}
    return inputs, {name: torch.from_numpy(value) for name, value in targets.items()}


def _weights(prepared: Prepared, rows: np.ndarray, told: np.ndarray) -> np.ndarray:
    arrays = prepared.arrays
    chances = arrays['agents.traits'][rows]
    on_foot = chances[..., Label.PEDESTRIAN] + chances[..., Label.BICYCLE] > 0.5
    weight = np.where(arrays['learned'][rows], np.where(on_foot, ON_FOOT_WEIGHT, 1.0), SLOW_WEIGHT)
    known = (arrays['agent'][rows] >= 0) & (told.sum(axis=2) >= LEAST_KNOTS)
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
