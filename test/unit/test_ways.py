"""Middles of lanes of training places: where roads cross they fork as a map has it, and each goes on as it came."""

import numpy as np
import pytest

from autonomy_nodes.sim.plots.plots import plot
from autonomy_nodes.sim.plots.ways import middles_of


def heading(step):
    return np.arctan2(step[1], step[0])


@pytest.mark.parametrize('seed', range(6))
def test_at_a_crossing_each_way_ends_where_others_begin(seed):
    here = plot(seed, 'crossroads')
    lines = middles_of(here)
    tracks = [track for track in here.tracks if track.ego]
    turns = [line for line in lines if abs(np.sin(heading(line[-1] - line[-2]) - heading(line[1] - line[0]))) > 0.5]
    assert len(lines) == 3 * len(tracks) + 8 and len(turns) == 8  # each of four arms: one turn left, one right
    begins = np.array([line[0] for line in lines])
    for line in lines:
        inside = (np.abs(line[-1]) < 45.0).all()
        near = np.linalg.norm(begins - line[-1], axis=1) < 0.01
        assert near.any() == inside
        for after in (other for other, meets in zip(lines, near) if meets):  # it goes on as it came
            assert np.cos(heading(after[1] - after[0]) - heading(line[-1] - line[-2])) > 0.99


def test_who_turns_keeps_to_the_right_and_crosses_no_lane_of_its_own_direction():
    """Right turns are shorter, and begin in the lane at the edge; left turns in the one next to the middle."""
    here = plot(3, 'crossroads')
    for line in middles_of(here):
        one, two = heading(line[1] - line[0]), heading(line[-1] - line[-2])
        if abs(np.cos(one)) > 0.9 and abs(np.sin(two - one)) > 0.5:
            mine = [abs(track.n) for track in here.tracks if track.ego and np.cos(track.heading - one) > 0.9]
            wanted = min(mine) if np.sin(two - one) > 0.0 else max(mine)
            assert abs(line[0, 1]) == pytest.approx(wanted, abs=0.01)


def test_where_no_road_crosses_lanes_are_whole():
    here = plot(2, 'street')
    tracks = [track for track in here.tracks if track.ego]
    lines = middles_of(here)
    assert len(lines) == len(tracks)
    for line, track in zip(lines, tracks):
        assert np.linalg.norm(line[-1] - line[0]) == pytest.approx(track.length_m, abs=1.0)
