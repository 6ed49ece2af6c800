"""Who was where, told in hindsight: what the tracker put together, smoothed forwards and backwards, sizes fused.

The tracker of the vehicle says which detections are of one thing. Then the whole path is known: where it was seen
best tells its size, where it went its heading, and gaps between two sightings are filled. Short tracks are left out;
what nobody knows the kind of, or was not sure of, is told as such: nobody is to learn from it who is there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.perception.fusion import joined
from autonomy_nodes.perception.tracking import Tracker, TrackingConfig, in_odom
from autonomy_nodes.perception.tracks import aligned, away
from autonomy_nodes.training.pseudo.played import Sweep
from autonomy_nodes.training.pseudo.smoother import quantile, smoothed

KINDS = {  # label: place in bev.CLASSES
    Label.CAR: 0, Label.TRUCK: 1, Label.BUS: 1, Label.TRAILER: 1, Label.PEDESTRIAN: 2, Label.BICYCLE: 3,
    Label.MOTORCYCLE: 3, Label.ANIMAL: 4,
}  # fmt: skip
VEHICLES = (Label.CAR, Label.TRUCK, Label.BUS, Label.TRAILER)
WHEELED = (*VEHICLES, Label.MOTORCYCLE, Label.BICYCLE)
SIZES_M = (  # least and largest length, width and height of each kind: what never showed that size is not sure
    ((2.5, 1.2, 1.1), (7.0, 2.8, 3.2)), ((4.0, 1.5, 1.5), (25.0, 3.6, 4.5)), ((0.2, 0.2, 0.8), (1.5, 1.5, 2.3)),
    ((0.8, 0.2, 0.8), (3.0, 1.5, 2.3)), ((0.2, 0.1, 0.2), (3.5, 1.5, 2.5)),
)  # fmt: skip
COURSE_MPS = 2.0  # from this speed on a thing on wheels points where it goes
HEADING_SIGMA, TURN_RPS2 = 0.1, 0.6
HEIGHT_SIGMA_M = 0.1
UNSURE_SHIFT = 0.5  # of how far a middle is moved because more of the thing was seen at other times
LEAST_SCATTER_M, FEWEST, STANDING_MPS = 0.05, 4, 0.3


@dataclass(frozen=True)
class TrackSettings:
    """When a track is sure, and how it moves.

    hits: sightings at least, seconds: from the first to the last. existence, belief: of the tracker at its best, and in
    one class. seen: share of the sweeps in between. push_mps2, people_push_mps2: white acceleration. still_m: who goes
    no farther stands. size: of the sizes seen, weighted by how well, that share is no larger than the fused one.
    still_people: whether people, two-wheelers and animals that stood all the time are sure too: by their size alone, as
    the geometric channel knows them, most are posts and plants. still_belief, still_within_m: vehicles that stood are
    sure if the mean detection was so sure, and the nearest so near: far away bushes are as large.
    """

    hits: int = 6
    seconds: float = 0.5
    existence: float = 0.8
    belief: float = 0.6
    seen: float = 0.4
    push_mps2: float = 2.0
    people_push_mps2: float = 1.0
    still_m: float = 1.0
    size: float = 0.6
    still_people: bool = False
    still_belief: float = 0.8
    still_within_m: float = 30.0

    def __post_init__(self) -> None:
        if self.hits < 2:
            raise ValueError(f'tracks.hits={self.hits} must be 2 or more')
        for name in ('existence', 'belief', 'seen', 'size', 'still_belief'):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ValueError(f'tracks.{name}={getattr(self, name)} must lie above 0 and not above 1')
        for name in ('seconds', 'push_mps2', 'people_push_mps2', 'still_m', 'still_within_m'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'tracks.{name}={getattr(self, name)} must be above 0')


@dataclass(frozen=True, eq=False)
class Track:
    """One thing, from the first sweep in which it was seen to the last.

    first: place of the first of T sweeps. boxes: (T, 9) middle x y z, length width height, heading, velocity x y, in
    odom. seen: (T,) whether it was detected. kind: place in bev.CLASSES, -1 for none of them. sure: whether it is to be
    learned from. moving: whether it went anywhere.
    """

    first: int
    boxes: np.ndarray
    seen: np.ndarray
    kind: int
    sure: bool
    moving: bool

    def at(self, place: int) -> np.ndarray | None:
        """Return the box (9,) in one sweep, None outside of the track."""
        return self.boxes[place - self.first] if 0 <= place - self.first < len(self.boxes) else None


@dataclass
class _Sighted:
    """Detections of one thing: the sweeps and what was seen, in odom; what the tracker thought of it at last."""

    places: list[int] = field(default_factory=list)
    found: list[Objects] = field(default_factory=list)
    existence: float = 0.0
    beliefs: np.ndarray = field(default_factory=lambda: np.zeros(len(Label)))


def tracks_of(sweeps: Sequence[Sweep], config: TrackingConfig, settings: TrackSettings) -> list[Track]:
    """Return all that was followed for long enough, leg by leg, in the order in which it was first seen."""
    found = []
    for leg in sorted({sweep.leg for sweep in sweeps}):
        places = [place for place, sweep in enumerate(sweeps) if sweep.leg == leg]
        for sighted in _followed(sweeps, places, config):
            first, last = (sweeps[sighted.places[end]].stamp_ns for end in (0, -1))
            if len(sighted.places) >= settings.hits and last - first >= settings.seconds * SECOND_NS:
                found.append(_smoothed(sighted, sweeps, settings))
    return found


def _followed(sweeps: Sequence[Sweep], places: Iterable[int], config: TrackingConfig) -> list[_Sighted]:
    tracker, found = Tracker(config), dict[bytes, _Sighted]()
    for place in places:
        sweep = sweeps[place]
        tracker.track(sweep.objects, sweep.ego)
        every, there = tracker.every, in_odom(sweep.objects, sweep.ego.odom_from_base)
        existence, beliefs = every.existence, every.probabilities
        for row in np.flatnonzero(every.sources >= 0).tolist():
            sighted = found.setdefault(every.ids[row].tobytes(), _Sighted())
            sighted.places.append(place)
            sighted.found.append(there.kept(every.sources[row : row + 1]))
            sighted.existence, sighted.beliefs = max(sighted.existence, float(existence[row])), beliefs[row]
    return list(found.values())


def _smoothed(sighted: _Sighted, sweeps: Sequence[Sweep], settings: TrackSettings) -> Track:
    """Return the path of one thing through all sweeps from the first sighting to the last."""
    first, last = sighted.places[0], sighted.places[-1]
    rows = np.array(sighted.places) - first
    stamps_ns = np.array([sweep.stamp_ns for sweep in sweeps[first : last + 1]])
    times_s = (stamps_ns - stamps_ns[0]) / SECOND_NS
    label = Label(int(np.argmax(sighted.beliefs)))
    seen = np.zeros(len(times_s), bool)
    seen[rows] = True
    sure = (
        label in KINDS and float(sighted.beliefs[label]) >= settings.belief
        and sighted.existence >= settings.existence and float(seen.mean()) >= settings.seen
    )  # fmt: skip
    egos_m = np.array([sweeps[place].ego.position_m[:2] for place in sighted.places])
    found = reduce(joined, sighted.found)
    boxes, moving = _path(found, rows, times_s, egos_m, label, settings)
    sure = sure and (moving or _sure_to_stand(found, egos_m, label, settings)) and _fits(boxes[0, 3:6], KINDS[label])
    return Track(first, boxes, seen, KINDS.get(label, -1), sure, moving)


def _sure_to_stand(found: Objects, egos_m: np.ndarray, label: Label, settings: TrackSettings) -> bool:
    """Return whether what never moved is sure to be what it was taken for."""
    if label not in VEHICLES:
        return settings.still_people
    belief = float(found.class_probabilities[:, list(VEHICLES)].sum(axis=1).mean())
    nearest_m = float(np.linalg.norm(found.positions_m[:, :2] - egos_m, axis=1).min())
    return belief >= settings.still_belief and nearest_m <= settings.still_within_m


def _fits(size: np.ndarray, kind: int) -> bool:
    least, largest = SIZES_M[kind]
    return bool((size >= least).all() and (size <= largest).all())


def _path(
    found: Objects, rows: np.ndarray, times_s: np.ndarray, egos_m: np.ndarray, label: Label, settings: TrackSettings
) -> tuple[np.ndarray, bool]:
    """Return (T, 9) boxes at all times of (K,) sightings at rows of them, and whether the thing moved."""
    push = settings.people_push_mps2 if label in (Label.PEDESTRIAN, Label.UNKNOWN) else settings.push_mps2
    count, scatter = len(times_s), _scatter(found, rows)
    rates = _smooth(times_s, rows, found.positions_m[:, :2], scatter, push)[1]
    moving = not _told_to_stand(found)
    size, headings, places, spread = _whole(found, rows, rates, egos_m, scatter, moving and label in WHEELED, settings)
    path = _smooth(times_s, rows, places, spread, push)
    if moving and not _moves(*path, settings):  # its middle went on only because more of it was seen
        moving = False
        size, headings, places, spread = _whole(found, rows, rates, egos_m, scatter, False, settings)
    weights = 1.0 / np.trace(spread, axis1=1, axis2=2)
    floors = found.positions_m[:, 2:] - found.dimensions_m[:, 2:] / 2.0
    boxes = np.zeros((count, 9))
    boxes[:, 3:6] = size
    if moving:
        boxes[:, :2], boxes[:, 7:] = path
        boxes[:, 6] = _turns(times_s, rows, headings, found.pose_covariances[:, 2, 2], boxes[:, 7:], label)
        boxes[:, 2:3] = _smooth(times_s, rows, floors, np.full((len(rows), 1, 1), HEIGHT_SIGMA_M**2), 0.5)[0]
    else:
        boxes[:, :2] = [quantile(places[:, axis], weights, 0.5) for axis in (0, 1)]
        boxes[:, 6] = _mean_heading(headings, 1.0 / found.pose_covariances[:, 2, 2])
        boxes[:, 2] = quantile(floors[:, 0], weights, 0.5)
    boxes[:, 2] += size[2] / 2.0
    return boxes, moving


def _whole(
    found: Objects, rows: np.ndarray, rates: np.ndarray, egos_m: np.ndarray, scatter: np.ndarray, by_course: bool,
    settings: TrackSettings,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Return the size (3,), and of each sighting heading (K,), middle (K, 2) and its covariance as if all was seen."""
    headings, sizes = aligned(_headings(found, rows, rates, by_course)[rows], found)
    weights = 1.0 / np.maximum(np.trace(found.pose_covariances[:, :2, :2], axis1=1, axis2=2), 1e-4)
    size = np.array([quantile(sizes[:, axis], weights, settings.size) for axis in range(3)])
    sides = away(found.positions_m[:, :2], headings, egos_m)
    shifts = np.einsum('nij,ni->nj', sides, (size - sizes)[:, :2] / 2.0)  # the side that is seen stays where it is
    doubt = UNSURE_SHIFT**2 * (shifts**2).sum(axis=1)[:, None, None] * np.eye(2)
    return size, headings, found.positions_m[:, :2] + shifts, scatter + doubt


