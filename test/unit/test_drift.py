"""Drift of the network's input: none between equal sets, clear where beams are lost or the LiDAR is tilted."""

from dataclasses import replace

import numpy as np
import pytest
from flat_examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from autonomy_nodes.common.geometry import matrix_of_rpy
from autonomy_nodes.training.census.cards import card_of
from autonomy_nodes.training.census.channels import BINS
from autonomy_nodes.training.census.drift import distance, drift, level_of, stability, verdict
from autonomy_nodes.training.census.sweeps import sweep_of

histograms = st.lists(st.integers(0, 10_000), min_size=BINS, max_size=BINS).filter(any).map(np.array)


def cards(change=lambda example: example, seeds=range(6)):
    return [card_of(sweep_of(f'{seed:07d}-0', change(next(examples(seed))))) for seed in seeds]


@pytest.fixture(scope='module')
def plain():
    return cards()


def with_points(example, points):
    """The same with other points, of as many sweeps."""
    return replace(example, points=points.astype(np.float32), before=points.astype(np.float32))


def half_the_beams(example):
    reach = np.hypot(*example.points[:, :2].T)
    ring = np.round(np.log(np.maximum(reach, 1.0) / 3.0) / np.log(35.0 / 3.0) * 27.0).astype(int)
    return with_points(example, example.points[ring % 2 == 0])


def tilted(example):
    turn = matrix_of_rpy(np.zeros(3), np.array([0.0, np.radians(4.0), 0.0]))[:3, :3]
    return with_points(example, np.column_stack([example.points[:, :3] @ turn.T, example.points[:, 3]]))


def dimmed(example):
    """Half of the points lose most of their light: contrast and intensity change, shapes do not."""
    far = np.hypot(*example.points[:, :2].T) > 12.0
    return with_points(example, np.column_stack([example.points[:, :3], np.where(far, 0.06, example.points[:, 3])]))


@settings(deadline=None)
@given(histograms)
def test_equal_histograms_do_not_differ(counts):
    assert stability(counts, counts) == pytest.approx(0.0, abs=1e-12)
    assert distance(counts, counts) == 0.0


@settings(deadline=None)
@given(histograms, histograms)
def test_different_histograms_differ_by_no_less_than_nothing_and_in_distance_by_no_more_than_one(one, other):
    assert stability(one, other) >= 0.0
    assert 0.0 <= distance(one, other) <= 1.0 and distance(one, other) == distance(other, one)


@settings(deadline=None)
@given(histograms, histograms, st.integers(2, 9))
def test_more_of_the_same_does_not_change_the_distance(one, other, times):
    assert distance(times * one, other) == pytest.approx(distance(one, other))


def test_figures_are_those_worked_out_by_hand():
    here, there = np.zeros(BINS), np.zeros(BINS)
    here[[0, BINS - 1]], there[[0, BINS - 1]] = 50_000, (25_000, 75_000)
    # (0.5 - 0.25) ln 2 + (0.5 - 0.75) ln (2 / 3) = 0.1733 + 0.1014
    assert stability(here, there) == pytest.approx(0.2747, abs=1e-3)
    assert distance(here, there) == pytest.approx(0.25)


def test_a_level_needs_more_than_chance():
    assert [level_of(psi, 0.05) for psi in (0.05, 0.15, 0.3)] == ['none', 'moderate', 'clear']
    assert level_of(0.3, chance=0.4) == 'none'


def test_a_set_does_not_drift_from_itself(plain):
    shifts = drift(plain, plain)
    assert len(shifts) > 50 and {shift.level for shift in shifts} == {'none'}
    assert max(shift.psi for shift in shifts) == pytest.approx(0.0, abs=1e-12)
    assert verdict(shifts) == f'no drift in {len(shifts)} channels and ranges.'


@pytest.mark.parametrize(
    'change, channel', [(half_the_beams, 'known'), (tilted, 'ground'), (dimmed, 'contrast')]
)  # fmt: skip
def test_what_is_changed_is_named(plain, change, channel):
    shifts = drift(cards(change), plain)
    clear = {shift.channel for shift in shifts if shift.level == 'clear'}
    assert channel in clear
    assert verdict(shifts).startswith('clear drift')
    assert [shift.psi for shift in shifts] == sorted((shift.psi for shift in shifts), reverse=True)


def test_light_alone_changes_no_shape(plain):
    shifts = drift(cards(dimmed), plain)
    assert {shift.channel for shift in shifts if shift.psi > 1e-9} == {'intensity', 'contrast'}


def test_sweeps_beyond_the_others_are_counted_where_there_are_enough_of_them(plain):
    many = cards(seeds=range(20))
    lost = {(shift.channel, shift.band): shift for shift in drift(cards(half_the_beams), many)}
    assert lost['occupied', '20-40 m'].beyond == 1.0
    assert lost['occupied', '20-40 m'].here < 0.7 * lost['occupied', '20-40 m'].there
    assert np.isnan(drift(plain, plain)[0].beyond)
