"""What is fitted for a network's card, on answers whose truth is known; and on a real card from end to end."""

import json

import numpy as np
import pytest

from autonomy_nodes.perception.bev import CLASSES
from autonomy_nodes.perception.confidence import Confidence, Confidences, Support, chance, log_odds
from autonomy_nodes.training import calibrate as fitting
from autonomy_nodes.training.told_rows import NEITHER, RIGHT, WRONG, Gathered, Rows

PERSON = CLASSES.index('pedestrian')


def rows(existence, right, kind=PERSON, word=None, off=None):
    count = len(existence)
    right = np.asarray(right, int)
    return Rows(
        np.arange(count), np.full(count, kind), np.asarray(existence, float), np.ones(count), right, right,
        np.full((count, 3), np.nan) if off is None else off, np.full(count, np.nan) if word is None else word,
    )  # fmt: skip


def gathered(some, labels):
    counts = np.zeros((len(some.place), len(CLASSES)), int)
    counts[0, PERSON] = labels
    return Gathered(some, some.place, counts)


def drawn(count=20000, seed=0):
    """Answers of a network that says too little: the odds of what is so are the square of what it says, times two."""
    rng = np.random.default_rng(seed)
    said = chance(rng.normal(0.0, 1.0, count))
    true = chance(2.0 * log_odds(said) + np.log(2.0))
    return said, np.where(rng.random(count) < true, RIGHT, WRONG)


def test_the_temperature_and_the_offset_of_a_network_that_says_too_little_are_found():
    said, right = drawn()
    temperature, offset = fitting.fit_odds(rows(said, right))
    assert temperature == pytest.approx(0.5, abs=0.03) and offset == pytest.approx(np.log(2.0), abs=0.06)


def test_what_few_points_show_is_not_learned_from():
    said, right = drawn(4000)
    one = fitting.fit_odds(rows(said, right))
    doubtful = rows(np.append(said, np.full(900, 0.99)), np.append(right, np.full(900, NEITHER)))
    assert fitting.fit_odds(doubtful) == one


def test_the_best_f1_of_four_answers():
    # told from 0.6 on: two right of three, of two labels: 2 * 2 / (3 + 2)
    least, precision, recall = fitting.best_f1(np.array([0.9, 0.7, 0.6, 0.2]), np.array([1, 0, 1, 0]), 2)
    assert (least, precision, recall) == (pytest.approx(0.6), pytest.approx(2 / 3), 1.0)
    assert fitting.best_f1(np.array([0.9]), np.array([WRONG]), 2)[0] == 0.5
    # one right among three is told of nobody, though no other threshold has a better F1
    assert fitting.best_f1(np.array([0.9, 0.7, 0.2]), np.array([WRONG, WRONG, RIGHT]), 1) == (0.5, 0.0, 0.0)
    assert fitting.best_f1(np.array([0.9, 0.8]), np.array([NEITHER, RIGHT]), 1) == (pytest.approx(0.8), 1.0, 1.0)


def test_nine_in_ten_of_what_is_right_lie_within_the_told_ellipse():
    off = np.column_stack([np.linspace(0.1, 9.9, 99), np.linspace(0.1, 9.9, 99), np.full(99, 0.5)])
    some = rows(np.full(99, 0.9), np.full(99, RIGHT), off=off)
    told = fitting.fit_confidences(gathered(some, 99)).classes['pedestrian']
    assert told.spread_scale == pytest.approx(9.0 / 4.60517, rel=1e-3)  # the 90th of 99: (99 + 1) * 0.9
    assert told.heading_scale == pytest.approx((0.5 / 1.64485) ** 2, rel=1e-3)
    assert fitting.radii(gathered(some, 99), Confidences()) == {'pedestrian': 9.0}


def test_a_class_that_was_hardly_met_takes_what_its_family_tells():
    said, right = drawn(3000)
    few = rows(np.array([0.8]), np.array([RIGHT]), kind=CLASSES.index('two_wheeler'), off=np.ones((1, 3)))
    people = rows(said, right, off=np.ones((3000, 3)))
    both = Rows(*(np.concatenate([getattr(people, name), getattr(few, name)]) for name in Rows.__dataclass_fields__))
    told = fitting.fit_confidences(Gathered(both, both.place, np.tile([0, 0, 1, 1, 0], (3001, 1)))).classes
    assert told['two_wheeler'].temperature == pytest.approx(told['pedestrian'].temperature, abs=0.02)
    assert set(told) == {'pedestrian', 'two_wheeler'}


