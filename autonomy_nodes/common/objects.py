"""Road users as arrays: one row an object, for all that perceive, track, predict and plan."""

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any

import numpy as np

from autonomy_nodes.common.types import check_array


class Label(IntEnum):
    """Classes of objects, with the numbers of autoware's ObjectClassification."""

    UNKNOWN = 0
    CAR = 1
    TRUCK = 2
    BUS = 3
    TRAILER = 4
    MOTORCYCLE = 5
    BICYCLE = 6
    PEDESTRIAN = 7
    ANIMAL = 8
    HAZARD = 9
    OVER_DRIVABLE = 10
    UNDER_DRIVABLE = 11


@dataclass(frozen=True, eq=False)
class Objects:
    """N objects, in base_link when detected and in odom when tracked.

    positions_m: (N, 3) centre of the box. headings_rad: (N,).
    dimensions_m: (N, 3) length, width, height.
    existence: (N,) probability that there is something.
    class_probabilities: (N, 12), a column a `Label`; a row sums to 1.
    velocities_mps: (N, 2) over ground, along the axes of `frame`; NaN where not known.
    heading_rates_rps: (N,); NaN where not known.
    pose_covariances: (N, 3, 3) of x, y, heading. velocity_covariances: (N, 2, 2), axes of `frame`.
    ids: (N, 16) uint8 (UUID), stable over time; None for detected objects.
    """

    stamp_ns: int
    frame: str
    positions_m: np.ndarray
    headings_rad: np.ndarray
    dimensions_m: np.ndarray
    existence: np.ndarray
    class_probabilities: np.ndarray
    velocities_mps: np.ndarray
    heading_rates_rps: np.ndarray
    pose_covariances: np.ndarray
    velocity_covariances: np.ndarray
    ids: np.ndarray | None = None

    def __post_init__(self) -> None:
        count = len(self.positions_m)
        check_array('positions_m', self.positions_m, count, 3)
        check_array('headings_rad', self.headings_rad, count)
        check_array('dimensions_m', self.dimensions_m, count, 3)
        check_array('existence', self.existence, count)
        check_array('class_probabilities', self.class_probabilities, count, len(Label))
        check_array('velocities_mps', self.velocities_mps, count, 2, finite=False)
        check_array('heading_rates_rps', self.heading_rates_rps, count, finite=False)
        check_array('pose_covariances', self.pose_covariances, count, 3, 3)
        check_array('velocity_covariances', self.velocity_covariances, count, 2, 2)
        if self.ids is not None:
            check_array('ids', self.ids, count, 16)

    def __len__(self) -> int:
        return len(self.positions_m)

    @property
    def flat(self) -> np.ndarray:
        """(N, 5) x y length width heading, as seen from above."""
        return np.column_stack([self.positions_m[:, :2], self.dimensions_m[:, :2], self.headings_rad])

    @property
    def labels(self) -> np.ndarray:
        """(N,) the most probable `Label` of each."""
        return np.argmax(self.class_probabilities, axis=1)

    def kept(self, which: np.ndarray) -> 'Objects':
        """Return the objects of a mask (N,) or of indices."""
        rows: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, np.ndarray):
                rows[each.name] = value[which]
        return replace(self, **rows)

    def names(self) -> list[str]:
        """Return a short name of each tracked object: the first four bytes of its id in hexadecimal."""
        if self.ids is None:
            return []
        text = self.ids[:, :4].tobytes().hex()
        return [text[start : start + 8] for start in range(0, len(text), 8)]


def no_objects(stamp_ns: int, frame: str, tracked: bool) -> Objects:
    """Return zero objects; `tracked` ones have ids."""

    def empty(*shape: int) -> np.ndarray:
        return np.zeros((0, *shape))

    ids = np.zeros((0, 16), np.uint8) if tracked else None
    boxes = (empty(3), empty(), empty(3), empty(), empty(len(Label)), empty(2), empty(), empty(3, 3), empty(2, 2))
    return Objects(stamp_ns, frame, *boxes, ids=ids)


@dataclass(frozen=True, eq=False)
class Predictions:
    """What each tracked object will probably do.

    objects: N objects in odom, with ids.
    paths: (N, K, P, 3) x y [m], heading [rad] in odom at 0, step_s, 2 step_s, ...; path k of every object
        belongs to scene mode k. At most K = 6 and P = 17 (8 s at 0.5 s).
    probabilities: (N, K), a row sums to 1.
    """

    objects: Objects
    paths: np.ndarray
    probabilities: np.ndarray
    step_s: float

    def __post_init__(self) -> None:
        count = len(self.objects)
        check_array('paths', self.paths, count, None, None, 3)
        check_array('probabilities', self.probabilities, count, self.paths.shape[1])

    @property
    def stamp_ns(self) -> int:
        """The stamp of the sweep behind it."""
        return self.objects.stamp_ns


@dataclass(frozen=True, eq=False)
class SceneModes:
    """Joint futures: probabilities (K,) of mode k, in which every object follows its path k."""

    stamp_ns: int
    probabilities: np.ndarray


INTENTS = ('keep', 'left', 'right', 'turn', 'yield', 'stop', 'cross')  # prediction/intents.py tells what they mean
SIGMA_TIMES_S = (2.0, 4.0, 6.0, 8.0)


@dataclass(frozen=True, eq=False)
class Intents:
    """What each object of the predictions of the same stamp is about to do, in their order, and how sure that is.

    chances: (N, len(INTENTS)), a row sums to 1. sigmas_m: (N, len(SIGMA_TIMES_S), 2) standard deviation along and
    across the direction of travel about its likeliest path, NaN where nobody tells.
    """

    stamp_ns: int
    chances: np.ndarray
    sigmas_m: np.ndarray

    def __post_init__(self) -> None:
        check_array('chances', self.chances, None, len(INTENTS))
        check_array('sigmas_m', self.sigmas_m, len(self.chances), len(SIGMA_TIMES_S), 2, finite=False)


@dataclass(frozen=True, eq=False)
class EgoProposals:
    """What a driver like ours would do here: drives (M, P, 5) x y z [m], heading [rad], speed [m/s] in odom.

    probabilities: (M,). The steps are `step_s` apart, the first at the stamp.
    """

    stamp_ns: int
    step_s: float
    drives: np.ndarray
    probabilities: np.ndarray

    def __post_init__(self) -> None:
        check_array('drives', self.drives, None, None, 5)
        check_array('probabilities', self.probabilities, len(self.drives))
