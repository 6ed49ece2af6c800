"""What the network of lanes learns from and how wrong it is: samples, targets, losses."""

from collections.abc import Mapping

import cv2
import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from autonomy_nodes.common.types import DataError
from autonomy_nodes.perception.bev import (
    CELL_M,
    CELLS,
    LANDMARKS,
    LANE_INPUTS,
    LANE_KINDS,
    LANES,
    LANES_ORIGIN_M,
    LINE_TOLD,
    MARK_TOLD,
    PRIOR,
    TRAVEL_TOLD,
    lane_middles,
    lane_part,
)
from autonomy_nodes.perception.cells import met
from autonomy_nodes.perception.far_raster import NEAR
from autonomy_nodes.perception.lanes.raster import lane_rasterised
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.samples import Sample, SampleSettings, grounded

ON_M = 0.3  # of the middle of a cell, that a line lies in it
BESIDE_M = 0.7  # so far a cell tells where the line is
STANDS_M = 0.6  # of a pole's middle, that cells tell of it
UNSEEN_WEIGHT = 0.3  # of cells that the LiDAR cannot know
POSITIVE = (3.0, 3.0, 10.0, 10.0, 3.0)  # times as much weighs a line that is there, by LANE_KINDS: the rare ones more
KIND = (1.0, 1.0, 4.0, 2.0, 1.0)  # times as much weighs all that is told of a kind: few cells tell of stop lines
POSITIVE_MARK = 5.0
WEIGHTS = {'lines': 3.0, 'marks': 1.0, 'at': 1.0, 'direction': 0.5, 'travel': 0.5}
CENTRE = LANE_KINDS.index('centre')
_FINE_M = 0.1
_CELLS = int(np.ceil(BESIDE_M / CELL_M)) + 1
_MIDDLES = lane_middles()


def lane_sample_of(
    example: Example, rng: np.random.Generator | None = None, settings: SampleSettings | None = None
) -> Sample:
    """Return inputs and targets of an example; with rng, now and then nobody knows where the LiDAR is.

    points, prior, bright: of bev.LANE_INPUTS. lines: (KINDS, *LANES) 0 or 1; line_at: (KINDS, 4, *LANES) x y to the
    line, direction of twice the angle; beside: (KINDS, *LANES) where that is asked; travel: (2, *LANES), beside
    middles of lanes. marks, mark_at, mark_beside: of landmarks alike. asked: (1, *LANES) how much a cell counts.
    """
    if example.lanes is None:
        raise DataError('the example tells nothing of the road')
    ground, passed = grounded(example)
    rays = None if rng is not None and settings is not None and rng.random() < settings.without_rays else passed
    inputs = lane_rasterised(example.points, ground, rays, example.sensor_m)
    prior = inputs['prior']
    truth = targets_of(example)
    seen = met(prior[PRIOR.index('known')], prior[PRIOR.index('passed')], NEAR)
    whole = np.isfinite(example.ground_m)
    known = lane_part(np.zeros((1, *(2 * size for size in CELLS)), bool), whole[None])[1]
    arrays = {**truth, 'prior': prior, 'asked': np.where(seen, 1.0, UNSEEN_WEIGHT)[None] * known}
    sample = {name: torch.from_numpy(np.ascontiguousarray(value, np.float32)) for name, value in arrays.items()}
    for name in ('points', 'bright'):
        sample[name] = torch.from_numpy(inputs[name]).half()  # half as much to hand from process to process
    return sample


