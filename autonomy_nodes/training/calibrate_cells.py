"""Fit what both channels' word on a cell is worth: perception/cell_judge.py, a perceptron with one hidden layer."""

import numpy as np
import torch

from autonomy_nodes.evaluation.measures.reliability import binned
from autonomy_nodes.perception.cell_judge import FEATURES, CellJudge
from autonomy_nodes.perception.confidence import chance
from autonomy_nodes.training.cell_rows import CellRows

HIDDEN, STEPS, BATCH, RATE, DECAY = 8, 4000, 4096, 0.01, 1e-3
FEWEST = 2000
FREE = 0.95  # share of the cells that may be entered, called free, at which errors are told


def fit_cells(rows: CellRows, seed: int = 0) -> CellJudge | None:
    """Return the judge under which what is barred and what is not is the most probable; None of too few cells."""
    if len(rows.barred) < FEWEST or rows.barred.all() or not rows.barred.any():
        return None
    mean, scale = rows.features.mean(axis=0), rows.features.std(axis=0) + 1e-3
    told, barred = (torch.from_numpy(values) for values in ((rows.features - mean) / scale, rows.barred))
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inner, outer = torch.nn.Linear(len(FEATURES), HIDDEN), torch.nn.Linear(HIDDEN, 1)
    network = torch.nn.Sequential(inner, torch.nn.ReLU(), outer)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    for step in range(STEPS):
        some = torch.randint(len(told), (BATCH,), generator=generator)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(told[some])[:, 0], barred[some].float())
        optimizer.param_groups[0]['lr'] = RATE * (1.0 - step / STEPS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weight = inner.weight.detach().numpy().T
    first = (weight / scale[:, None]).astype(np.float32)
    bias = (inner.bias.detach().numpy() - (mean / scale) @ weight).astype(np.float32)
    return CellJudge(first, bias, outer.weight.detach().numpy()[0].copy(), float(outer.bias.item()))


def judged_cells(rows: CellRows, judge: CellJudge | None) -> dict[str, float]:
    """Return how good a judge is on cells; of none what the network's word 'blocked' is alone.

    at_half: chance from which it bars. barred_called_free at `free` of those that may be entered called free.
    """
    if judge is None:
        sure = chance(rows.features[:, FEATURES.index('blocked')].astype(float))
    else:
        hidden = np.maximum(rows.features @ judge.first + judge.bias, 0.0)
        sure = chance((hidden @ judge.second + judge.offset).astype(float))
    if rows.barred.all() or not rows.barred.any():
        return {'n': len(sure)}
    limit = float(np.quantile(sure[~rows.barred], FREE))
    found = {
        'n': len(sure), 'n_barred': int(rows.barred.sum()), 'free': FREE,
        'barred_called_free': float((sure[rows.barred] <= limit).mean()), 'limit': limit,
        'free_at_half': float((sure[~rows.barred] < 0.5).mean()),
        'barred_called_free_at_half': float((sure[rows.barred] < 0.5).mean()),
        'ece': binned(sure, rows.barred).error,
    }  # fmt: skip
    return {name: round(value, 4) for name, value in found.items()}
