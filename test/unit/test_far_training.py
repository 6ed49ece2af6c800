"""The far ring learns alone: what else the network knows stays as it is to the bit, and runs without one."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip('torch')

import flat_examples  # noqa: E402

from autonomy_nodes.common.sensing import PointCloud  # noqa: E402
from autonomy_nodes.common.types import DataError, EgoState  # noqa: E402
from autonomy_nodes.inference.manifest import read_manifest  # noqa: E402
from autonomy_nodes.perception.bev import FAR, FAR_OUTPUTS, FAR_POINTS, FAR_TOLD, OUTPUTS, far_middles  # noqa: E402
from autonomy_nodes.perception.cells import rays  # noqa: E402
from autonomy_nodes.perception.ground import GroundConfig, GroundSplitter  # noqa: E402
from autonomy_nodes.perception.learned import LearnedChannel, opened  # noqa: E402
from autonomy_nodes.perception.network import FAR_PART, PRESETS, Network, empty, filled, flops  # noqa: E402
from autonomy_nodes.perception.perceiver import Perceiver, PerceptionConfig  # noqa: E402
from autonomy_nodes.sim.plots.plots import plot  # noqa: E402
from autonomy_nodes.training.augmentation import flipped, turned  # noqa: E402
from autonomy_nodes.training.checkpoints import CHECKPOINT, LOG  # noqa: E402
from autonomy_nodes.training.examples import Far  # noqa: E402
from autonomy_nodes.training.export import export  # noqa: E402
from autonomy_nodes.training.far import far_losses, far_sample_of  # noqa: E402
from autonomy_nodes.training.lessons import far_examples  # noqa: E402
from autonomy_nodes.training.places import PlaceSettings  # noqa: E402
from autonomy_nodes.training.samples import stacked  # noqa: E402
from autonomy_nodes.training.train_perception import train  # noqa: E402

AT_REST = EgoState(5, np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(6))

pytestmark = pytest.mark.usefixtures('one_thread')


def examples(seed):
    """Flat examples whose left side is full of things."""
    left = far_middles()[..., 1] > 0.0
    for example in flat_examples.examples(seed):
        yield replace(example, far=Far(np.zeros(FAR, np.float32), left.copy(), ~left))


def run(out, steps, far=False, **more):
    return train(
        'ci', 1.0, out, examples, flat_examples.as_it_is, steps=steps, tell=lambda line: None, notes={'command': 'a'},
        only='far' if far else '', **more,
    )  # fmt: skip


def weights_of(path, mine, name='averaged'):
    state = torch.load(path, weights_only=True)[name]
    return {key: value for key, value in state.items() if key.startswith(FAR_PART) == mine}


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    torch.set_num_threads(1)
    first, second = (tmp_path_factory.mktemp(name) for name in ('first', 'second'))
    run(first, 2)
    state = torch.load(first / CHECKPOINT, weights_only=True)
    for name in ('network', 'averaged'):  # as it was before there was a far ring
        state[name] = {key: value for key, value in state[name].items() if not key.startswith(FAR_PART)}
    torch.save(state, first / CHECKPOINT)
    run(second, 3, far=True, start=first / CHECKPOINT)
    run(second, 30, far=True, resume=True)
    return first / CHECKPOINT, second / CHECKPOINT


def test_all_but_the_far_ring_stays_as_it_is_to_the_bit(trained):
    before, after = (torch.load(path, weights_only=True) for path in trained)
    for name in ('network', 'averaged'):
        assert all(torch.equal(before[name][key], after[name][key]) for key in before[name])
    assert all(before[key] == after[key] for key in ('step', 'seed', 'settings', 'quality', 'notes'))


def test_the_far_ring_learns_and_goes_on_where_it_was_cut(trained):
    first, last = [json.loads(line) for line in (trained[1].parent / LOG).read_text().splitlines()]
    assert (first['step'], last['step']) == (3, 30) and last['seed'] > first['seed']
    assert last['total'] < 0.8 * first['total']
    assert torch.load(trained[1], weights_only=True)['far']['step'] == 30


def test_the_rest_goes_on_beside_a_far_ring_that_stays_as_it_is(trained, tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(trained[1].read_bytes())
    after = run(tmp_path, 4, resume=True)
    one, two = weights_of(trained[1], mine=True), weights_of(after, mine=True)
    assert one and all(torch.equal(one[key], two[key]) for key in one)
    assert torch.load(after, weights_only=True)['far']['step'] == 30


def test_a_far_ring_that_has_learned_joins_another_checkpoint(trained, tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(trained[1].read_bytes())
    other = run(tmp_path / 'other', 3, seed=5)
    together = run(tmp_path, 30, far=True, resume=True, start=other)
    for mine, path in ((True, trained[1]), (False, other)):
        one, two = weights_of(path, mine), weights_of(together, mine)
        assert all(torch.equal(one[key], two[key]) for key in one)


def test_what_does_not_fit_is_refused(trained, tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(trained[0].read_bytes())
    with pytest.raises(DataError, match='has not learned far'):
        run(tmp_path, 1, far=True, resume=True)
    with pytest.raises(DataError, match='no checkpoint'):
        run(tmp_path, 1, far=True, start=tmp_path / 'none.pt')
    with pytest.raises(DataError, match='long place'):
        far_sample_of(next(flat_examples.examples(0)))
    with pytest.raises(ValueError, match='half_s_m'):
        PlaceSettings(half_s_m=10.0)
    with pytest.raises(RuntimeError):
        filled(Network(PRESETS['ci']), {})


def test_shapes_and_work_and_nothing_else_changes_by_it():
    torch.manual_seed(0)
    network = Network(PRESETS['ci']).eval()
    inputs = {name: torch.randn_like(value) for name, value in empty(2, far=True).items()}
    with torch.no_grad():
        both = network(**inputs)
        alone = network(**{name: value for name, value in inputs.items() if name != 'far'})
    assert both['far_told'].shape == (2, len(FAR_TOLD), *FAR) and set(alone) == set(OUTPUTS)
    assert all(torch.equal(both[name], alone[name]) for name in OUTPUTS)
    assert 0.05e9 < flops(network, far=True) - flops(network) < 0.3e9


def test_a_cell_that_is_not_asked_teaches_nothing():
    sample = far_sample_of(next(examples(1)))
    batch = stacked([sample])
    assert batch['far'].shape == (1, len(FAR_POINTS), *FAR) and 0 < (batch['asked'] > 0).sum() < batch['asked'].numel()
    told = torch.zeros(1, len(FAR_TOLD), *FAR, requires_grad=True)
    far_losses(told, batch)['total'].backward()
    assert not told.grad[:, 2:][(batch['asked'] == 0.0).expand(-1, 2, -1, -1)].any()
    assert told.grad[:, 2:][(batch['asked'] > 0.0).expand(-1, 2, -1, -1)].all()


def test_the_truth_of_the_ring_is_flipped_and_turned_with_the_points():
    example = next(examples(2))
    assert flipped(example).far.obstacle[50, 10] and not flipped(example).far.obstacle[50, 70]
    ahead = turned(example, 0.5 * np.pi - 0.01).far  # what was left lies behind, what was right ahead
    assert not ahead.obstacle.any() and ahead.free[20, 41:50].all() and np.isnan(ahead.ground_m[20, 10])


def test_a_long_place_tells_the_ring_and_its_sensors_reach_as_far():
    example = next(far_examples(1))
    assert example.far.ground_m.shape == FAR and np.isfinite(example.far.ground_m[:170, 40]).mean() > 0.8
    assert example.far.obstacle.any() and example.far.free.any() and not (example.far.obstacle & example.far.free).any()
    assert example.points[:, 0].max() > 90.0
    assert plot(1, half_s_m=110.0).relief.s[-1] == pytest.approx(110.0)


def sweep():
    points = next(examples(3)).points
    return PointCloud(5, 'base_link', np.ascontiguousarray(points[:, :3]), points[:, 3])


def asked(channel):
    cloud, sensor_m = sweep(), np.array([0.0, 0.0, 1.8])
    ground = GroundSplitter(GroundConfig(), 1.7).split(cloud.xyz)
    return channel.perceive(cloud, ground, rays(cloud.xyz, ground.kinds, sensor_m), sensor_m)


def test_a_model_without_a_far_ring_runs_and_says_so_and_one_with_it_tells_it(trained, tmp_path):
    pytest.importorskip('onnxscript')
    for path, name in zip(trained, ('old', 'new')):
        export(path, tmp_path / name, name)
    old, new = (LearnedChannel(opened(tmp_path / name, 'torch')) for name in ('old', 'new'))
    fast = LearnedChannel(opened(tmp_path / 'new', 'onnx'))
    assert (old.has_far, new.has_far, fast.has_far) == (False, True, True)
    said, told, quick = (asked(channel) for channel in (old, new, fast))
    assert said.far is None and told.far is not None and told.far.shape == FAR
    assert all(np.array_equal(said.outputs[name], told.outputs[name]) for name in OUTPUTS)  # of the same weights
    for channel, ring in ((old, False), (new, True)):
        perceiver = Perceiver(PerceptionConfig(), channel)
        found = perceiver.perceive(perceiver.segment(sweep(), np.array([0.0, 0.0, 1.8])), AT_REST)
        assert (found.ring is not None) == ring == bool(np.isfinite(found.known_m))
    for name in FAR_OUTPUTS:
        np.testing.assert_allclose(told.outputs[name], quick.outputs[name], atol=1e-4)
    assert read_manifest(tmp_path / 'new').card['far']['training']['steps'] == 30
    assert 'far' not in read_manifest(tmp_path / 'old').card
