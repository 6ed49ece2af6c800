"""The network of lanes learns, repeats, goes on where it was cut, and leaves as ONNX what it is in torch."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from flat_examples import example_of  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from autonomy_nodes.commands.main import main  # noqa: E402
from autonomy_nodes.common.types import DataError  # noqa: E402
from autonomy_nodes.evaluation.measures.lane_scores import Answer, average_precisions, cut  # noqa: E402
from autonomy_nodes.inference.manifest import read_manifest  # noqa: E402
from autonomy_nodes.inference.opening import opened  # noqa: E402
from autonomy_nodes.perception.bev import LANE_INPUTS, LANE_KINDS, LANE_OUTPUTS, LANES, LINE_TOLD  # noqa: E402
from autonomy_nodes.perception.lanes.channel import NETWORK  # noqa: E402
from autonomy_nodes.perception.lanes.lines import LineSettings, lines_of  # noqa: E402
from autonomy_nodes.perception.lanes.network import LaneNetwork, empty  # noqa: E402
from autonomy_nodes.training.checkpoints import CHECKPOINT, LOG  # noqa: E402
from autonomy_nodes.training.examples import Lanes  # noqa: E402
from autonomy_nodes.training.export import ALLOWED, largest_difference  # noqa: E402
from autonomy_nodes.training.export_forecast import export_either  # noqa: E402
from autonomy_nodes.training.lanes import lane_losses, lane_sample_of, targets_of  # noqa: E402
from autonomy_nodes.training.places import PlaceSettings, examples  # noqa: E402
from autonomy_nodes.training.samples import stacked  # noqa: E402
from autonomy_nodes.training.train_lanes import PRESETS, TrainSettings, train  # noqa: E402

pytestmark = pytest.mark.usefixtures('one_thread')


def run(out, steps, **more):
    return train(PRESETS['ci'], 1.0, out, steps=steps, tell=lambda line: None, notes={'command': 'a test'}, **more)


def state_of(out):
    return torch.load(out / CHECKPOINT, weights_only=True)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Three steps, which are kept beside, and 30 in all."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp('lanes')
    run(out, 3, seed=5)
    (out / 'first').mkdir()
    (out / 'first' / CHECKPOINT).write_bytes((out / CHECKPOINT).read_bytes())
    run(out, 30, resume=True)
    return out


@pytest.fixture(scope='module')
def sample():
    """A street with all that is true of it."""
    seen = next(iter(examples(2, PlaceSettings(views=1, before_share=0.0, recipe='street'))))
    return seen, lane_sample_of(seen)


def test_the_loss_falls_and_a_run_goes_on_with_seeds_that_it_has_not_used(trained):
    rows = {row['step']: row for row in map(json.loads, (trained / LOG).read_text().splitlines())}
    first, last = rows[3], rows[30]
    assert last['total'] < 0.85 * first['total']
    assert last['seed'] > first['seed'] > 5 and {'lines', 'marks', 'at', 'direction', 'map'} < set(last)
    state = state_of(trained)
    assert (state['step'], state['first'], state['what']) == (30, 5, 'lanes')


def test_a_run_repeats_to_the_digit_and_another_seed_gives_another_network(trained, tmp_path):
    run(tmp_path / 'same', 3, seed=5)
    run(tmp_path / 'other', 1, seed=6)
    before, again, other = (state_of(place) for place in (trained / 'first', tmp_path / 'same', tmp_path / 'other'))
    for name in before['network']:
        assert torch.equal(before['network'][name], again['network'][name]), name
        assert torch.equal(before['averaged'][name], again['averaged'][name]), name
    assert not all(torch.equal(before['network'][name], other['network'][name]) for name in before['network'])


def test_a_run_that_goes_on_uses_no_seed_again(trained, tmp_path):
    (tmp_path / CHECKPOINT).write_bytes((trained / 'first' / CHECKPOINT).read_bytes())
    before = state_of(tmp_path)['seed']
    run(tmp_path, 4, resume=True)
    assert before < state_of(tmp_path)['seed'] <= before + 4


def test_nothing_to_go_on_from_is_told(tmp_path):
    with pytest.raises(DataError, match='no checkpoint'):
        run(tmp_path, 1, resume=True)


def test_what_is_true_of_an_example_told_by_a_network_gives_the_lines_of_the_example(sample):
    """Targets into cells and back: all lines of the street are found where something asks for them."""
    seen, _ = sample
    truth = targets_of(seen)
    table = np.zeros((len(LANE_KINDS), len(LINE_TOLD), *LANES), np.float32)
    table[:, 0], table[:, 1:] = np.where(truth['lines'] > 0.0, 4.0, -6.0), truth['line_at']
    told = lines_of(table.reshape(-1, *LANES), truth['travel'], LineSettings())
    asked = np.ones(LANES, bool)
    found = average_precisions([Answer(cut(told, asked), cut(seen.lanes.lines, asked))])
    assert found['divider'] > 0.95 and found['boundary'] > 0.95 and found['centre'] > 0.95


def test_of_lines_twice_the_angle_is_learned_and_of_middles_the_direction_of_travel_too():
    """At 45 degrees and back: cosine and sine of 90 degrees both times, of the travel of 45 and of 225 degrees."""
    line = np.array([[2.0, -3.0], [7.0, 2.0]])
    for kind, ways in (('divider', [(0.0, 0.0)] * 2), ('centre', [(0.7071, 0.7071), (-0.7071, -0.7071)])):
        number = LANE_KINDS.index(kind)
        for way, points in zip(ways, (line, line[::-1])):
            lanes = Lanes(((number, points),), np.zeros((0, 3)))
            truth = targets_of(replace(example_of([], [], np.random.default_rng(0)), lanes=lanes))
            beside = truth['beside'][number] > 0.0
            assert beside.sum() > 40
            told = truth['line_at'][number][2:, beside].T
            np.testing.assert_allclose(told, np.tile((0.0, 1.0), (len(told), 1)), atol=1e-4)
            travel = truth['travel'][:, beside].T
            np.testing.assert_allclose(travel, np.tile(way, (len(told), 1)), atol=1e-4)


def perfect(truth):
    """What a network would tell that knows the targets."""
    lines = torch.zeros(1, len(LANE_KINDS), len(LINE_TOLD), *LANES)
    lines[0, :, 0], lines[0, :, 1:] = 20.0 * (2.0 * truth['lines'] - 1.0), truth['line_at']
    marks = torch.zeros(1, 2, 3, *LANES)
    marks[0, :, 0], marks[0, :, 1:] = 20.0 * (2.0 * truth['marks'] - 1.0), truth['mark_at']
    return {'lines': lines.flatten(1, 2), 'marks': marks.flatten(1, 2), 'travel': truth['travel'][None]}


def test_who_tells_the_truth_loses_nothing_and_each_mistake_costs_in_its_own_loss(sample):
    _, truth = sample
    batch = stacked([truth])
    right = lane_losses(perfect(truth), batch)
    assert all(value < 1e-4 for value in right.values())
    aside, turned, blind, back = (perfect(truth) for _ in range(4))
    channel = len(LINE_TOLD) * LANE_KINDS.index('divider')
    aside['lines'][0, channel + 1] += 0.3
    turned['lines'][0, channel + 3 : channel + 5] *= -1.0
    blind['lines'][0, channel] = -20.0
    back['travel'] = -back['travel']
    for wrong, name in ((aside, 'at'), (turned, 'direction'), (blind, 'lines'), (back, 'travel')):
        found = lane_losses(wrong, batch)
        assert found[name] > 0.005 and found['total'] > 0.005
        assert all(found[other] < 1e-4 for other in ('lines', 'marks', 'at', 'direction', 'travel') if other != name)


def test_cells_without_ground_are_not_asked_and_those_that_the_lidar_cannot_know_count_less(sample):
    seen, truth = sample
    asked = truth['asked'].numpy()
    assert set(np.unique(asked)) <= {np.float32(0.0), np.float32(0.3), np.float32(1.0)} and (asked == 1.0).mean() > 0.2
    with pytest.raises(DataError, match='tells nothing of the road'):
        lane_sample_of(example_of([], [], np.random.default_rng(0)))


def test_untrained_it_tells_no_line_and_its_tensors_are_those_of_the_table():
    told = LaneNetwork('ci').eval()(**empty(2))
    assert {name: value.shape for name, value in told.items()} == {
        name: (2, channels, *cells) for name, (channels, cells) in LANE_OUTPUTS.items()
    }
    assert not lines_of(told['lines'][0].detach().numpy(), told['travel'][0].detach().numpy(), LineSettings())


def test_engines_agree_on_what_was_exported_and_the_card_tells_of_it(trained, tmp_path):
    onnx = pytest.importorskip('onnx')
    pytest.importorskip('onnxscript')
    export_either(trained / CHECKPOINT, tmp_path / 'mine', 'mine')
    card = read_manifest(tmp_path / 'mine').card
    assert card['training']['steps'] == 30 and card['training']['command'] == 'a test'
    assert 'map' in card['quality'] and 'examples of seeds from' in card['quality']['data'] and card['limits']
    graph = onnx.load(tmp_path / 'mine' / 'network.onnx').graph
    assert {node.op_type for node in graph.node} <= ALLOWED
    learned, state = load_file(tmp_path / 'mine' / 'weights.safetensors'), state_of(trained)
    assert all(torch.equal(learned[name], state['averaged'][name]) for name in learned)
    engines = [opened(tmp_path / 'mine', NETWORK, name) for name in ('onnx', 'torch')]
    rng = np.random.default_rng(0)
    inputs = {
        name: rng.normal(0.0, 1.0, (1, channels, *cells)).astype(np.float32)
        for name, (channels, cells) in LANE_INPUTS.items()
    }
    one, two = (engine.run(inputs) for engine in engines)
    assert set(one) == set(LANE_OUTPUTS) and largest_difference(one, two) < 1e-4


def test_the_command_trains_exports_and_refuses_sizes_that_there_are_not(tmp_path, capsys):
    pytest.importorskip('onnxscript')
    out, model = tmp_path / 'out', tmp_path / 'mine'
    words = ['train', 'lanes', '--preset', 'ci', '--steps', '1', '--out', str(out)]
    assert main(words) == 0
    assert 'divider.ap' in capsys.readouterr().out
    assert main(['train', 'export', '--checkpoint', str(out / CHECKPOINT), '--out', str(model)]) == 0
    assert read_manifest(model).name == 'mine' and 'network.onnx' in capsys.readouterr().out
    assert main(['train', 'lanes', '--preset', 'orin', '--out', str(out)]) == 2
    assert 'of lanes there are ci, small' in capsys.readouterr().err
    assert main(['train', 'lanes']) == 2 and '--out DIR' in capsys.readouterr().err
    assert main([*words, '--minutes', '0']) == 2


@pytest.mark.parametrize('wrong', [{'network': 'big'}, {'batch': 0}, {'rate': 0.0}, {'smooth': 1.0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=f'{next(iter(wrong))}='):
        TrainSettings(**wrong)
