import os
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from autonomy_nodes.evaluation.measures.clear_mot import Followed, Sequence3D, curve
from autonomy_nodes.evaluation.measures.kitti_rows import boxes_of
from autonomy_nodes.evaluation.measures.overlaps import box_iou
from autonomy_nodes.evaluation.measures.tracking import detections, labels_of


def told_the_answer(found, labelled):
    """Each detection has the id of the label that it overlaps, or one of its own: no tracker can associate better."""
    rows, alone = [], 1_000_000
    for number, labels in enumerate(labelled):
        here = found[found[:, 0] == number]
        boxes = boxes_of(here[:, 10:13], here[:, [9, 8, 7]], here[:, 13])
        ids, alone = np.arange(alone, alone + len(here)), alone + len(here)
        if len(here) and len(labels.ids):
            costs = 1.0 - box_iou(labels.boxes, boxes)
            costs[costs > 0.5] = 1e9
            lines, columns = linear_sum_assignment(costs)
            good = costs[lines, columns] < 1e9
            ids[columns[good]] = labels.ids[lines[good]]
        rows.append(Followed(ids, boxes, here[:, 2:6], here[:, 6]))
    return rows


def test_the_detections_that_are_given_allow_no_more_than_docs_benchmarks_says():
    folder = Path(os.environ.get('AUTONOMY_DATA', '/nowhere')) / 'sensors/kitti_tracking'
    if not folder.is_dir():
        pytest.skip(f'no recording: {folder} is missing; set AUTONOMY_DATA')
    sequences = []
    for labels in sorted((folder / 'label').iterdir()):
        found = detections(next(folder.glob(f'det_*_car/{labels.name[:4]}.txt*')))
        labelled = labels_of(labels, int(found[:, 0].max()) + 1)
        sequences.append(Sequence3D(labelled, told_the_answer(found, labelled)))
    figures = curve(sequences).figures(range(len(sequences)))
    assert (figures['n_labels'], figures['switches']) == (15476, 0)
    assert figures['samota'] == pytest.approx(88.6, abs=0.05)
    assert figures['mota'] == pytest.approx(82.75, abs=0.05)
