"""What the network's answer means: objects with how sure they are, and what each cell of the ground is.

A middle is where the map of middles is highest among its neighbours (Zhou et al. 2019). Of two boxes of one family, one
of whose middles lies within the other, the surer stays. Existence is the map's chance and the fit that is told,
multiplied with weights (as in IoU-aware detectors, Wu et al. 2020).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit

from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.types import DataError
from autonomy_nodes.perception.bev import CELL_M, CLASSES, FAR_OUTPUTS, ORIGIN_M, OUTPUTS
from autonomy_nodes.perception.confidence import Confidences, chance

# There is no class of its own for buses, trailers and motorcycles: they come as the nearest of these.
LABELS = (Label.CAR, Label.TRUCK, Label.PEDESTRIAN, Label.BICYCLE, Label.ANIMAL)
FAMILIES = np.array([0, 0, 1, 1, 1])  # of one place only one of a family is told
RADII_M = np.array([1.2, 1.6, 0.35, 0.5, 0.5])  # no two of a class stand so near
LONGEST_M, WIDEST_SPREAD = 40.0, 25.0
_LOG_SIZE = (np.log(0.1), np.log(LONGEST_M))
_LOG_SPREAD = (-9.0, np.log(WIDEST_SPREAD))
SCALES = ('spread_scale', 'spread_scale', 'heading_scale')  # of x, y, heading
PLAIN = Confidences()
assert len(LABELS) == len(CLASSES) == len(FAMILIES) == len(RADII_M)


@dataclass(frozen=True)
class DecodeSettings:
    """least: existence below which nothing is told; 0: what the network's card tells of each class.

    fit: how much the told fit counts beside the chance of a middle.

    speeds: whether speeds are told, when an earlier sweep was given: only of a network whose speeds were measured to be
    right, since one that says of all that it stands is worse than none. velocity_sigma_mps: of these.
    """

    least: float = 0.0
    most: int = 300
    fit: float = 0.3
    speeds: bool = False
    velocity_sigma_mps: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.least < 1.0:
            raise ValueError(f'decode.least={self.least} must not be below 0, and below 1')
        if not 0.0 <= self.fit < 1.0:
            raise ValueError(f'decode.fit={self.fit} must lie between 0 and 1')
        if self.most < 1:
            raise ValueError(f'decode.most={self.most} must be above 0')
        if not self.velocity_sigma_mps > 0.0:
            raise ValueError(f'decode.velocity_sigma_mps={self.velocity_sigma_mps} must be above 0')


@dataclass(frozen=True, eq=False)
class Cells:
    """What the network tells of each cell of bev at CELL_M, (X, Y) float32 but for terrain.

    ground_m: height in base_link; variance_m2 of it. terrain: (7, X, Y) probabilities of bev.TERRAIN. top_m: of the
    highest obstacle above the ground. blocked: probability. occupied: (8, X, Y) probabilities of the slices.
    """

    ground_m: np.ndarray
    variance_m2: np.ndarray
    terrain: np.ndarray
    top_m: np.ndarray
    blocked: np.ndarray
    occupied: np.ndarray


def checked(outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the outputs of one sweep without the axis of the batch; DataError where a number or a shape is not right.

    outputs: (1, channels, X, Y) float32 each, named as bev.OUTPUTS, of a network with a far ring also FAR_OUTPUTS.
    """
    found, far = {}, {name: shape for name, shape in FAR_OUTPUTS.items() if name in outputs}
    for name, (channels, cells) in (OUTPUTS | far).items():
        if name not in outputs:
            raise DataError(f'network gave no {name!r}')
        value = np.asarray(outputs[name])
        if value.shape != (1, channels, *cells):
            raise DataError(f'network gave {name!r} of shape {value.shape}, expected {(1, channels, *cells)}')
        if not np.isfinite(value).all():
            raise DataError(f'network gave {name!r} that is not finite')
        found[name] = value[0]
    return found


def cells_of(outputs: Mapping[str, np.ndarray], prior_m: np.ndarray) -> Cells:
    """Return what is told of the cells. outputs: `checked`; prior_m: (X, Y) height of the ground as it went in."""
    residual, log_variance = outputs['ground']
    terrain = np.exp(outputs['terrain'] - outputs['terrain'].max(axis=0))
    return Cells(
        ground_m=prior_m + residual,
        variance_m2=spread_of(log_variance),
        terrain=terrain / terrain.sum(axis=0),
        top_m=np.maximum(outputs['top'][0], 0.0),
        blocked=chance(outputs['blocked'][0]),
        occupied=chance(outputs['occupied']),
    )


