"""What a thing did, told from before and from after: Kalman filter forwards, Rauch-Tung-Striebel smoother backwards.

H. E. Rauch, F. Tung, C. T. Striebel: Maximum likelihood estimates of linear dynamic systems, AIAA Journal 3(8), 1965.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Smooth:
    """values, rates: (T, D). covariances: (T, 2 D, 2 D) of both."""

    values: np.ndarray
    rates: np.ndarray
    covariances: np.ndarray


def smoothed(
    times_s: np.ndarray, measured: np.ndarray, noise: np.ndarray, push: float, rate_sigma: float
) -> Smooth:
    """Return D values and their rates at T times, of which some were measured.

    times_s: (T,) rising. measured: (T, D), a row of NaN where nothing was; one row at least. noise: (T, D, D)
    covariances. push: white acceleration (standard deviation over one step). rate_sigma: of the rates at first.
    """
    count, size = measured.shape
    told = np.isfinite(measured).all(axis=1)
    first = int(np.argmax(told))
    if not told.any():
        raise ValueError('nothing was measured')
    mean = np.concatenate([measured[first], np.zeros(size)])
    spread = np.zeros((2 * size, 2 * size))
    spread[:size, :size], spread[size:, size:] = 4.0 * noise[first], rate_sigma**2 * np.eye(size)
    means, spreads = np.empty((count, 2 * size)), np.empty((count, 2 * size, 2 * size))
    ahead, ahead_spreads, steps = np.empty_like(means), np.empty_like(spreads), np.empty_like(spreads)
    for k in range(count):
        passed_s = times_s[k] - times_s[k - 1] if k else 0.0
        steps[k] = np.kron([[1.0, passed_s], [0.0, 1.0]], np.eye(size))
        pushed = np.array([passed_s**2 / 2.0, passed_s])
        ahead[k] = steps[k] @ mean
        ahead_spreads[k] = steps[k] @ spread @ steps[k].T + np.kron(np.outer(pushed, pushed) * push**2, np.eye(size))
        mean, spread = ahead[k], ahead_spreads[k]
        if told[k]:
            gain = np.linalg.solve(spread[:size, :size] + noise[k], spread[:size]).T
            mean = mean + gain @ (measured[k] - mean[:size])
            spread = spread - gain @ spread[:size]
            spread = (spread + spread.T) / 2.0
        means[k], spreads[k] = mean, spread
    for k in range(count - 2, -1, -1):
        gain = np.linalg.solve(ahead_spreads[k + 1], steps[k + 1] @ spreads[k]).T
        means[k] = means[k] + gain @ (means[k + 1] - ahead[k + 1])
        spreads[k] = spreads[k] + gain @ (spreads[k + 1] - ahead_spreads[k + 1]) @ gain.T
    return Smooth(means[:, :size], means[:, size:], spreads)


def quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """Return the smallest of (N,) values up to which lies that share of the weights (N,)."""
    order = np.argsort(values, kind='stable')
    total = np.cumsum(weights[order])
    return float(values[order][min(np.searchsorted(total, share * total[-1]), len(values) - 1)])
