"""Elevations of the beams of LiDARs, by make [deg]: after the makers' manuals, rounded."""

import numpy as np

_VLP32 = (
    -25.0, -15.64, -11.31, -8.84, -7.25, -6.15, -5.33, -4.67, -4.0, -3.67, -3.33, -3.0, -2.67, -2.33, -2.0, -1.67,
    -1.33, -1.0, -0.67, -0.33, 0.0, 0.33, 0.67, 1.0, 1.33, 1.67, 2.33, 3.33, 4.67, 7.0, 10.33, 15.0,
)  # fmt: skip
_EVEN_16 = np.linspace(-15.0, 15.0, 16)
ELEVATIONS_DEG: dict[str, np.ndarray] = {  # rising
    'vlp16': _EVEN_16,
    'vlp32': np.array(_VLP32),
    'hdl32': np.linspace(-30.67, 10.67, 32),
    'hdl64': np.concatenate([np.linspace(-24.33, -8.83, 32), np.linspace(-8.33, 2.0, 32)]),
    'pandar64': np.concatenate([
        np.linspace(-25, -14, 6), np.linspace(-13, -6.2, 8), np.linspace(-6, 2, 45), np.linspace(3, 15, 5),
    ]),
    'os16': np.linspace(-16.6, 16.6, 16),
    'os32': np.linspace(-22.5, 22.5, 32),
    'os64': np.linspace(-22.5, 22.5, 64),
    'os64_flat': np.linspace(-16.6, 16.6, 64),
    'os128': np.linspace(-22.5, 22.5, 128),
    # of no make: with equal steps, and denser towards the horizon, as current sensors of 64 and more beams are
    '16': _EVEN_16,
    '32': np.linspace(-25.0, 15.0, 32),
    '64': np.concatenate([np.linspace(-25.0, -8.0, 24, endpoint=False), np.linspace(-8.0, 5.0, 40)]),
}  # fmt: skip
