"""Sweeps of which nobody knows what is true, as examples that ask for nothing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.evidence import combined, files
from autonomy_nodes.perception.bev import CELLS
from autonomy_nodes.perception.learned import GAPS_S, rows_of
from autonomy_nodes.sim.materials import Semantic
from autonomy_nodes.training.census.sweeps import Reading, parts_of, sweeps_of
from autonomy_nodes.training.examples import Example

_UNKNOWN = 255  # terrain


def unlabelled(cloud: PointCloud, sensor_m: np.ndarray, before: PointCloud | None = None) -> Example:
    """Return a sweep in base_link as an example. sensor_m: (3,) where its rays began. before: in the same base_link."""
    points = rows_of(cloud, cloud.xyz)
    earlier = np.zeros((0, 4), np.float32) if before is None else rows_of(before, before.xyz)
    return Example(
        points=points, before=earlier, sensor_m=np.asarray(sensor_m, np.float32),
        boxes=np.zeros((0, 9), np.float32), kinds=np.zeros(0, np.int64), hits=np.zeros(0, np.int32),
        shares=np.zeros(0, np.float32), semantics=np.full(len(points), Semantic.NOTHING, np.uint8),
        bodies=np.full(len(points), -1, np.int32), ground_m=np.full(CELLS, np.nan, np.float32),
        terrain=np.full(CELLS, _UNKNOWN, np.uint8), top_m=np.zeros(CELLS, np.float32), blocked=np.zeros(CELLS, bool),
    )  # fmt: skip


def unlabelled_of(paths: Sequence[Path], most: int) -> list[Example]:
    """Return sweeps of data sets and recordings, so many at most, evenly from all; raises DataError where none fits.

    No label is learned from. What has no single LiDAR whose place is told is left out.
    """
    found, count, every = list[Example](), 0, 1
    for path in paths:
        for part in parts_of(path):
            for sweep in sweeps_of(part, Reading()):
                if sweep.sensor_m is None:
                    continue
                if count % every == 0:
                    near = sweep.before is not None and GAPS_S[0] <= sweep.gap_s <= GAPS_S[1]
                    found.append(unlabelled(sweep.cloud, sweep.sensor_m, sweep.before if near else None))
                count += 1
                if len(found) > 2 * most:  # a long recording is held thinner and thinner
                    found, every = found[::2], 2 * every
    if not found:
        raise DataError(f'{", ".join(map(str, paths))}: no sweep of one LiDAR whose place on the vehicle is told')
    return [found[place] for place in np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).astype(int))]


def hash_of(path: Path) -> str:
    """Return one sha256 of a folder's files, or of a file, as evidence tells it."""
    return combined(files(path), path.parent if path.is_file() else path)
