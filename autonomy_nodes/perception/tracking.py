"""Follow objects over time: predict, associate, update, and forget what is gone. Each keeps its id."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from autonomy_nodes.common.geometry import inverse, matrix_of, moved, quaternion_of_heading, wrapped
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState
from autonomy_nodes.perception.association import assigned, hidden, overrun
from autonomy_nodes.perception.tracks import NONE, Tracks, born, missed, predicted, seen

_BACK_NS = SECOND_NS  # a step back in time further than this means that time jumped


@dataclass(frozen=True)
class TrackingConfig:
    """Settings of tracking.

    externals: names of other detectors (radar, V2X). A track is published from `confirmed` existence and two sightings
    on, at once from `at_once` on, and forgotten below `lost`. visible: chance to find what is in view; hidden: what is
    behind something else.
    farthest_m: how far from its expected place a track may be found again, in a sweep.
    still_sigmas: a speed that is not this many of its sigmas is taken for none, and so is that of a thing that has not
    gone still_m from where it was first seen: an edge of what is half hidden wanders, but not far.
    """

    externals: tuple[str, ...] = ()
    external_age_s: float = 0.3
    acceleration_mps2: float = 4.0
    turn_rps2: float = 0.8
    farthest_m: float = 6.0
    confirmed: float = 0.6
    at_once: float = 0.95
    lost: float = 0.1
    visible: float = 0.6
    hidden: float = 0.08
    longest_missed_s: float = 3.0
    longest_gap_s: float = 2.0
    still_sigmas: float = 2.5
    still_m: float = 0.8

    def __post_init__(self) -> None:
        for name in ('acceleration_mps2', 'turn_rps2', 'farthest_m', 'longest_missed_s'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'{name}={getattr(self, name)} must be above 0')
        for name in ('confirmed', 'at_once', 'lost', 'visible', 'hidden'):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ValueError(f'{name}={getattr(self, name)} must lie between 0 and 1')
        if self.lost >= self.confirmed:
            raise ValueError(f'lost={self.lost} must lie below confirmed={self.confirmed}')


class Tracker:
    """Keeps tracks in odom. Everything, the ids too, follows from what it was given.

    sources: of each object last returned, the row of the detection that it was seen as; -1 where it was not.
    """

    def __init__(self, config: TrackingConfig) -> None:
        self.config = config
        self._stamp_ns: int | None = None
        self._first_ns, self._named = 0, 0
        self._tracks, self.sources = NONE, NONE.sources

    def track(self, objects: Objects, ego: EgoState, externals: Sequence[Objects] = ()) -> Objects:
        """Return the objects in odom, with ids, at the stamp of `objects`, which are in base_link.

        externals: what other detectors found since the last step, in base_link of their own stamps; may know speeds.
        """
        config, stamp_ns = self.config, objects.stamp_ns
        passed_s = self._passed_s(stamp_ns)
        self._tracks = predicted(self._tracks, passed_s, config.acceleration_mps2, config.turn_rps2)
        ego_xy = ego.position_m[:2]
        matched = self._take(in_odom(objects, ego.odom_from_base), ego_xy)
        for other in externals:
            if abs(stamp_ns - other.stamp_ns) <= config.external_age_s * SECOND_NS:
                matched = self._take(_carried(other, ego), ego_xy, matched)
        self._lose(matched, in_odom(objects, ego.odom_from_base), ego_xy)
        return self._told(stamp_ns)

    @property
    def every(self) -> Tracks:
        """All that is followed now, sure enough to be told or not."""
        return self._tracks

    def _passed_s(self, stamp_ns: int) -> float:
        """Return the time since the last step; forget everything where it jumped."""
        last_ns = self._stamp_ns
        if last_ns is not None and last_ns - _BACK_NS <= stamp_ns <= last_ns:
            raise DataError(f'objects of {stamp_ns} ns are not newer than {last_ns} ns', fault='F06')
        jumped = last_ns is not None and not 0 < stamp_ns - last_ns <= self.config.longest_gap_s * SECOND_NS
        if last_ns is None or jumped:
            self._tracks, self._first_ns, self._named = NONE, stamp_ns, 0
            last_ns = stamp_ns
        self._stamp_ns = stamp_ns
        return (stamp_ns - last_ns) / SECOND_NS

    def _name(self) -> np.ndarray:
        """Return the id (16,) of a new track: a name-based UUID (RFC 4122) of the first stamp and a counter."""
        digest = bytearray(hashlib.sha1(f'{self._first_ns} {self._named}'.encode()).digest()[:16])
        digest[6], digest[8] = digest[6] & 0x0F | 0x50, digest[8] & 0x3F | 0x80
        self._named += 1
        return np.frombuffer(bytes(digest), np.uint8)

    def _take(self, found: Objects, ego_xy: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
        """Update tracks by one detector, begin new ones; return (N,) which tracks were seen, by this or `before`."""
        rows, columns = assigned(self._tracks, found, self.config.farthest_m)
        updated = seen(self._tracks.kept(rows), found.kept(columns), ego_xy)
        tracks, own = self._tracks, before is None
        updated = replace(updated, sources=columns if own else updated.sources)
        order = np.argsort(np.concatenate([rows, np.setdiff1d(np.arange(len(tracks)), rows)]), kind='stable')
        tracks = updated.joined(tracks.kept(np.setdiff1d(np.arange(len(tracks)), rows))).kept(order)
        fresh = np.setdiff1d(np.arange(len(found)), columns)
        new = born(found.kept(fresh), self._name, doubt=1.0)
        new = replace(new, sources=fresh if own else new.sources)
        matched = np.isin(np.arange(len(tracks)), rows)
        if before is not None:
            matched |= before
        self._tracks = tracks.joined(new)
        return np.concatenate([matched, np.ones(len(new), bool)])

    def _lose(self, matched: np.ndarray, found: Objects, ego_xy: np.ndarray) -> None:
        """Believe less in what was not seen, least in what could have been; forget what is gone."""
        config, tracks = self.config, self._tracks
        visible = np.zeros(len(tracks))
        visible[~matched] = np.where(hidden(tracks.kept(~matched), found, ego_xy), config.hidden, config.visible)
        tracks = missed(tracks, visible)
        known = 1.0 - tracks.probabilities[:, Label.UNKNOWN]  # parts of something else come and go
        patience_s = 0.2 + np.minimum(0.1 * tracks.hits, config.longest_missed_s * known)
        self._tracks = tracks.kept((tracks.existence > config.lost) & (tracks.missed_s <= patience_s + 1e-6))

    def _told(self, stamp_ns: int) -> Objects:
        """Return the tracks that are sure enough."""
        existence = self._tracks.existence
        sure = (existence >= self.config.confirmed) & ((self._tracks.hits >= 2) | (existence >= self.config.at_once))
        tracks = self._tracks.kept(sure)
        tracks = tracks.kept(~overrun(tracks))
        self.sources = tracks.sources
        velocities, spread = tracks.motion[:, 2:], tracks.motion_covariance[:, 2:, 2:]
        sigmas = np.sqrt(np.einsum('ni,nij,nj->n', velocities, np.linalg.inv(spread), velocities))
        gone = np.hypot(*(tracks.motion[:, :2] - tracks.starts_m).T)
        moving = ((sigmas > self.config.still_sigmas) & (gone > self.config.still_m))[:, None]
        poses = np.zeros((len(tracks), 3, 3))
        poses[:, :2, :2], poses[:, 2, 2] = tracks.motion_covariance[:, :2, :2], tracks.turning_covariance[:, 0, 0]
        return Objects(
            stamp_ns=stamp_ns,
            frame='odom',
            positions_m=np.column_stack([tracks.motion[:, :2], tracks.heights_m]),
            headings_rad=tracks.turning[:, 0],
            dimensions_m=tracks.sizes_m,
            existence=tracks.existence,
            class_probabilities=tracks.probabilities,
            velocities_mps=np.where(moving, velocities, 0.0),
            heading_rates_rps=np.where(moving[:, 0], tracks.turning[:, 1], 0.0),
            pose_covariances=poses,
            velocity_covariances=spread,
            ids=tracks.ids,
        )


def in_odom(objects: Objects, odom_from_base: np.ndarray) -> Objects:
    """Return detected objects, given in base_link, in odom."""
    heading = np.arctan2(odom_from_base[1, 0], odom_from_base[0, 0])
    c, s = np.cos(heading), np.sin(heading)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    flat = turn[:2, :2]
    return replace(
        objects,
        frame='odom',
        positions_m=moved(objects.positions_m, odom_from_base),
        headings_rad=np.asarray(wrapped(objects.headings_rad + heading)),
        velocities_mps=objects.velocities_mps @ flat.T,
        pose_covariances=turn @ objects.pose_covariances @ turn.T,
        velocity_covariances=flat @ objects.velocity_covariances @ flat.T,
    )


def _carried(objects: Objects, ego: EgoState) -> Objects:
    """Return what another detector found, in odom, carried by its speed to the stamp of `ego`."""
    later_s = (ego.stamp_ns - objects.stamp_ns) / SECOND_NS
    turned = ego.twist[5] * later_s
    vx, vy = ego.twist[0] * later_s, ego.twist[1] * later_s
    driven = matrix_of(np.array([vx, vy, 0.0]), quaternion_of_heading(turned))  # then_from_now of base_link
    there = in_odom(objects, ego.odom_from_base @ inverse(driven))
    known = np.nan_to_num(there.velocities_mps, nan=0.0) * later_s
    return replace(there, positions_m=there.positions_m + np.column_stack([known, np.zeros(len(known))]))
