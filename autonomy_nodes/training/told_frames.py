"""What a network tells of labelled drives, beside their labels: thresholds are chosen by other worlds than it knows."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.detected import Place, inside, labelled, sweep_of
from autonomy_nodes.evaluation.measures.task import in_processes
from autonomy_nodes.training.census.sweeps import KIND_OF
from autonomy_nodes.training.targets import LEAST_HITS
from autonomy_nodes.training.told_rows import Gathered, Rows, beside, collected, plain_channel


def gather_frames(
    folder: Path, data: Sequence[Path], backend: str, jobs: int, tell: Callable[[str], None]
) -> Gathered:
    """Return what a network tells of each labelled frame of some folders, each sweep alone.

    Raises DataError where none has labels.
    """
    frames = [place for path in data for _, place in labelled(path)]
    if not frames:
        raise DataError(f'{", ".join(map(str, data))}: no frame has labels; nothing can be chosen by them')
    work = partial(_told_of, folder, backend)
    return collected(in_processes(jobs, work, list(enumerate(frames))), np.arange(len(frames)), tell, 'frames')


def _told_of(folder: Path, backend: str, item: tuple[int, Place]) -> tuple[Rows, np.ndarray]:
    number, place = item
    frame = place.found()[2]
    assert frame.truth is not None
    truth, (cloud, sensor_m) = frame.truth(), sweep_of(frame)
    known = np.isin(truth.objects.labels, list(KIND_OF))
    kinds = np.array([KIND_OF[label] for label in truth.objects.labels[known].tolist()], np.int64)
    points = np.where(truth.points < 0, inside(truth.objects, cloud.xyz), truth.points)[known]
    there = truth.objects.flat[known], kinds, points < LEAST_HITS
    return beside(plain_channel(folder, backend), cloud, sensor_m, None, there, number)
