"""How far a network is believed: chances, thresholds and spreads of its card, worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.perception.bev import CELLS, CLASSES, OUTPUTS
from autonomy_nodes.perception.confidence import Confidence, Confidences, confidences_of
from autonomy_nodes.perception.decode import DecodeSettings, objects_of

PERSON = CLASSES.index('pedestrian')


def odds(chance):
    return float(np.log(chance / (1.0 - chance)))


def test_a_temperature_of_two_and_an_offset_make_less_of_what_is_told():
    told = Confidences({'pedestrian': Confidence(temperature=2.0, offset=odds(0.5) - odds(0.8))})
    # log odds of 16/17 are ln 16; halved ln 4, that is 0.8; shifted back to a half
    assert told.believed(np.array([16.0 / 17.0]), np.array([PERSON])) == pytest.approx([0.5])
    assert told.believed(np.array([0.3]), np.array([0])) == pytest.approx([0.3])


@given(st.floats(0.05, 0.95), st.floats(0.2, 4.0), st.floats(-2.0, 2.0))
def test_a_floor_is_what_the_threshold_was_made_of(least, temperature, offset):
    told = Confidences(dict.fromkeys(CLASSES, Confidence(least, temperature, offset)))
    kinds = np.arange(len(CLASSES))  # all within log odds of 20: a double still tells such a chance from 1
    assert told.believed(told.floors(told.column('least')), kinds) == pytest.approx(least, abs=1e-6)


def test_a_card_is_read_and_a_bad_one_is_refused_by_name():
    card = {'decode': {'pedestrian': {'least': 0.3, 'spread_scale': 4}}}
    told = confidences_of(card)
    assert told.column('least').tolist() == [0.5, 0.5, 0.3, 0.5, 0.5]
    assert told.column('spread_scale')[PERSON] == 4.0
    assert confidences_of({}) == Confidences()
    for wrong, word in (
        ({'person': {}}, 'vehicle'), ({'animal': {'most': 1.0}}, 'most'), ({'animal': {'least': 1.5}}, 'least=1.5'),
        ({'animal': {'temperature': 0.0}}, 'temperature=0'), (['animal'], 'decode'),
    ):  # fmt: skip
        with pytest.raises(SettingsError, match=word):
            confidences_of({'decode': wrong})


def test_each_class_has_its_threshold_and_its_spread_and_a_setting_overrides_the_thresholds():
    outputs = {name: np.zeros((channels, *cells), np.float32) for name, (channels, cells) in OUTPUTS.items()}
    outputs['heat'] -= 10.0
    outputs['overlap'] += 20.0
    outputs['heat'][0, 100, 90] = outputs['heat'][PERSON, 50, 50] = odds(0.4 ** (1.0 / 0.7))  # existence 0.4
    outputs['box'][7] = 1.0
    told = Confidences({'pedestrian': Confidence(least=0.3, spread_scale=4.0, heading_scale=9.0)})
    level = np.zeros(CELLS, np.float32)
    found = objects_of(outputs, level, 0, 0.0, DecodeSettings(), told)
    assert found.existence == pytest.approx([0.4], rel=1e-5)
    assert np.diag(found.pose_covariances[0]) == pytest.approx([4.0, 4.0, 9.0])
    assert len(objects_of(outputs, level, 0, 0.0, DecodeSettings(least=0.35), told)) == 2
    assert len(objects_of(outputs, level, 0, 0.0, DecodeSettings(least=0.45), told)) == 0
