"""What no road user can do: paths that break physics are replaced, whatever made them."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import wrapped


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
    with np.errstate(invalid='ignore'):
        steps = np.diff(paths[..., :2], axis=2)  # (N, K, P - 1, 2)
        speeds = np.hypot(steps[..., 0], steps[..., 1]) / step_s
        allowed = config.speed_factor * speeds_mps + config.speed_margin_mps
        fast = speeds.max(axis=2) > allowed[:, None]
        course = np.arctan2(steps[..., 1], steps[..., 0])
        rates = np.abs(np.asarray(wrapped(np.diff(course, axis=2)))) / step_s
        lateral = rates * np.minimum(speeds[..., 1:], speeds[..., :-1])
        away = np.hypot(*np.moveaxis(paths[:, :, 0, :2] - xy[:, None], 2, 0)) > config.start_m
        bad = fast | (lateral > config.lateral_mps2).any(axis=2) | away
    return bad | ~np.isfinite(paths).all(axis=(2, 3))
