"""Paths to try: shifted from the reference, arcs over open ground, and those somebody else proposes."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import unwrapped
from autonomy_nodes.planning.reference import STEP_M, Reference

SHARPNESS_PER_M = 0.05  # how fast curvature changes along an arc [1/m per m]


@dataclass(frozen=True, eq=False)
class Paths:
    """P paths of M points each; a vehicle is at a place `u` on its path, in points, and moves u by metres / scale.

    names: what each is, in words. points: (P, M, 2) in odom. headings: (P, M), unwrapped. curvatures: (P, M).
    scale_m: (P, M) metres a point. sideways_m: (P, M) how far left of the reference, whose stations its
    points then share; NaN for what is no shift of it.
    """

    names: tuple[str, ...]
    points: np.ndarray
    headings: np.ndarray
    curvatures: np.ndarray
    scale_m: np.ndarray
    sideways_m: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    @property
    def gone_m(self) -> np.ndarray:
        """(P, M) metres along the path from its first point."""
        steps = 0.5 * (self.scale_m[:, 1:] + self.scale_m[:, :-1])
        return np.concatenate([np.zeros((len(self), 1)), np.cumsum(steps, axis=1)], axis=1)


def joined(several: list[Paths]) -> Paths:
    """Return all paths in one."""
    def stack(name: str) -> np.ndarray:
        return np.concatenate([getattr(paths, name) for paths in several])

    names = tuple(name for paths in several for name in paths.names)
    return Paths(names, stack('points'), stack('headings'), stack('curvatures'), stack('scale_m'), stack('sideways_m'))


def shifted(
    reference: Reference,
    start: tuple[float, float, float],
    wheel_curvature: float,
    shifts: list[tuple[str, float, float]],
    count: int,
) -> Paths:
    """Return paths that leave from the vehicle and settle beside the reference.

    start: station, offset and heading error of the vehicle. shifts: (name, offset, metres until it is reached) each.
    The offset is a quintic of the station, which starts with our heading and curvature (Werling et al. 2010).
    """
    station, offset, error = start
    gone = np.arange(count) * STEP_M
    line, heading, curvature = reference.at(station + gone)
    ends, reach = np.array([shift[1] for shift in shifts]), np.array([shift[2] for shift in shifts])
    stretch = max(1.0 - float(curvature[0]) * offset, 0.3)
    slope = np.clip(np.tan(np.clip(error, -1.0, 1.0)) * stretch, -1.0, 1.0)
    bend = np.clip(wheel_curvature - curvature[0], -0.2, 0.2)
    sideways = _quintic(offset, slope, bend, ends, reach, gone)  # (P, M)
    normal = np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
    return _measured(tuple(shift[0] for shift in shifts), line + sideways[..., None] * normal, sideways)


def arcs(
    pose: np.ndarray, wheel_curvature: float, pairs: list[tuple[float, float]], bend_m: float, count: int
) -> Paths:
    """Return paths from a (3,) pose that take one curvature for `bend_m`, then another; changes are gradual.

    pairs: the two curvatures of each.
    """
    gone = np.arange(count) * STEP_M
    first, second = (np.array(column)[:, None] for column in zip(*pairs))
    step = SHARPNESS_PER_M * gone
    rising = wheel_curvature + np.clip(first - wheel_curvature, -step, step)
    later = SHARPNESS_PER_M * np.maximum(gone - bend_m, 0.0)
    curvature = rising + np.clip(second - first, -later, later) * (gone > bend_m)  # (P, M)
    heading = pose[2] + _integral(curvature)
    points = pose[:2] + np.stack([_integral(np.cos(heading)), _integral(np.sin(heading))], axis=-1)
    names = tuple(_arc_name(one, two) for one, two in pairs)
    scale = np.full_like(curvature, STEP_M)
    return Paths(names, points, heading, curvature, scale, np.full_like(curvature, np.nan))


def through(names: tuple[str, ...], drives: np.ndarray, count: int) -> Paths:
    """Return paths through (P, K, 3) x y heading of drives; straight on after their ends."""
    paths = []
    for drive in drives:
        gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(drive[:, :2], axis=0), axis=1))])
        fresh = np.concatenate([[True], np.diff(gone) > 1e-3])  # a drive that stands repeats its last place
        gone, poses = gone[fresh], drive[fresh]
        heading = unwrapped(poses[:, 2])
        stations = np.arange(count) * STEP_M
        over = np.maximum(stations - gone[-1], 0.0)
        x, y = (np.interp(stations, gone, poses[:, axis]) for axis in range(2))
        paths.append(np.stack([x + over * np.cos(heading[-1]), y + over * np.sin(heading[-1])], axis=-1))
    return _measured(names, np.stack(paths), np.full((len(drives), count), np.nan), drives[:, 0, 2])


def _measured(
    names: tuple[str, ...], points: np.ndarray, sideways_m: np.ndarray, first_heading: np.ndarray | None = None
) -> Paths:
    """Return paths through (P, M, 2) points, with heading and curvature by differences."""
    steps = np.gradient(points, axis=1, edge_order=2)
    scale = np.maximum(np.hypot(steps[..., 0], steps[..., 1]), 1e-3)
    headings = unwrapped(np.arctan2(steps[..., 1], steps[..., 0]))
    if first_heading is not None:  # a drive that stands has no direction of its own
        still = scale[:, 0] <= 1e-3
        headings[still] = first_heading[still, None]
    curvatures = np.gradient(headings, axis=1, edge_order=2) / scale
    return Paths(names, points, headings, curvatures, scale, sideways_m)


def _quintic(
    offset: float, slope: float, bend: float, ends: np.ndarray, reach: np.ndarray, gone: np.ndarray
) -> np.ndarray:
    """Return (P, M) of the quintics from (offset, slope, bend) to (end, 0, 0) at `reach`, constant after it."""
    a0, a1, a2 = offset, slope, bend / 2.0
    t = reach[:, None]
    rest = ends[:, None] - a0 - a1 * t - a2 * t**2
    rest1, rest2 = (-a1 - 2.0 * a2 * t) * t, -2.0 * a2 * t**2
    c3 = 10.0 * rest - 4.0 * rest1 + 0.5 * rest2
    c4 = -15.0 * rest + 7.0 * rest1 - rest2
    c5 = 6.0 * rest - 3.0 * rest1 + 0.5 * rest2
    x = np.minimum(gone / t, 1.0)
    inside = a0 + a1 * x * t + a2 * (x * t) ** 2 + x**3 * (c3 + x * (c4 + x * c5))
    return np.where(gone < t, inside, ends[:, None])


def _integral(values: np.ndarray) -> np.ndarray:
    """Return the integral along the last axis over steps of STEP_M, from zero (trapezoid)."""
    steps = 0.5 * (values[:, 1:] + values[:, :-1]) * STEP_M
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(steps, axis=1)], axis=1)


def _arc_name(first: float, second: float) -> str:
    def side(curvature: float) -> str:
        turn = 'left' if curvature > 0.0 else 'right'
        return 'straight' if curvature == 0.0 else f'{turn} {1.0 / abs(curvature):.0f} m'

    return f'arc {side(first)}' if first == second else f'arc {side(first)} then {side(second)}'
