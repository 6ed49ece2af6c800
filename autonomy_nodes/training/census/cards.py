"""All that is kept of a sweep, so that a folder of any size can be compared, ranked and drawn without reading it twice.

About 30 kB each, most of it the picture.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.perception.bev import CLASSES, FINE, HIGH_M, LOW_M, POINTS, PRIOR, TERRAIN
from autonomy_nodes.perception.learned import rows_of
from autonomy_nodes.perception.raster import rasterised
from autonomy_nodes.training.census.channels import BANDS, CHANNELS, Values, values_of
from autonomy_nodes.training.census.doubts import NEAR_M, SURE, Doubts, Seen, eyes
from autonomy_nodes.training.census.sweeps import KIND_OF, Labels, Part, Reading, Sweep, sweeps_of

STANDING_M = 0.5  # what is higher stands
_COARSE = 4  # fine cells along the side of one that tells sweeps apart
_SECTORS, _BEAM_GAP_RAD, _BEAM_NEAR_M = 720, np.radians(0.09), 4.0
_SLICE_BANDS = (1, 2)  # 10 to 40 m


@dataclass(frozen=True, eq=False)
class Card:
    """One sweep. See `Sweep` for name, drive, labels.

    beams: about how many the LiDAR has, 0 where nobody knows where it sits. terrain: (7,) cells of each class of
    bev.TERRAIN, None where not told. found: (N, 5) rectangles. features: FEATURES by name, NaN where not known.
    print: hash of the points. standing: bits of the coarse cells in which something stands. look: PNG from above.
    """

    name: str
    drive: str
    stamp_ns: int
    points: int
    beams: int
    sensor_height_m: float
    with_before: bool
    labels: Labels | None
    terrain: np.ndarray | None
    values: Values
    doubts: Doubts
    found: np.ndarray
    features: dict[str, float]
    print: str
    standing: np.ndarray
    look: bytes


def cards_of(item: tuple[Part, Reading, Path | None, str]) -> list[Card]:
    """Return the cards of a piece of a source: piece, how it is read, model (None: without a network), backend."""
    part, reading, model, backend = item
    return [card_of(sweep, model, backend) for sweep in sweeps_of(part, reading)]


def card_of(sweep: Sweep, model: Path | None = None, backend: str = 'auto') -> Card:
    """Look at a sweep as on the vehicle and return what is kept of it."""
    cloud = sweep.cloud
    seen, doubts = eyes(model, backend).see(sweep)
    points = rows_of(cloud, cloud.xyz)
    before = np.zeros((0, 4), np.float32) if sweep.before is None else rows_of(sweep.before, sweep.before.xyz)
    inputs = rasterised(points, before, seen.ground, seen.rays, sweep.sensor_m)
    values = values_of(inputs, sweep.before is not None, seen.rays is not None)
    highest = np.where(inputs['points'][POINTS.index('count')] > 0.0, inputs['points'][POINTS.index('highest')], LOW_M)
    terrain = None
    if sweep.terrain is not None:
        terrain = np.bincount(sweep.terrain.ravel(), minlength=256)[: len(TERRAIN)]
    beams = 0 if sweep.sensor_m is None else beams_of(cloud, sweep.sensor_m)
    return Card(
        sweep.name, sweep.drive, cloud.stamp_ns, len(cloud), beams,
        float('nan') if sweep.sensor_m is None else float(sweep.sensor_m[2]), sweep.before is not None,
        sweep.labels, terrain, values, doubts, seen.objects.kept(seen.objects.existence >= SURE).flat,
        features_of(sweep, seen, values, inputs['prior'], terrain, beams),
        hashlib.sha256(np.ascontiguousarray(np.round(points / 0.005)).astype(np.int32).tobytes()).hexdigest()[:16],
        np.packbits(_coarse(highest > STANDING_M)), _drawn(highest),
    )  # fmt: skip


def beams_of(cloud: PointCloud, sensor_m: np.ndarray) -> int:
    """Return about how many beams a LiDAR has: distinct elevations in the fullest of narrow sectors."""
    if cloud.ring is not None and len(cloud.ring):
        return len(np.unique(cloud.ring))
    off = cloud.xyz - sensor_m
    reach = np.hypot(off[:, 0], off[:, 1])
    off, reach = off[reach > _BEAM_NEAR_M], reach[reach > _BEAM_NEAR_M]
    if not len(off):
        return 0
    up = np.arctan2(off[:, 2], reach)
    sector = ((np.arctan2(off[:, 1], off[:, 0]) / (2.0 * np.pi) + 0.5) * _SECTORS).astype(int)
    order = np.lexsort((up, sector))
    up, sector = up[order], sector[order]
    begins = np.concatenate([[True], (np.diff(up) > _BEAM_GAP_RAD) | (np.diff(sector) != 0)])
    counts = np.bincount(sector[begins])
    return round(float(np.percentile(counts[counts > 0], 95)))


def features_of(
    sweep: Sweep, seen: Seen, values: Values, prior: np.ndarray, terrain: np.ndarray | None, beams: int
) -> dict[str, float]:
    """Return the numbers by which sweeps are held to be alike or not; counts as logarithms."""
    sure = seen.objects.kept(seen.objects.existence >= SURE)
    kinds = np.array([KIND_OF.get(label, -1) for label in sure.labels.tolist()], int)
    labels, unknown = sweep.labels, np.full(len(CLASSES), np.nan)
    labelled = unknown if labels is None else _counts(labels.kinds[labels.hits > 0])
    known = prior[PRIOR.index('known')] > 0.0
    told = {f'labelled {name}': count for name, count in zip(CLASSES, np.log1p(labelled))}
    told |= {f'found {name}': count for name, count in zip(CLASSES, np.log1p(_counts(kinds)))}
    near = np.hypot(*seen.clusters.objects.positions_m[:, :2].T) < NEAR_M
    told |= {'clusters': np.log1p(near.sum()), 'clutter': np.log1p(seen.clusters.clutter)}
    told |= {'points': np.log1p(len(sweep.cloud)), 'beams': float(beams or np.nan)}
    told |= {f'cells with points {band}': share for band, share in zip(BANDS, np.log(values.means[0] + 1e-4))}
    told['sensor height'] = np.nan if sweep.sensor_m is None else sweep.sensor_m[2]
    told['relief'] = np.log(0.02 + float(prior[0][known].std())) if known.any() else np.nan
    for name in ('intensity', 'known', 'passed', *(name for name in POINTS if name.startswith('slice'))):
        told[f'{name} 10-40 m'] = _mean(values.means[CHANNELS.index(name), _SLICE_BANDS])
    covers = np.full(len(TERRAIN), np.nan) if terrain is None else terrain / max(terrain.sum(), 1)
    told |= {f'terrain {name}': share for name, share in zip(TERRAIN, np.log(0.01 + covers))}
    return {name: float(value) for name, value in told.items()}


def least_spread(name: str) -> float:
    """Return the difference of one of the features that always is too small to matter."""
    if name in ('beams', 'sensor height'):
        return {'beams': 3.0, 'sensor height': 0.05}[name]
    return 0.02 if name.startswith(('intensity', 'known', 'passed', 'slice')) else 0.15  # shares, logarithms


def plain(name: str, value: float) -> str:
    """Return one of the features as people tell it: no logarithms."""
    if name.startswith(('labelled', 'found', 'cluster', 'clutter', 'points')):
        return f'{np.expm1(value):.0f}'
    if name.startswith(('cells', 'terrain')):
        return f'{100.0 * np.exp(value):.2g} %'
    return f'{np.exp(value) if name == "relief" else value:.2g}'


def _counts(kinds: np.ndarray) -> np.ndarray:
    return np.bincount(kinds[kinds >= 0], minlength=len(CLASSES)).astype(float)


def _mean(values: np.ndarray) -> float:
    return float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else float('nan')


def _coarse(cells: np.ndarray) -> np.ndarray:
    wide, long = (count // _COARSE for count in FINE)
    return np.asarray(cells.reshape(wide, _COARSE, long, _COARSE).any(axis=(1, 3)))  # (X, Y) coarse


def _drawn(highest: np.ndarray) -> bytes:
    """Return the heights of points from above, ahead is up, left is left; 0 where there are none."""
    grey = np.where(highest > LOW_M, 40.0 + 215.0 * (highest - LOW_M) / (HIGH_M - LOW_M), 0.0).astype(np.uint8)
    return bytes(cv2.imencode('.png', np.ascontiguousarray(grey[::-1, ::-1]))[1])
