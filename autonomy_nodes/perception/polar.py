"""Polar cells around the vehicle that widen with range, and sorting points into them."""

import numpy as np
from numba import njit

FINEST_M = 0.25  # ring edges are multiples of this, so that a table finds the ring of a range


def ring_table(
    range_m: float, cell_m: float, growth: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return ring edges (R + 1,), the ring of each range step, sectors (R,) of each ring, its first cell (R + 1,).

    Rings are cell_m deep near by and `growth` times their range farther out; sectors are about as wide.
    """
    edges = [0.0]
    while edges[-1] < range_m:
        width = max(cell_m, growth * edges[-1])
        edges.append(edges[-1] + FINEST_M * max(1, round(width / FINEST_M)))
    edges_m = np.array(edges)
    middles, widths = (edges_m[1:] + edges_m[:-1]) / 2.0, np.diff(edges_m)
    sectors = np.clip(np.round(2.0 * np.pi * middles / widths), 6, 180).astype(np.int64)
    steps = np.arange(0.0, edges_m[-1], FINEST_M) + FINEST_M / 2.0
    ring_of = np.searchsorted(edges_m, steps) - 1
    return edges_m, ring_of, sectors, np.concatenate([[0], np.cumsum(sectors)])


@njit(cache=True)
def turn_of(x: float, y: float) -> float:
    """Return the direction of (x, y) as a share of a full turn in [0, 1], to 0.001: enough to sort into cells."""
    ax, ay = abs(x), abs(y)
    if ax + ay == 0.0:
        return 0.0
    q = min(ax, ay) / max(ax, ay)
    angle = q * (0.125 + 0.04345 * (1.0 - q))  # atan within 0.004 rad
    if ay > ax:
        angle = 0.25 - angle
    if x < 0.0:
        angle = 0.5 - angle
    return 1.0 - angle if y < 0.0 else angle


@njit(cache=True)
def bucket(
    xyz: np.ndarray, ring_of: np.ndarray, sectors: np.ndarray, first_cell: np.ndarray, range_m: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the cell of each point (-1 outside), the points (3, M) sorted by cell, and where each starts there."""
    count, cells_total = len(xyz), first_cell[-1]
    cells = np.empty(count, np.int32)
    starts = np.zeros(cells_total + 2, np.int64)
    for i in range(count):
        x, y = xyz[i, 0], xyz[i, 1]
        distance = np.sqrt(x * x + y * y)
        if not distance < range_m:
            cells[i] = -1
            continue
        ring = ring_of[int(distance / FINEST_M)]
        sector = min(int(turn_of(x, y) * sectors[ring]), sectors[ring] - 1)
        cells[i] = first_cell[ring] + sector
        starts[cells[i] + 2] += 1
    for cell in range(2, cells_total + 2):
        starts[cell] += starts[cell - 1]
    points = np.empty((3, starts[cells_total + 1]), xyz.dtype)
    for i in range(count):
        if cells[i] >= 0:
            place = starts[cells[i] + 1]
            points[0, place], points[1, place], points[2, place] = xyz[i, 0], xyz[i, 1], xyz[i, 2]
            starts[cells[i] + 1] = place + 1
    return cells, points, starts[: cells_total + 1]
