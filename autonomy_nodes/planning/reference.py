"""The line that the vehicle follows: points a metre apart with heading and curvature, and places measured along it."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import unwrapped
from autonomy_nodes.planning.reference_loops import projected

STEP_M = 1.0
SMOOTH = np.array([1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0]) / 16.0  # spreads a kink of a map line over 7 m
COARSE = 3  # every third point is tried first; the others are found by the tangent


@dataclass(frozen=True, eq=False)
class Reference:
    """A line in odom.

    kind: what it follows: 'route', 'lane', 'goal' or 'ahead'.
    points: (M, 2). headings: (M,), unwrapped. curvatures: (M,). Stations count from its first point, in metres.
    """

    kind: str
    points: np.ndarray
    headings: np.ndarray
    curvatures: np.ndarray

    @property
    def length_m(self) -> float:
        """Station of the last point."""
        return (len(self.points) - 1) * STEP_M

    def at(self, stations: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (..., 2) points, (...) headings and curvatures; straight on beyond both ends."""
        inside = np.clip(stations, 0.0, self.length_m)
        low = np.minimum((inside / STEP_M).astype(np.int64), len(self.points) - 2)
        part = inside / STEP_M - low
        heading = self.headings[low] + part * (self.headings[low + 1] - self.headings[low])
        over = stations - inside
        point = self.points[low] + part[..., None] * (self.points[low + 1] - self.points[low])
        point = point + over[..., None] * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
        curvature = self.curvatures[low] + part * (self.curvatures[low + 1] - self.curvatures[low])
        return point, heading, np.where(over == 0.0, curvature, 0.0)

    def project(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (...) stations, offsets (left positive) and headings of the line beside (..., 2) places."""
        flat = np.ascontiguousarray(xy.reshape(-1, 2), float)
        found = projected(flat, self.points, self.headings, self.curvatures, COARSE, STEP_M)
        stations, offsets, headings = (values.reshape(xy.shape[:-1]) for values in found)
        return stations, offsets, headings


def reference_through(kind: str, points: np.ndarray) -> Reference:
    """Return a smooth reference through (K, 2) points; refused (ValueError) below 2 m of length."""
    return reference_of(kind, smoothed(evenly(points)))


def reference_of(kind: str, points: np.ndarray) -> Reference:
    """Return the reference whose points these are: (M, 2), a station apart."""
    headings = unwrapped(np.arctan2(np.gradient(points[:, 1]), np.gradient(points[:, 0])))
    lengths = np.maximum(np.linalg.norm(np.gradient(points, axis=0), axis=1), 1e-3)
    return Reference(kind, points, headings, np.gradient(headings) / lengths)


def evenly(points: np.ndarray) -> np.ndarray:
    """Return (M, 2) points a station apart along (K, 2) others; refused (ValueError) below 2 m of length."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    points = points[np.concatenate([[True], steps > 1e-6])]
    gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    if gone[-1] < 2.0 * STEP_M:
        raise ValueError(f'a reference of {gone[-1]:.2f} m is too short')
    stations = np.arange(0.0, gone[-1], STEP_M)
    return np.column_stack([np.interp(stations, gone, points[:, 0]), np.interp(stations, gone, points[:, 1])])


def smoothed(points: np.ndarray) -> np.ndarray:
    """Return (M, 2) points averaged along the line; its ends stay where they are."""
    reach = len(SMOOTH) // 2
    if len(points) <= reach:
        return points
    before = 2.0 * points[0] - points[reach:0:-1]
    after = 2.0 * points[-1] - points[-2 : -reach - 2 : -1]
    wide = np.concatenate([before, points, after])
    return np.column_stack([np.convolve(wide[:, axis], SMOOTH, mode='valid') for axis in range(2)])
