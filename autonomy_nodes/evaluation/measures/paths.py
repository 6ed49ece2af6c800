"""Paths of poses: how far two of them are apart, and TUM files, which `evo` reads."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import inverse, quaternion_of, rotation_log
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.evaluation.measures.task import Figures


@dataclass(frozen=True, eq=False)
class Way:
    """Poses (N, 4, 4) of base_link at N stamps, in a frame of its own."""

    stamps_ns: tuple[int, ...]
    poses: np.ndarray

    @property
    def along_m(self) -> np.ndarray:
        """(N,) the way driven up to each pose."""
        return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self.poses[:, :3, 3], axis=0), axis=1))])


@dataclass(frozen=True, eq=False)
class Link:
    """What is known of two moments of a way, measured without what lies between. first_from_last: (4, 4)."""

    first_ns: int
    last_ns: int
    first_from_last: np.ndarray


def apart(way: Way, other: Way) -> list[tuple[int, np.ndarray]]:
    """Return (stamp, (4, 4) other from mine) where both are known, laid on each other at the first of these."""
    its = dict(zip(other.stamps_ns, other.poses))
    both = [(stamp, mine, its[stamp]) for stamp, mine in zip(way.stamps_ns, way.poses) if stamp in its]
    return [(stamp, inverse(inverse(both[0][2]) @ b) @ inverse(both[0][1]) @ a) for stamp, a, b in both]


def against_way(way: Way, other: Way) -> Figures:
    """Return how far a way is from another: at its end, and at the farthest place; shares are of the way driven.

    longer_m: by which the way is longer than the other. Empty where less than two stamps are common.
    """
    both = apart(way, other)
    if len(both) < 2:
        return {}
    off_m = np.array([np.linalg.norm(difference[:3, 3]) for _, difference in both])
    along_m = dict(zip(way.stamps_ns, way.along_m))
    way_m = along_m[both[-1][0]] - along_m[both[0][0]]
    its_m = dict(zip(other.stamps_ns, other.along_m))
    longer_m = way_m - (its_m[both[-1][0]] - its_m[both[0][0]])
    share = 1.0 / max(way_m, 1e-9)
    return {
        'way_m': way_m, 'end_m': float(off_m[-1]), 'end_share': float(off_m[-1]) * share,
        'along_m': float(off_m.max()), 'along_share': float(off_m.max()) * share, 'longer_m': longer_m,
        'end_deg': math.degrees(np.linalg.norm(rotation_log(both[-1][1][:3, :3]))),
    }  # fmt: skip


def against_links(way: Way, links: Sequence[Link]) -> Figures:
    """Return how far a way is from what is known of pairs of its moments, in sum, and as a share."""
    place = {stamp: number for number, stamp in enumerate(way.stamps_ns)}
    there = [link for link in links if link.first_ns in place and link.last_ns in place]
    if not there:
        return {}
    off_m, turns_deg, ways_m = [], [], []
    for link in there:
        first, last = place[link.first_ns], place[link.last_ns]
        off = inverse(link.first_from_last) @ inverse(way.poses[first]) @ way.poses[last]
        off_m.append(float(np.linalg.norm(off[:3, 3])))
        turns_deg.append(math.degrees(np.linalg.norm(rotation_log(off[:3, :3]))))
        ways_m.append(way.along_m[last] - way.along_m[first])
    return {
        'way_m': float(sum(ways_m)), 'end_m': float(sum(off_m)), 'end_share': sum(off_m) / max(sum(ways_m), 1e-9),
        'end_deg': float(sum(turns_deg)), 'links': len(there),
    }  # fmt: skip


def write_tum(file: Path, way: Way) -> None:
    """Write `stamp x y z qx qy qz qw`, a pose a line."""
    lines = []
    for stamp_ns, pose in zip(way.stamps_ns, way.poses):
        numbers = ' '.join(f'{value:.9f}' for value in (*pose[:3, 3], *quaternion_of(pose[:3, :3])))
        lines.append(f'{stamp_ns // SECOND_NS}.{stamp_ns % SECOND_NS:09d} {numbers}')
    file.write_text('\n'.join(lines) + '\n')
