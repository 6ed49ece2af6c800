"""How far the two channels disagree: counted by hand, smoothed, with an alarm that does not flicker."""

from dataclasses import replace

import numpy as np
import pytest
from test_fusion import clusters, objects

from autonomy_nodes.perception.bev import CELL_M, ORIGIN_M, OUTPUTS
from autonomy_nodes.perception.disagreement import Disagreement, DisagreementSettings, counted
from autonomy_nodes.perception.learned import Learned

SETTINGS = DisagreementSettings(fewest=1.0, alarm=0.5, clear=0.35)


def told(*places, blocked=()):
    """Return what a network tells that sees cars at places, and ground that is blocked at others."""
    outputs = {name: np.full((channels, *cells), -5.0, np.float32) for name, (channels, cells) in OUTPUTS.items()}
    for place in blocked:
        i, j = np.floor((np.array(place) - ORIGIN_M) / CELL_M).astype(int)
        outputs['blocked'][0, i, j] = 5.0
    return Learned(objects(*places), np.zeros((3, *OUTPUTS['blocked'][1]), np.float32), outputs)


def test_boxes_with_something_in_them_and_clusters_in_boxes_agree():
    assert counted(told((10, 0)), clusters(objects((10, 0)), (10, 0, 0)), SETTINGS).tolist() == [0.0, 2.0]


def test_a_cluster_that_nobody_explains_and_an_empty_box_disagree_and_what_is_far_counts_for_nothing():
    seen = clusters(objects((10, 0), (20, 5), (35, 0)), (10, 0, 0), (20, 5, 1), (35, 0, 2))
    assert counted(told((10, 0), (15, -8), (34, 20)), seen, SETTINGS).tolist() == [2.0, 4.0]


def test_ground_that_the_network_calls_blocked_explains_what_stands_there():
    wall = [(x, 4.0, 0) for x in (10.2, 10.6, 11.0, 11.4)]
    seen = clusters(objects((10.8, 4)), *wall)
    assert counted(told(blocked=[place[:2] for place in wall[:2]]), seen, SETTINGS).tolist() == [0.0, 1.0]
    assert counted(told(blocked=[wall[0][:2]]), seen, SETTINGS).tolist() == [1.0, 1.0]


def test_with_nothing_in_sight_there_is_nothing_to_disagree_on():
    assert counted(told(), clusters(objects()), SETTINGS).tolist() == [0.0, 0.0]


def stamped(seen, step):
    return replace(seen, objects=replace(seen.objects, stamp_ns=step * 100_000_000))


def test_the_share_is_smoothed_and_the_alarm_goes_on_and_off_at_two_limits():
    """Counts fall by exp(-0.1 / 2) a sweep: of all in the past and n sweeps of now, now weighs 1 - exp(-n / 20)."""
    alarm = Disagreement(SETTINGS)
    known, strange = clusters(objects((10, 0)), (10, 0, 0)), clusters(objects((20, 5)), (20, 5, 0))
    for step in range(400):
        assert alarm.heard(told((10, 0)), stamped(known, step)) == 0.0
    shares, alarms = [], []
    for step in range(400, 480):
        shares.append(alarm.heard(told((10, 0)), stamped(strange, step)))  # an empty box and a strange cluster
        alarms.append(alarm.alarmed)
    assert shares[9] == pytest.approx(1.0 - np.exp(-10 / 20), abs=0.01)
    assert alarms.index(True) == int(np.ceil(20 * np.log(2.0))) - 1 and all(alarms[14:])
    for step in range(480, 560):
        shares.append(alarm.heard(told((10, 0)), stamped(known, step)))
        assert alarm.alarmed == (shares[-1] >= 0.35)


def test_few_things_make_no_alarm():
    alarm = Disagreement(DisagreementSettings())
    assert alarm.heard(told((10, 0)), stamped(clusters(objects()), 1)) == pytest.approx(1 / 20)
    assert not alarm.alarmed


@pytest.mark.parametrize('given, said', [({'clear': 0.6}, 'clear=0.6'), ({'within_m': 0.0}, 'within_m=0.0')])
def test_nonsense_is_refused_by_name(given, said):
    with pytest.raises(ValueError, match=said):
        DisagreementSettings(**given)
