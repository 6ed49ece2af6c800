"""What no road user can do: paths that break physics are replaced, whatever made them."""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit


@dataclass(frozen=True)
class GuardConfig:
    """Bounds on a path: its speed by that of now, its lateral acceleration, and how far off it may begin."""

    speed_factor: float = 1.3
    speed_margin_mps: float = 10.0
    lateral_mps2: float = 8.0
    start_m: float = 1.0

    def __post_init__(self) -> None:
        for name in ('speed_factor', 'speed_margin_mps', 'lateral_mps2', 'start_m'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'{name}={getattr(self, name)} must be above 0')


def broken(paths: np.ndarray, xy: np.ndarray, speeds_mps: np.ndarray, step_s: float, config: GuardConfig) -> np.ndarray:
    """Return (N, K) whether a path of (N, K, P, 3) is impossible for a mover at (N, 2) `xy` with (N,) speeds."""
    allowed = config.speed_factor * speeds_mps + config.speed_margin_mps
    paths, xy = np.ascontiguousarray(paths), np.ascontiguousarray(xy)
    return _broken(paths, xy, allowed, step_s, config.lateral_mps2, config.start_m)


@njit(cache=True)
def _broken(
    paths: np.ndarray, xy: np.ndarray, allowed: np.ndarray, step_s: float, lateral_mps2: float, start_m: float
) -> np.ndarray:
    count, modes, steps, _ = paths.shape
    found = np.zeros((count, modes), np.bool_)
    for n in range(count):
        for k in range(modes):
            path, before, course = paths[n, k], 0.0, 0.0
            bad = not (math.hypot(path[0, 0] - xy[n, 0], path[0, 1] - xy[n, 1]) <= start_m)
            for step in range(steps):
                bad = bad or not (math.isfinite(path[step, 0] + path[step, 1]) and math.isfinite(path[step, 2]))
            for step in range(steps - 1):
                if bad:
                    break
                dx, dy = path[step + 1, 0] - path[step, 0], path[step + 1, 1] - path[step, 1]
                speed, direction = math.hypot(dx, dy) / step_s, math.atan2(dy, dx)
                bad = speed > allowed[n]
                if step > 0:
                    turned = abs((direction - course + math.pi) % (2.0 * math.pi) - math.pi)
                    bad = bad or turned / step_s * min(speed, before) > lateral_mps2
                before, course = speed, direction
            found[n, k] = bad
    return found
