"""Adapting without labels: statistics by count, one's own sure words, what is told of it, and what it gains."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from flat_examples import example_of, examples  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from autonomy_nodes.common.settings import SettingsError  # noqa: E402
from autonomy_nodes.evaluation.measures.adaptation import interval_of_gain, verdict  # noqa: E402
from autonomy_nodes.evaluation.measures.precision import Judged  # noqa: E402
from autonomy_nodes.evaluation.measures.task import Task  # noqa: E402
from autonomy_nodes.inference.manifest import WEIGHTS, Manifest, digest, read_manifest, write_manifest  # noqa: E402
from autonomy_nodes.perception.bev import BOX, CELL_M, CELLS, INPUTS, ORIGIN_M, OUTPUTS  # noqa: E402
from autonomy_nodes.perception.confidence import Confidences  # noqa: E402
from autonomy_nodes.perception.network import PRESETS, Network, learned_weights, loaded  # noqa: E402
from autonomy_nodes.training.adapt import self_training  # noqa: E402
from autonomy_nodes.training.adapt.adaptation import adapted, shipping_of, write_adapted  # noqa: E402
from autonomy_nodes.training.adapt.self_training import pseudo_labelled  # noqa: E402
from autonomy_nodes.training.adapt.settings import AdaptSettings  # noqa: E402
from autonomy_nodes.training.adapt.statistics import aligned, pooled  # noqa: E402
from autonomy_nodes.training.adapt.trial import asked_of, evaluate  # noqa: E402
from autonomy_nodes.training.adapt.unlabelled import unlabelled_of  # noqa: E402
from autonomy_nodes.training.export import tensors  # noqa: E402
from autonomy_nodes.training.holdout import write_holdout  # noqa: E402
from autonomy_nodes.training.samples import inputs_of, sample_of, stacked  # noqa: E402
from autonomy_nodes.training.scenes import Choice  # noqa: E402
from autonomy_nodes.training.targets import targets_of  # noqa: E402
from autonomy_nodes.training.train_perception import PRESETS as TRAININGS  # noqa: E402

CAR = [12.0, 0.0, 0.8, 4.4, 1.8, 1.6, 0.0, 0.0, 0.0]
FAR = [20.0, 9.0, 0.8, 4.4, 1.8, 1.6, 0.0, 0.0, 0.0]
SETTINGS = AdaptSettings(steps=2, rounds=1, simulated=2, real=1, learning=replace(TRAININGS['ci'], rate=1e-4))

pytestmark = pytest.mark.usefixtures('one_thread')


def without_truth(boxes):
    """A sweep of which nothing is known."""
    made = example_of(boxes, [0] * len(boxes), np.random.default_rng(0))
    return replace(
        made, boxes=np.zeros((0, 9), np.float32), kinds=np.zeros(0, np.int64), hits=np.zeros(0, np.int32),
        shares=np.zeros(0, np.float32), bodies=np.full(len(made.points), -1, np.int32),
        ground_m=np.full(CELLS, np.nan, np.float32), terrain=np.full(CELLS, 255, np.uint8),
        sensor_m=np.asarray(made.sensor_m, np.float32),
    )  # fmt: skip


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(3)
    return Network(PRESETS['ci']).eval()


@pytest.fixture(scope='module')
def model(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp('models') / 'tiny'
    folder.mkdir()
    save_file(network.state_dict(), folder / WEIGHTS)
    card = {'quality': {'vehicle.ap': 12.0}, 'limits': ['small']}
    files = {WEIGHTS: digest(folder / WEIGHTS)}
    write_manifest(folder, Manifest('tiny', 'ci', tensors(INPUTS), tensors(OUTPUTS), files, card))
    return folder


def norms(network):
    return [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]


def test_two_crowds_together_have_the_mean_and_variance_of_all():
    rng = np.random.default_rng(0)
    one, two = rng.normal(1.0, 2.0, 3000), rng.normal(4.0, 0.5, 1000)
    both = np.concatenate([one, two])
    told = [torch.tensor([value]) for value in (one.mean(), one.var(), two.mean(), two.var())]
    mean, variance = pooled(*told, 0.25)
    assert mean.item() == pytest.approx(both.mean()) and variance.item() == pytest.approx(both.var())


def test_statistics_are_those_of_the_sweeps_mixed_by_count_and_no_weight_changes(network):
    sweeps = [without_truth([CAR])] * 2
    new = aligned(network, sweeps, replace(SETTINGS, source_sweeps=0.0), 0)
    folded = new.fold[0](inputs_of(stacked([sample_of(sweeps[0])]))['points'])
    assert norms(new)[0].running_mean.numpy() == pytest.approx(folded.mean(dim=(0, 2, 3)).detach().numpy(), abs=1e-5)
    half = aligned(network, sweeps, replace(SETTINGS, source_sweeps=2.0), 0)
    middle = 0.5 * (norms(network)[0].running_mean + norms(new)[0].running_mean)
    assert norms(half)[0].running_mean.numpy() == pytest.approx(middle.numpy(), abs=1e-5)
    for before, after in zip(network.parameters(), half.parameters()):
        assert torch.equal(before, after)
    assert norms(half)[0].momentum == norms(network)[0].momentum and not half.training


class Teacher(torch.nn.Module):
    """Says so surely that cars are at some cells, and of nothing else."""

    def __init__(self, chances):
        super().__init__()
        self.chances = chances

    def forward(self, points, **_):
        told = {name: torch.zeros(1, channels, *cells) for name, (channels, cells) in OUTPUTS.items()}
        told['heat'][:] = -20.0
        told['overlap'][:] = 20.0
        for (x, y), chance in self.chances.items():
            i, j = np.floor((np.array([x, y]) - ORIGIN_M) / CELL_M).astype(int)
            told['heat'][0, 0, i, j] = np.log(chance / (1.0 - chance))
            values = {'z': 0.8, 'log_length': np.log(4.4), 'log_width': np.log(1.8), 'log_height': np.log(1.6)}
            for name, value in (values | {'cos': 1.0, 'moved_x': 0.3}).items():
                told['box'][0, BOX.index(name), i, j] = value
        return told


def test_what_the_teacher_is_sure_of_is_asked_for_what_it_doubts_is_not_and_the_rest_is_nothing():
    sweep = without_truth([CAR, FAR])
    teacher = Teacher({(12.1, 0.1): 0.95, (20.1, 9.1): 0.3, (5.0, -15.0): 0.001})
    named = pseudo_labelled(teacher, Confidences(), sweep, SETTINGS)
    assert named.kinds.tolist() == [0, 0] and named.shares.tolist() == [1.0, 0.0]
    assert named.hits[0] > 60 and named.hits[1] == 0
    assert named.boxes[0, :2] == pytest.approx([12.2, 0.2], abs=0.01)  # the middle of the cell
    assert named.boxes[0, 7:9] == pytest.approx([3.0, 0.0], abs=1e-4)  # 0.3 m in 0.1 s
    told = targets_of(named, sample_of(named)['prior'].numpy())
    assert (told['heat'] == 1.0).sum() == 1
    weight = told['heat_weight'][0]
    assert weight[130, 100] == 1.0 and weight[151, 122] == 0.0 and weight[112, 62] == 1.0  # sure, doubted, nothing
    assert told['seen'].sum() == 0 and told['ground_weight'].sum() == 0.0  # of the ground nothing is asked
    alone = pseudo_labelled(teacher, Confidences(), replace(sweep, before=sweep.before[:0]), SETTINGS)
    assert alone.boxes[0, 7:9].tolist() == [0.0, 0.0]


def test_self_training_repeats_and_another_seed_gives_another_network(model):
    sweeps = [without_truth([CAR])]
    runs = [adapted(model, sweeps, 'self', SETTINGS, seed, examples)[0].state_dict() for seed in (0, 0, 1)]
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])
    assert not all(torch.equal(runs[0][name], runs[2][name]) for name in runs[0])


def test_simulated_examples_and_sweeps_share_each_batch(model, monkeypatch):
    seen = []

    def noted(student, training, batch, *_):
        seen.append(batch['seen'].sum(dim=(1, 2, 3)).tolist())
        training.step += 1
        return {}

    monkeypatch.setattr(self_training, 'learn', noted)
    plain = replace(SETTINGS, augmentation=replace(SETTINGS.augmentation, turn=0.0))
    _, told = adapted(model, [without_truth([CAR])], 'self', plain, 5, examples)
    assert len(seen) == 2 and all(real == 0.0 and simulated > 1000.0 for real, simulated in seen)
    assert told['steps'] == 2 and 'places 5000 on' in told['simulated']


def test_the_card_tells_what_it_was_adapted_on_and_whether_it_may_be_shipped(model, network, tmp_path):
    told = {'method': 'statistics', 'data': [{'name': 'drive', 'sha256': 'a' * 64}], 'shipping': shipping_of('')}
    write_adapted(tmp_path / 'fitted', network, model, told, onnx=False)
    found = read_manifest(tmp_path / 'fitted')
    card = found.card['adaptation']
    assert (found.name, card['of'], card['of_files']) == ('fitted', 'tiny', dict(read_manifest(model).files))
    assert card['data'][0]['name'] == 'drive' and card['shipping'].startswith('not for shipping')
    assert 'quality' not in found.card and card['quality_before'] == {'vehicle.ap': 12.0}
    again = loaded('ci', tmp_path / 'fitted' / WEIGHTS).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in learned_weights(network, far=True).items())


@pytest.mark.parametrize(
    ('licence', 'ships'),
    [('', False), ('CC BY-NC-SA 4.0', False), ('for non-commercial use', False), ('CC BY 4.0', True), ('ours', True)],
)
def test_data_that_may_not_be_sold_make_no_network_that_may(licence, ships):
    assert shipping_of(licence).startswith('not for shipping') is not ships


def frames(*right):
    """Frames with one label each, found or not, by their one detection."""
    return [Judged(np.array([0.5]), np.array([hit]), 1, np.array([0]), np.array([0 if hit else -1])) for hit in right]


def test_a_gain_that_all_runs_and_frames_share_is_told_from_one_that_chance_makes():
    low, high = interval_of_gain(frames(*[False] * 8), [frames(*[True] * 8)] * 3, 0)
    assert (low, high) == (100.0, 100.0)
    mixed = [frames(*[True, False] * 4), frames(*[False, True] * 4), frames(*[False] * 8)]
    low, high = interval_of_gain(frames(*[True, True, False, False] * 2), mixed, 0)
    assert low < 0.0 < high
    told = {'a_gain': 1.0, 'a_gain_low': -0.5, 'a_gain_high': 2.0, 'a_told': 0.0}
    assert verdict('a', told) == 'a: +1.00 (-0.50 to +2.00): no gain'


@pytest.mark.parametrize(
    ('options', 'match'),
    [
        ({}, 'train='), ({'train': '0-3', 'held': '9-5'}, 'held='),
        ({'train': '0-1', 'held': '2-3', 'seeds': '0'}, 'seeds'),
        ({'train': '0-1', 'held': '2-3', 'method': 'magic'}, 'method='),
    ],
)  # fmt: skip
def test_questions_that_make_no_sense_are_refused(options, match, tmp_path):
    with pytest.raises(SettingsError, match=match):
        asked_of(Task(tmp_path, tmp_path, options=options))


@pytest.mark.parametrize(('key', 'value'), [('real', 9), ('doubt', 0.9), ('rounds', 0), ('source_sweeps', -1.0)])
def test_nonsense_settings_are_refused(key, value):
    with pytest.raises(ValueError, match=key):
        AdaptSettings(**{key: value})


@pytest.fixture(scope='module')
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp('simulated') / 'data'
    write_holdout(folder, Choice(3, 1, 4), 1, lambda *_: None)
    return folder


def test_the_trial_judges_on_frames_that_were_not_adapted_on(model, simulated, tmp_path):
    options = {'train': '0-1', 'held': '2-3', 'seeds': '2', 'method': 'statistics'}
    task = Task(simulated, tmp_path, model=str(model), options=options)
    result = evaluate(task, examples)
    assert (result.figures['n_train'], result.figures['n_frames'], result.figures['n_seeds']) == (2, 2, 2)
    assert [name.rpartition('/')[2] for name in result.items] == ['000002', '000003']
    assert {'before', 'statistics_0', 'statistics_1'} == set(result.answers)
    assert set(json.loads((tmp_path / 'before.json').read_text())) == set(result.items)
    assert 'statistics.vehicle.ap_2m_told' in result.figures
    assert 'statistics.vehicle.ap_2m: ' in (tmp_path / 'verdicts.txt').read_text()
    with pytest.raises(SettingsError, match='held out'):
        evaluate(replace(task, options=options | {'held': '1-3'}), examples)


def test_sweeps_of_a_folder_are_taken_evenly_and_without_what_is_true_of_them(simulated):
    found = unlabelled_of([simulated], 2)
    assert len(found) == 2 and all(len(one.points) > 1000 and len(one.boxes) == 0 for one in found)
    assert np.isnan(found[0].ground_m).all() and len(found[1].before) > 1000
