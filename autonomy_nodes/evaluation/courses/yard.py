"""Yards with walls and parked trailers, no lanes: what stands there leaves room for one hand-made drive of a truck."""

import math

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.courses.place import (
    FINE_M,
    STEP_M,
    WITNESS_M,
    Place,
    fill,
    followed,
    outlines,
    painted,
    read,
    room_of,
    witnessed_m,
)
from autonomy_nodes.sim.judge import rectangle
from autonomy_nodes.sim.scenes.roads import curve

ROOM_M = (1.0, 2.0)  # beside the witness, drawn; less than that nothing stands
FENCE_M = (5.0, 14.0)
RADII_M = (11.0, 16.0)  # of the drive axle
TRAILER_M, WALL_M, ROW_M = (13.6, 2.55), 0.4, 3.4  # the last from one to the next in a row
EASED_M = 8.0  # over which a bend begins
ATTEMPTS = 100


def yard(seed: int, vehicle: Vehicle) -> Place:
    """Return a fenced yard; the goal lies behind two bends or three."""
    rng = np.random.default_rng([seed, 62])
    for _ in range(ATTEMPTS):
        line = _way(rng)
        states = followed(line, vehicle)
        if states is None or _crosses(line):
            continue
        swept = outlines(states, vehicle)
        low, high = (pick(swept.reshape(-1, 2), axis=0) for pick in (np.min, np.max))
        low, high = low - rng.uniform(*FENCE_M, 2), high + rng.uniform(*FENCE_M, 2)
        fence = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
        cells, corner = painted([fence], fence, 4.0)
        room = float(rng.uniform(*ROOM_M))
        free, count = _furnished(cells, corner, swept, room, (low, high), rng)
        kept = witnessed_m([line], free, corner, vehicle)
        if kept >= WITNESS_M:
            facts = {'room_m': room, 'n_parked': count}
            start = (*line[0].tolist(), float(states[0, 2]))
            return Place('yard', seed, free, corner, line, start, line[-1], False, kept, facts)
    raise DataError(f'yard {seed}: no drawn place can be driven')


def _way(rng: np.random.Generator) -> np.ndarray:
    """Return the line of the witness: straight on, and bends to both sides."""
    bends, side = [np.zeros(round(rng.uniform(8.0, 20.0) / STEP_M))], float(rng.choice([-1.0, 1.0]))
    for _ in range(int(rng.integers(2, 4))):
        radius, angle = float(rng.uniform(*RADII_M)), math.radians(rng.uniform(50.0, 110.0))
        held = max(angle * radius - EASED_M, 0.0)
        ramp = np.linspace(0.0, 1.0, round(EASED_M / STEP_M))
        bends.append(side / radius * np.concatenate([ramp, np.ones(round(held / STEP_M)), ramp[::-1]]))
        bends.append(np.zeros(round(rng.uniform(6.0, 22.0) / STEP_M)))
        side *= -1.0 if rng.random() < 0.7 else 1.0
    bends.append(np.zeros(round(8.0 / STEP_M)))
    told = np.concatenate(bends)
    return curve((len(told) - 1) * STEP_M, told, (0.0, 0.0, float(rng.uniform(-np.pi, np.pi))), STEP_M)


def _crosses(line: np.ndarray) -> bool:
    """Return whether a line comes near to where it was more than 40 m before."""
    apart = np.hypot(*(line[:, None] - line[None]).transpose(2, 0, 1))
    before = np.abs(np.subtract.outer(np.arange(len(line)), np.arange(len(line)))) > 40.0 / STEP_M
    return bool((apart[before] < 10.0).any())


def _furnished(
    cells: np.ndarray, corner: np.ndarray, swept: np.ndarray, room_m: float, box: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> tuple[np.ndarray, int]:  # fmt: skip
    """Return what stays free with rows of trailers and walls put where the witness does not come, and how many."""
    clear = np.ones(cells.shape, np.uint8)
    for edge in swept[:: round(1.0 / STEP_M)]:
        index = np.floor((edge - corner) / FINE_M).astype(int)
        clear[index[:, 0], index[:, 1]] = 0
    away = room_of(clear.astype(bool))  # from the edges of what the witness sweeps
    count, stand = 0, cells.astype(np.uint8)
    for _ in range(60):
        middle, heading = rng.uniform(box[0], box[1]), float(rng.uniform(-np.pi, np.pi))
        beside = np.array([-math.sin(heading), math.cos(heading)])
        row = int(rng.integers(1, 6)) if rng.random() < 0.7 else 0
        size = TRAILER_M if row else (float(rng.uniform(8.0, 30.0)), WALL_M)
        for place in range(max(row, 1)):
            x, y = (middle + ROW_M * place * beside).tolist()
            outline = rectangle(x, y, heading, *size)
            if _edge(away, corner, outline) > room_m:
                fill(stand, corner, outline, 0)
                count += 1
    return stand.astype(bool), count


def _edge(away: np.ndarray, corner: np.ndarray, outline: np.ndarray) -> float:
    """Return how near any place in an outline (4, 2) comes to what the witness sweeps."""
    a, b = np.meshgrid(np.linspace(0.0, 1.0, 40), np.linspace(0.0, 1.0, 8), indexing='ij')
    inside = outline[0] + a[..., None] * (outline[3] - outline[0]) + b[..., None] * (outline[1] - outline[0])
    return float(read(away, corner, inside).min())