def _scatter(found: Objects, rows: np.ndarray) -> np.ndarray:
    """Return (K, 2, 2) covariances of the middles as they scatter from sweep to sweep: less than they may be off.

    What is told of a middle holds the hidden side too, by which it is off for long, always to the same side. Of three
    sightings in a row the second difference tells the scatter alone: its variance is six times that of one.
    """
    told = found.pose_covariances[:, :2, :2]
    row = np.flatnonzero((np.diff(rows, 2) == 0) & (np.diff(rows)[1:] == 1))
    if len(row) < FEWEST:
        return told
    bends = np.diff(found.positions_m[:, :2], 2, axis=0)[row]
    variance = float(np.median((bends**2).sum(axis=1))) / (6.0 * 2.0 * np.log(2.0))  # median of chi square, 2 degrees
    mean = float(np.median(np.trace(told, axis1=1, axis2=2))) / 2.0
    return told * np.clip(max(variance, LEAST_SCATTER_M**2) / mean, 0.0, 1.0)


def _told_to_stand(found: Objects) -> bool:
    """Return whether most detections were told to stand: by the terrain, or by a network that tells speeds."""
    return bool((np.linalg.norm(found.velocities_mps, axis=1) < STANDING_MPS).mean() > 0.5)  # false for NaN


def _smooth(
    times_s: np.ndarray, rows: np.ndarray, values: np.ndarray, noise: np.ndarray, push: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return values and rates (T, D) at all times of values (K, D) that were measured at rows of them."""
    measured = np.full((len(times_s), values.shape[1]), np.nan)
    covariances = np.zeros((len(times_s), *noise.shape[1:]))
    measured[rows], covariances[rows] = values, noise
    smooth = smoothed(times_s, measured, covariances, push, rate_sigma=10.0)
    return smooth.values, smooth.rates


def _moves(path: np.ndarray, rates: np.ndarray, settings: TrackSettings) -> bool:
    """Return whether a path (T, 2) leads somewhere: edges of what is half hidden wander, but not far and not fast."""
    gone_m = float(np.linalg.norm(np.ptp(path, axis=0)))
    return gone_m > settings.still_m and float(np.percentile(np.linalg.norm(rates, axis=1), 80.0)) > 0.5


def _headings(found: Objects, rows: np.ndarray, rates: np.ndarray, by_course: bool) -> np.ndarray:
    """Return (T,) about which way a thing pointed: where it went; else as where it was seen best."""
    speeds = np.linalg.norm(rates, axis=1)
    sure = np.flatnonzero(speeds > COURSE_MPS)
    if by_course and len(sure):
        nearest = sure[np.abs(np.arange(len(rates))[:, None] - sure).argmin(axis=1)]  # who stops still points there
        return np.arctan2(rates[nearest, 1], rates[nearest, 0])
    best = int(np.argmin(found.pose_covariances[:, 2, 2]))
    return np.full(len(rates), found.headings_rad[best])


def _turns(
    times_s: np.ndarray, rows: np.ndarray, headings: np.ndarray, noise: np.ndarray, rates: np.ndarray, label: Label
) -> np.ndarray:
    """Return (T,) smooth headings of those that were seen, and of the way it went where that tells it."""
    measured, spread = np.full((len(times_s), 1), np.nan), np.zeros((len(times_s), 1, 1))
    measured[rows, 0], spread[rows, 0, 0] = headings, noise
    speeds = np.linalg.norm(rates, axis=1)
    told = (speeds > COURSE_MPS) & (label in WHEELED)
    courses = np.arctan2(rates[:, 1], rates[:, 0])
    both = told & np.isfinite(measured[:, 0])
    off = np.where(both, wrapped(np.nan_to_num(measured[:, 0]) - courses), 0.0)
    share = np.where(both, HEADING_SIGMA**2 / (HEADING_SIGMA**2 + spread[:, 0, 0]), 0.0)
    measured[told, 0] = (courses + share * off)[told]
    spread[told, 0, 0] = np.where(both, (1.0 - share) * HEADING_SIGMA**2, HEADING_SIGMA**2)[told]
    known = np.flatnonzero(np.isfinite(measured[:, 0]))
    measured[known, 0] = np.unwrap(measured[known, 0])
    return np.asarray(wrapped(smoothed(times_s, measured, np.maximum(spread, 1e-4), TURN_RPS2, 0.3).values[:, 0]))


def _mean_heading(headings: np.ndarray, weights: np.ndarray) -> float:
    return float(np.arctan2((weights * np.sin(headings)).sum(), (weights * np.cos(headings)).sum()))
