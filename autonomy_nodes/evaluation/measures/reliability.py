"""Whether a channel knows how sure it may be: told chances against shares that are right, told spreads against errors.

Expected calibration error (Naeini et al. 2015): what is told is sorted into BINS equal parts of 0 to 1; the mean over
all of how far the share that is right lies from the mean chance told in the part. Coverage: share of middles within the
ellipse that is told to hold nine in ten.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from autonomy_nodes.common.objects import Label
from autonomy_nodes.evaluation.measures.detected import GROUPS, Seen
from autonomy_nodes.evaluation.measures.precision import between, judged, within
from autonomy_nodes.evaluation.measures.task import Figures

BINS = 10
CLOSE_M = {'vehicle': 2.0, 'vru': 1.0}
NINE_IN_TEN_2D, NINE_IN_TEN_1D = 4.60517, 1.64485  # squared distance of two numbers; distance of one, in sigmas
PIXELS, RIM = 360, 40


@dataclass(frozen=True, eq=False)
class Bins:
    """Of each part of 0 to 1: counts (B,), mean chance told (B,) and share that is right (B,), NaN where empty."""

    counts: np.ndarray
    told: np.ndarray
    right: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error, 0 to 1; NaN of nothing."""
        if not self.counts.sum():
            return float('nan')
        off = np.where(self.counts > 0, np.abs(np.nan_to_num(self.right) - np.nan_to_num(self.told)), 0.0)
        return float((self.counts * off).sum() / self.counts.sum())


def binned(scores: np.ndarray, right: np.ndarray) -> Bins:
    """Return what stands behind scores (N,) of which right (N,) are so."""
    place = np.minimum((scores * BINS).astype(int), BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    with np.errstate(invalid='ignore'):
        told, share = (np.bincount(place, weights=values, minlength=BINS) / counts for values in (scores, right))
    return Bins(counts, told, share)


def group_bins(frames: Sequence[Seen], group: str, most_m: float, shipped: bool) -> Bins:
    """Return how chances of a group are to be believed, all frames together."""
    told = [
        judged(between(seen.scene(GROUPS[group], shipped=shipped), seen.lidar_xy, 0.0, most_m), within(CLOSE_M[group]))
        for seen in frames
    ]
    scores, right = (np.concatenate([getattr(each, name) for each in told]) for name in ('scores', 'right'))
    return binned(scores, right)


def reliability_figures(frames: Sequence[Seen], most_m: float) -> Figures:
    """Return calibration errors and coverages (per cent) of both groups. `ece_every`: with the least sure ones too."""
    figures: Figures = {}
    for group, labels in GROUPS.items():
        for name, shipped in (('ece', True), ('ece_every', False)):
            figures[f'{group}.{name}'] = group_bins(frames, group, most_m, shipped).error
        found = [errors(seen, labels, CLOSE_M[group], most_m) for seen in frames]
        off, squares, turns = (np.concatenate(column) for column in zip(*found))
        figures[f'n_{group}_matched'] = len(off)
        if len(off):
            figures |= {
                f'{group}.centre_off_m.p50': float(np.median(off)),
                f'{group}.centre_off_m.p90': float(np.percentile(off, 90.0)),
                f'{group}.centre_within_90': 100.0 * float((squares <= NINE_IN_TEN_2D).mean()),
                f'{group}.heading_within_90': 100.0 * float((turns <= NINE_IN_TEN_1D).mean()),
            }
    return figures


def errors(
    seen: Seen, labels: tuple[Label, ...], close_m: float, most_m: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (K,) how far off middles are [m], the same squared in told sigmas, and headings' errors in told sigmas.

    Of what the vehicle is told and is right; headings up to half a turn, since a box looks alike from both ends.
    """
    scene = between(seen.scene(labels, shipped=True), seen.lidar_xy, 0.0, most_m)
    told = judged(scene, within(close_m))
    rows = seen.rows(labels, shipped=True)[told.rows[told.right]]
    away = scene.labels[told.met[told.right]] - seen.shipped.objects.flat[rows]
    return scaled(away, seen.shipped.objects.pose_covariances[rows])


def scaled(away: np.ndarray, covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the same of (K, 5) differences of boxes from above and covariances (K, 3, 3) of x, y, heading."""
    flat = covariances[:, :2, :2] + 1e-9 * np.eye(2)
    squares = np.einsum('ki,kij,kj->k', away[:, :2], np.linalg.inv(flat), away[:, :2])
    turn = np.abs((away[:, 4] + np.pi / 2.0) % np.pi - np.pi / 2.0)
    return np.hypot(*away[:, :2].T), squares, turn / np.sqrt(covariances[:, 2, 2] + 1e-9)


def diagram(bins: Bins) -> bytes:
    """Return a picture: chance told to the right, share that is right upward; the fuller a disc the more was told."""
    size = PIXELS + 2 * RIM
    image = np.full((size, size, 3), 255, np.uint8)

    def at(told: float, right: float) -> tuple[int, int]:
        return RIM + round(told * PIXELS), size - RIM - round(right * PIXELS)

    for tenth in np.arange(0.0, 1.01, 0.2).tolist():
        for one, two in (((tenth, 0.0), (tenth, 1.0)), ((0.0, tenth), (1.0, tenth))):
            cv2.line(image, at(*one), at(*two), (225, 225, 225), 1)
        for place in ((at(tenth, 0.0)[0] - 10, size - RIM + 18), (6, at(0.0, tenth)[1] + 4)):
            cv2.putText(image, f'{tenth:.1f}', place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (90, 90, 90), 1, cv2.LINE_AA)
    cv2.line(image, at(0.0, 0.0), at(1.0, 1.0), (160, 160, 160), 1, cv2.LINE_AA)
    most = max(int(bins.counts.max(initial=0)), 1)
    for count, told, right in zip(bins.counts, bins.told, bins.right):
        if count:
            radius = 3 + round(10.0 * float(np.sqrt(count / most)))
            cv2.circle(image, at(float(told), float(right)), radius, (180, 90, 20), -1, cv2.LINE_AA)
    return bytes(cv2.imencode('.png', image)[1])
