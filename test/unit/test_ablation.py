"""Short runs that each lack something: what they lack, that they repeat, are taken up again and are compared."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from flat_examples import examples  # noqa: E402

from autonomy_nodes.perception.bev import POINTS  # noqa: E402
from autonomy_nodes.perception.network import PRESETS, Network, empty  # noqa: E402
from autonomy_nodes.training import ablation  # noqa: E402
from autonomy_nodes.training.ablation import VARIANTS, Part, Plan, blinded, places_of, trained, without  # noqa: E402
from autonomy_nodes.training.ablation_table import ablated, table, told_of  # noqa: E402
from autonomy_nodes.training.quality import figures_of, watched  # noqa: E402
from autonomy_nodes.training.samples import HELD_OUT, SampleSettings, sample_of  # noqa: E402

QUIET = [].append
TWO = Plan('ci', 2, 7, ('full', 'no_intensity'))

pytestmark = pytest.mark.usefixtures('one_thread')


def test_a_quarter_of_the_places_come_in_turn_and_held_out_ones_stay():
    # 300 steps of 4 samples, each example twice, 4 of a place: 150 places
    assert Plan().places == 150 == places_of(1200, SampleSettings())
    asked = []

    def noted(seed):
        asked.append(seed)
        return islice(examples(seed), 1)

    part = Part(noted, 10, 3, ())
    for seed in (10, 12, 13, 15, 100, HELD_OUT + 5):
        next(iter(part(seed)))
    assert asked == [10, 12, 10, 12, 10, HELD_OUT + 5]


def test_channels_that_are_left_out_are_empty_in_what_the_network_sees():
    example = next(examples(0))
    plain = sample_of(example)['points']
    for channels in (('before',), ('intensity', 'contrast')):
        seen = sample_of(without(example, channels))['points']
        for name in POINTS:
            place = POINTS.index(name)
            if name == 'contrast' and name in channels:  # without light every cell is as bright as the mean
                assert set(seen[place].unique().tolist()) == {0.0, 0.5}
                continue
            assert torch.equal(plain[place], seen[place]) is (name not in channels), name
            assert name not in channels or not seen[place].any()


def test_a_blinded_network_says_the_same_whatever_lies_in_these_channels():
    torch.manual_seed(0)
    network = blinded(Network(PRESETS['ci']).eval(), ('intensity', 'contrast'))
    inputs = [empty(1), empty(1), empty(1)]
    for name in ('intensity', 'contrast'):
        inputs[1]['points'][:, POINTS.index(name)] = 1.0
    inputs[2]['points'][:, POINTS.index('count')] = 1.0
    with torch.no_grad():
        dark, light, full = (network(**one) for one in inputs)
    assert all(torch.equal(dark[name], light[name]) for name in dark)
    assert not torch.equal(dark['heat'], full['heat'])


def test_a_run_repeats_and_one_that_was_whole_is_taken_as_it_is(tmp_path, monkeypatch):
    first, _ = trained(TWO, 'full', tmp_path / 'a', examples, QUIET)
    again, _ = trained(TWO, 'full', tmp_path / 'b', examples, QUIET)
    other, _ = trained(TWO, 'again', tmp_path / 'a', examples, QUIET)
    states = [network.state_dict() for network in (first, again, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(states[0][name], states[2][name]) for name in states[0])
    runs = []
    monkeypatch.setattr(ablation, 'train', lambda *words, **more: runs.append(words) or real(*words, **more))
    trained(TWO, 'full', tmp_path / 'a', examples, QUIET)
    assert not runs
    longer, _ = trained(replace(TWO, steps=3), 'full', tmp_path / 'a', examples, QUIET)
    assert len(runs) == 1 and not torch.equal(longer.fold[0].weight, first.fold[0].weight)


real = ablation.train


def test_runs_are_judged_side_by_side_on_examples_that_none_saw(tmp_path):
    figures = ablated(TWO, tmp_path, examples, 3, None, QUIET)
    assert (figures['n_examples'], figures['n_steps'], figures['n_frames']) == (3, 2, 0)
    assert figures['full.sim.ground.mae_m_gain'] == figures['full.sim.ground.mae_m_gain_high'] == 0.0
    own, gain = figures['no_intensity.sim.ground.mae_m'], figures['no_intensity.sim.ground.mae_m_gain']
    assert gain == pytest.approx(own - figures['full.sim.ground.mae_m'])
    low, high = (figures[f'no_intensity.sim.ground.mae_m_{end}'] for end in ('low', 'high'))
    assert low <= own <= high
    assert (tmp_path / 'no_intensity' / 'model' / 'weights.safetensors').is_file()
    lines = table(figures)
    assert [line.split(' | ')[0] for line in lines[2:]] == ['| full', '| no_intensity']
    told = told_of(TWO, figures)
    assert told['no_intensity.about'] == 'without intensity' and told['runs'] == ['full', 'no_intensity']


def test_figures_of_examples_together_are_those_of_all():
    torch.manual_seed(0)
    network = Network(PRESETS['ci']).eval()
    one, two = (watched(network, example, torch.device('cpu')) for example in islice(examples(0), 2))
    both = figures_of([one, two])
    assert both['ground.mae_m'] == pytest.approx(0.5 * (one.off_m + two.off_m))
    met = one.whole + two.whole > 0
    assert both['terrain.miou'] == pytest.approx(((one.shared + two.shared)[met] / (one.whole + two.whole)[met]).mean())


@pytest.mark.parametrize(
    ('more', 'match'),
    [({'variants': ('no_luck',)}, 'no_luck'), ({'steps': 0}, 'steps=0'), ({'seed': HELD_OUT}, 'seed=')],
)
def test_nonsense_is_refused(more, match):
    with pytest.raises(ValueError, match=match):
        Plan(**more)


def test_every_variant_tells_what_it_lacks_and_names_channels_that_there_are():
    assert all(variant.about and {*variant.blind} <= {*POINTS} for variant in VARIANTS.values())
    assert np.isclose(VARIANTS['quarter_of_places'].places, 0.25) and not VARIANTS['no_augmentation'].changes