def test_a_channel_that_knows_more_is_listened_to_and_one_that_knows_nothing_is_not():
    rng = np.random.default_rng(1)
    there = rng.random(6000) < 0.5
    right = np.where(there, RIGHT, WRONG)
    said = chance(np.where(there, 1.0, -1.0) + rng.normal(0.0, 1.4, 6000))
    telling, idle = np.where(there, 1.5, -1.5) + rng.normal(0.0, 1.5, 6000), rng.normal(0.0, 1.5, 6000)
    plain = Confidences({'pedestrian': Confidence(least=0.01)})
    heard = fitting.fit_support(gathered(rows(said, right, word=telling), 3000), plain)
    assert heard.geometric == pytest.approx(4.0 / 3.0, abs=0.15)  # 2 * 1.5 / 1.5^2
    assert heard.own == pytest.approx(2.0 / 1.4**2, abs=0.1)
    assert fitting.fit_support(gathered(rows(said, right, word=idle), 3000), plain).geometric < 0.08
    silent = fitting.fit_support(gathered(rows(said[:20], right[:20]), 10), plain)
    assert silent == Support()


def test_thresholds_are_those_of_the_drives_that_are_given_and_of_rare_classes_stay():
    """Forty people said with 0.6, and forty things with 0.5 that are none: told from 0.6 on, not from 0.3."""
    said, right = np.repeat([0.6, 0.5], 40), np.repeat([RIGHT, WRONG], 40)
    plain = Confidences({'pedestrian': Confidence(least=0.3), 'truck': Confidence(least=0.4)})
    there = gathered(rows(said, right), 40)
    chosen, support = fitting.with_thresholds(there, plain, Support(own=1.0, offset=0.5, least=0.2))
    assert chosen.classes['pedestrian'].least == pytest.approx(0.6, abs=1e-3)
    assert support.least == pytest.approx(chance(log_odds(0.6) + 0.5), abs=1e-3)
    assert chosen.classes['truck'] == plain.classes['truck']
    found = fitting.judge(there, chosen, support)['pedestrian']
    assert found['precision'] == found['recall'] == 1.0
    assert fitting.with_thresholds(there, plain, Support())[1] == Support()
    assert fitting.with_thresholds(there, plain, support, ('truck',)) == (plain, support)
    few = gathered(rows(said[::2], right[::2]), 20)
    assert fitting.with_thresholds(few, plain, support) == (plain, support)


def test_labelled_drives_are_gathered_like_places(tmp_path):
    pytest.importorskip('embreex')
    from autonomy_nodes.common.types import DataError
    from autonomy_nodes.inference.manifest import folder_of
    from autonomy_nodes.training.holdout import write_holdout
    from autonomy_nodes.training.scenes import Choice
    from autonomy_nodes.training.told_frames import gather_frames

    write_holdout(tmp_path / 'made', Choice(8, 2, 1), 1, lambda *told: None)
    found = gather_frames(folder_of('lidar_small'), [tmp_path / 'made'], 'auto', 1, lambda told: None)
    assert found.places.tolist() == [0, 1] and found.labels.shape == (2, len(CLASSES)) and found.labels.sum() > 0
    assert (found.rows.right == RIGHT).any() and np.isfinite(found.rows.off[found.rows.right == RIGHT]).all()
    with pytest.raises(DataError, match='labels'):
        gather_frames(folder_of('lidar_small'), [], 'auto', 1, lambda told: None)


def test_a_card_gets_what_was_fitted_and_keeps_what_it_had(tmp_path):
    torch = pytest.importorskip('torch')
    from safetensors.torch import save_file

    from autonomy_nodes.commands.main import main
    from autonomy_nodes.inference.manifest import WEIGHTS, Manifest, digest, read_manifest, write_manifest
    from autonomy_nodes.perception.bev import INPUTS, OUTPUTS
    from autonomy_nodes.perception.network import PRESETS, Network
    from autonomy_nodes.training.export import tensors

    torch.manual_seed(0)
    save_file(Network(PRESETS['ci']).state_dict(), tmp_path / WEIGHTS)
    files = {WEIGHTS: digest(tmp_path / WEIGHTS)}
    write_manifest(tmp_path, Manifest('made', 'ci', tensors(INPUTS), tensors(OUTPUTS), files, {'limits': ['none']}))
    words = ['train', 'calibrate', '--model', str(tmp_path), '--backend', 'torch', '--count']
    assert main([*words, '6']) == 0
    card = read_manifest(tmp_path).card
    assert card['limits'] == ['none'] and json.dumps(card['calibrated'])
    assert card['calibrated']['data'].startswith('places of seeds 990100 to 990102')
    assert main([*words, '2']) == 2
    assert main([*words, '6', '--only', 'boat', '--data', str(tmp_path)]) == 2
    assert main([*words, '6', '--only', 'truck']) == 2
    assert main(['train', 'calibrate']) == 2
    assert main(['train', 'perception']) == 2