def objects_of(
    outputs: Mapping[str, np.ndarray],
    prior_m: np.ndarray,
    stamp_ns: int,
    gap_s: float,
    settings: DecodeSettings,
    confidences: Confidences = PLAIN,
) -> Objects:
    """Return the objects in base_link, the surest first.

    outputs, prior_m: as for `cells_of`. gap_s: time since the earlier sweep, 0 where there was none: then no speed is
    told. confidences: how far the network is to be believed.
    """
    heat = np.ascontiguousarray(outputs['heat'], np.float32)
    overlap = np.ascontiguousarray(outputs['overlap'][0], np.float32)
    box = np.ascontiguousarray(outputs['box'], np.float32)
    least = np.full(len(CLASSES), settings.least) if settings.least else confidences.column('least')
    picked = _picked(heat, overlap, confidences.floors(least), float(settings.fit))  # (P, 4) existence, class, i, j
    picked[:, 0] = confidences.believed(picked[:, 0], picked[:, 1].astype(np.int64))
    picked = picked[np.argsort(-picked[:, 0], kind='stable')][: 4 * settings.most]
    kind, i, j = picked[:, 1:].astype(np.int64).T
    rows = box[:, i, j].astype(np.float64)  # (len(BOX), P)
    middles = ORIGIN_M + (np.stack([i, j], axis=1) + 0.5) * CELL_M + np.clip(rows[:2].T, -2.0, 2.0)
    sizes = np.exp(np.clip(rows[3:6].T, *_LOG_SIZE))
    headings = np.arctan2(rows[6], rows[7])
    kept = _apart(middles, sizes, headings, FAMILIES[kind], RADII_M[kind])[: settings.most]
    kind, i, j, rows, count = kind[kept], i[kept], j[kept], rows[:, kept], len(kept)
    chances = chance(heat[:, i, j].astype(np.float64)).T  # (K, 5)
    classes = np.zeros((count, len(Label)))
    classes[:, list(LABELS)] = chances / chances.sum(axis=1, keepdims=True)
    spread = np.exp(np.clip(outputs['box_spread'][:, i, j].astype(np.float64), *_LOG_SPREAD)).T  # (K, 3)
    spread *= np.stack([confidences.column(name)[kind] for name in SCALES], axis=1)
    told = settings.speeds and gap_s > 0.0
    speeds = rows[8:10].T / gap_s if told else np.full((count, 2), np.nan)
    return Objects(
        stamp_ns=stamp_ns,
        frame='base_link',
        positions_m=np.column_stack([middles[kept], prior_m[i, j] + rows[2]]),
        headings_rad=headings[kept],
        dimensions_m=sizes[kept],
        existence=picked[kept, 0],
        class_probabilities=classes,
        velocities_mps=speeds,
        heading_rates_rps=np.full(count, np.nan),
        pose_covariances=spread[:, :, None] * np.eye(3),
        velocity_covariances=np.tile(settings.velocity_sigma_mps**2 * np.eye(2), (count, 1, 1)),
    )


def spread_of(log_variances: np.ndarray) -> np.ndarray:
    """Return variances, none beyond what can be meant."""
    return np.exp(np.clip(log_variances, *_LOG_SPREAD))


@njit(cache=True, nogil=True)
def _picked(heat: np.ndarray, overlap: np.ndarray, floors: np.ndarray, fit: float) -> np.ndarray:
    """Return (P, 4) existence, class and cell of each middle that is sure enough, class by class, cell by cell.

    floors: (5,) the least existence of a class.
    """
    found, count = np.empty((heat.size // 4, 4)), 0
    classes, wide, long = heat.shape
    for kind in range(classes):
        least = floors[kind]
        alone = min(least ** (1.0 / (1.0 - fit)), 1.0 - 1e-12)  # a perfect fit needs as much
        floor = np.log(alone / (1.0 - alone))
        for i in range(wide):
            for j in range(long):
                here = heat[kind, i, j]
                if here < floor:
                    continue
                highest = True
                for p in range(max(i - 1, 0), min(i + 2, wide)):
                    for q in range(max(j - 1, 0), min(j + 2, long)):
                        other = heat[kind, p, q]  # of equal ones the first
                        if other > here or (other == here and (p < i or (p == i and q < j))):
                            highest = False
                if not highest or count == len(found):
                    continue
                middle = 1.0 / (1.0 + np.exp(-here))
                existence = middle ** (1.0 - fit) * (1.0 / (1.0 + np.exp(-overlap[i, j]))) ** fit
                if existence >= least:
                    found[count, 0], found[count, 1], found[count, 2], found[count, 3] = existence, kind, i, j
                    count += 1
    return found[:count]


@njit(cache=True, nogil=True)
def _apart(
    middles: np.ndarray, sizes: np.ndarray, headings: np.ndarray, families: np.ndarray, radii: np.ndarray
) -> np.ndarray:
    """Return which rows stay, of rows sorted by existence."""
    kept, count = np.empty(len(middles), np.int64), 0
    for n in range(len(middles)):
        free = True
        for k in range(count):
            m = kept[k]
            if families[m] != families[n]:
                continue
            x, y = middles[n, 0] - middles[m, 0], middles[n, 1] - middles[m, 1]
            c, s = np.cos(headings[m]), np.sin(headings[m])
            within = abs(x * c + y * s) < 0.5 * sizes[m, 0] and abs(y * c - x * s) < 0.5 * sizes[m, 1]
            if within or x * x + y * y < radii[m] * radii[m]:
                free = False
        if free:
            kept[count] = n
            count += 1
    return kept[:count]