def targets_of(example: Example) -> dict[str, np.ndarray]:
    """Return what is true of the cells, as lane_sample_of tells."""
    assert example.lanes is not None
    kinds, marks = len(LANE_KINDS), len(LANDMARKS)
    found = {
        'lines': np.zeros((kinds, *LANES), np.float32), 'line_at': np.zeros((kinds, 4, *LANES), np.float32),
        'beside': np.zeros((kinds, *LANES), np.float32), 'marks': np.zeros((marks, *LANES), np.float32),
        'mark_at': np.zeros((marks, 2, *LANES), np.float32), 'mark_beside': np.zeros((marks, *LANES), np.float32),
        'travel': np.zeros((len(TRAVEL_TOLD), *LANES), np.float32),
    }  # fmt: skip
    for kind in range(kinds):
        lines = [_dense(line) for of, line in example.lanes.lines if of == kind]
        if not lines:
            continue
        places, angles = (np.concatenate(parts) for parts in zip(*lines))
        near = _about(places)
        distance, nearest = cKDTree(places).query(_MIDDLES[near])
        beside = distance < BESIDE_M
        near[near] = beside
        distance, nearest = distance[beside], nearest[beside]
        found['lines'][kind][near] = distance < ON_M
        found['beside'][kind] = near
        angles = angles[nearest]
        told = (*(places[nearest] - _MIDDLES[near]).T, np.cos(2.0 * angles), np.sin(2.0 * angles))
        found['line_at'][kind][:, near] = np.stack(told)
        if kind == CENTRE:
            found['travel'][:, near] = np.stack([np.cos(angles), np.sin(angles)])
    for kind in range(marks):
        places = example.lanes.marks[example.lanes.marks[:, 0] == kind, 1:]
        if len(places):
            distance, nearest = cKDTree(places).query(_MIDDLES.reshape(-1, 2), distance_upper_bound=STANDS_M)
            near = np.isfinite(distance).reshape(LANES)
            found['marks'][kind] = found['mark_beside'][kind] = near
            found['mark_at'][kind][:, near] = (places[nearest.reshape(LANES)[near]] - _MIDDLES[near]).T
    return found


def _about(places: np.ndarray) -> np.ndarray:
    """Return (*LANES) which cells lie near any of (N, 2) places: all within BESIDE_M, and some more."""
    wide = np.array(LANES) + 2 * _CELLS  # lines just outside count too
    cell = np.floor((places - LANES_ORIGIN_M) / CELL_M).astype(int) + _CELLS
    mask = np.zeros(tuple(wide), np.uint8)
    mask[tuple(cell[((cell >= 0) & (cell < wide)).all(axis=1)].T)] = 1
    return (cv2.dilate(mask, np.ones((2 * _CELLS + 1,) * 2, np.uint8)) > 0)[_CELLS:-_CELLS, _CELLS:-_CELLS]


def _dense(line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return places along a line and the direction [rad] at each."""
    steps = np.diff(line, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    counts = np.maximum(1, np.ceil(lengths / _FINE_M).astype(int))
    angles = np.arctan2(steps[:, 1], steps[:, 0])
    parts = [line[n] + np.arange(count)[:, None] / count * steps[n] for n, count in enumerate(counts)]
    return np.concatenate(parts), np.repeat(angles, counts)


def lane_inputs_of(batch: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    """Return what LaneNetwork takes of a batch of samples, in order."""
    return tuple(batch[name].float() for name in LANE_INPUTS)


def lane_losses(outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return {what: loss} and 'total'. outputs: of LaneNetwork; targets: of lane_sample_of, stacked."""
    lines = outputs['lines'].float().unflatten(1, (len(LANE_KINDS), len(LINE_TOLD)))
    marks = outputs['marks'].float().unflatten(1, (len(LANDMARKS), len(MARK_TOLD)))
    kind = torch.tensor(KIND, device=lines.device)[:, None, None]
    beside, at = targets['beside'] * targets['asked'] * kind, targets['line_at']
    stands = targets['mark_beside'] * targets['asked']
    travel = (outputs['travel'].float() - targets['travel']).square().sum(1)
    positive = torch.tensor(POSITIVE, device=lines.device)[:, None, None]
    found = {
        'lines': _sure(lines[:, :, 0], targets['lines'], targets['asked'] * kind, positive),
        'marks': _sure(marks[:, :, 0], targets['marks'], targets['asked'], torch.tensor(POSITIVE_MARK)),
        'at': _mean((lines[:, :, 1:3] - at[:, :, :2]).abs().sum(2), beside)
        + _mean((marks[:, :, 1:3] - targets['mark_at']).abs().sum(2), stands),
        'direction': _mean((lines[:, :, 3:] - at[:, :, 2:]).square().sum(2), beside),
        'travel': _mean(travel, beside[:, CENTRE]),
    }
    found['total'] = torch.stack([WEIGHTS[name] * loss for name, loss in found.items()]).sum()
    return found


def _sure(logits: Tensor, true: Tensor, weight: Tensor, positive: Tensor) -> Tensor:
    wrong = binary_cross_entropy_with_logits(logits, true, reduction='none', pos_weight=positive.to(logits.device))
    return _mean(wrong, weight.expand_as(wrong))


def _mean(value: Tensor, weight: Tensor) -> Tensor:
    return (value * weight).sum() / weight.sum().clamp(min=1.0)
