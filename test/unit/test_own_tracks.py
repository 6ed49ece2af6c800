"""The stack's own tracks against labels: who is paired, what does not count, where they stand."""

import numpy as np
import pytest

from autonomy_nodes.common.geometry import quaternion_of_heading
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.types import DataError, EgoState
from autonomy_nodes.evaluation.measures import own_tracks
from autonomy_nodes.evaluation.measures.clear_mot import Followed, Labelled, Sequence3D, curve
from autonomy_nodes.evaluation.measures.own_tracks import near
from autonomy_nodes.evaluation.measures.task import Task


def boxes(*places):
    return np.array([(x, y, 0.8, 4.0, 1.8, 1.6, 0.0) for x, y in places]).reshape(-1, 7)


def labelled(*places):
    count = len(places)
    return Labelled(np.arange(count), boxes(*places), np.zeros(count, bool), np.zeros((0, 4)))


def followed(*places, quiet=None):
    count = len(places)
    pictures = np.tile([0.0, 0.0, 1000.0, 1000.0], (count, 1))
    return Followed(100 + np.arange(count), boxes(*places), pictures, np.full(count, 0.9), quiet)


def test_labels_and_tracks_are_paired_up_to_the_distance_and_no_further():
    found = near(2.0)(boxes((0, 0), (10, 0)), boxes((2.0, 0), (10, 2.1), (50, 50)))
    assert found[0] == pytest.approx([0.5, 0.0, 0.0], abs=1e-9)
    assert found[1, 1] == pytest.approx(1.0 - 2.1 / 4.0) and found[1, 1] < 0.5


def test_what_is_quiet_is_not_wrong_where_it_finds_nothing_and_counts_where_it_does():
    labels = [labelled((10, 0), (20, 0))] * 3
    loud = followed((10, 0.5), (20, 0), (30, 9))
    for rows, false in ((loud, 3), (followed((10, 0.5), (20, 0), (30, 9), quiet=np.array([True, False, True])), 0)):
        figures = curve([Sequence3D(labels, [rows] * 3, near(2.0))]).figures([0])
        assert (figures['false'], figures['n_true'], figures['missed']) == (false, 6, 0)


def test_tracks_are_told_in_base_link_of_their_sweep():
    classes = np.zeros((1, len(Label)))
    classes[0, Label.CAR] = 1.0
    tracks = Objects(
        stamp_ns=1, frame='odom', positions_m=np.array([[10.0, 5.0, 0.5]]), headings_rad=np.array([np.pi / 2]),
        dimensions_m=np.array([[4.0, 1.8, 1.6]]), existence=np.array([0.9]), class_probabilities=classes,
        velocities_mps=np.zeros((1, 2)), heading_rates_rps=np.zeros(1), pose_covariances=np.eye(3)[None],
        velocity_covariances=np.eye(2)[None], ids=np.zeros((1, 16), np.uint8),
    )  # fmt: skip
    ego = EgoState(1, np.array([10.0, 0.0, 0.0]), quaternion_of_heading(np.pi / 2), np.zeros(6))
    here = own_tracks._in_base(tracks, ego)
    assert here.positions_m[0] == pytest.approx([5.0, 0.0, 0.5], abs=1e-9)
    assert here.headings_rad[0] == pytest.approx(0.0, abs=1e-9) and here.frame == 'base_link'


def test_a_folder_without_detections_and_without_ids_is_refused_with_what_it_lacks(tmp_path):
    with pytest.raises(DataError):
        own_tracks.evaluate(Task(tmp_path, tmp_path / 'out'))
