"""What camera networks learn from: cells and objects that pictures show, changes that leave them true, short runs."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('torch', reason='training needs torch')
import torch  # noqa: E402

from autonomy_nodes.inference.opening import opened  # noqa: E402
from autonomy_nodes.perception.bev import CELLS, MIDDLE, middles  # noqa: E402
from autonomy_nodes.perception.camera.channel import NETWORK, Shot  # noqa: E402
from autonomy_nodes.perception.camera.channel import opened as channel_of  # noqa: E402
from autonomy_nodes.perception.camera.network import KINDS, CameraNetwork  # noqa: E402
from autonomy_nodes.perception.camera.places import AIR, HEIGHT, SHRINK, WIDTH  # noqa: E402
from autonomy_nodes.perception.network import PRESETS, Network  # noqa: E402
from autonomy_nodes.sim.materials import Semantic  # noqa: E402
from autonomy_nodes.sim.plots.photos import Air, Eye, Photo  # noqa: E402
from autonomy_nodes.training import train_camera, train_fusion  # noqa: E402
from autonomy_nodes.training.camera.export import export_camera  # noqa: E402
from autonomy_nodes.training.camera.guise import mirrored  # noqa: E402
from autonomy_nodes.training.camera.samples import (  # noqa: E402
    CameraSampleSettings,
    air_of,
    as_seen_by,
    batch_of,
    camera_sample_of,
)
from autonomy_nodes.training.examples import Example  # noqa: E402
from autonomy_nodes.training.places import PlaceSettings, examples  # noqa: E402

MATRIX = np.array([[240.0, 0.0, 207.5], [0.0, 240.0, 79.5], [0.0, 0.0, 1.0]])
AHEAD = np.array([[0.0, 0.0, 1.0, 1.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 1.6], [0.0, 0.0, 0.0, 1.0]])
EYE = Eye(WIDTH, HEIGHT, MATRIX, np.zeros(5), AHEAD)


def photo(depth_m):
    """Return a picture in which all lies `depth_m` away, or ends at flat ground before."""
    rows = (np.arange(HEIGHT) - MATRIX[1, 2]) / MATRIX[1, 1]
    ground = np.where(rows > 1e-3, 1.6 / np.maximum(rows, 1e-3), np.inf)
    depth = np.minimum(np.broadcast_to(ground[:, None], (HEIGHT, WIDTH)), depth_m).astype(np.float32)
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    return Photo(pixels, EYE, depth, np.full((HEIGHT, WIDTH), Semantic.PAVED, np.uint8))


def example(*boxes, seen=None):
    """Return flat ground with cars, of which the LiDAR saw nothing."""
    count, cells = len(boxes), np.zeros(CELLS, np.float32)
    table = np.array([[*box, 0.8, 4.0, 1.8, 1.6, 0.0, 0.0, 0.0] for box in boxes], np.float32).reshape(-1, 9)
    return Example(
        np.zeros((1, 4), np.float32), np.zeros((0, 4), np.float32), np.zeros(3, np.float32), table,
        np.zeros(count, np.int64), np.zeros(count, np.int32), np.zeros(count, np.float32), np.zeros(1, np.uint8),
        np.full(1, -1, np.int32), cells, np.zeros(CELLS, np.uint8), cells, np.zeros(CELLS, bool),
        photos=(seen or photo(200.0),), air=Air(),
    )  # fmt: skip


def test_the_network_names_as_many_surfaces_as_there_are():
    assert len(Semantic) == KINDS


def test_a_car_in_the_picture_is_asked_for_and_one_behind_a_wall_or_beside_the_picture_is_not():
    cars = (20.0, 0.0), (40.0, 0.0), (20.0, 30.0)
    seen = as_seen_by(example(*cars), [photo(30.0)])
    assert (seen.hits > 5).tolist() == [True, False, False]
    open_ = as_seen_by(example(*cars), [photo(200.0)])
    assert (open_.hits > 5).tolist() == [True, True, False]


def test_what_is_too_small_in_the_picture_is_not_asked_for():
    """1.6 m at 70 m are 5.5 pixels of 240: too few."""
    assert (as_seen_by(example((50.0, 0.0)), [photo(200.0)]).hits > 5).all()
    assert not (as_seen_by(example((71.0, 0.0)), [photo(200.0)]).hits > 5).any()


def test_cells_behind_a_wall_are_not_asked_for():
    sample = camera_sample_of(example(seen=photo(30.0)))
    asked = sample['seen'][0].numpy() > 0.0
    x, y = middles()[..., 0], middles()[..., 1]
    ahead = np.abs(y) < 2.0
    assert asked[ahead & (x > 8.0) & (x < 28.0)].all()
    assert not asked[ahead & (x > 37.0)].any() and not asked[x < 0.0].any()


def test_depths_of_the_truth_lie_where_the_features_are():
    sample = camera_sample_of(example())
    depth = np.exp(sample['eyes.depth'][0, 0].numpy())
    assert depth.shape == (HEIGHT // SHRINK, WIDTH // SHRINK)
    row = 30  # of the features: pixel 122, 42.5 below the centre: 1.6 m / 42.5 * 240
    assert depth[row, 50] == pytest.approx(1.6 * 240.0 / 42.5, rel=1e-3)


def test_heights_count_from_flat_ground_without_a_lidar():
    hill = replace(example(), ground_m=np.full(CELLS, 0.4, np.float32))
    sample = camera_sample_of(hill)
    assert not sample['base'].any()
    assert sample['ground'][sample['ground_weight'] > 0].numpy() == pytest.approx(0.4)


def test_air_is_told_from_0_to_1():
    told = dict(zip(AIR, air_of(replace(example(), air=Air(visibility_m=30.0, precipitation=0.5, darkness=0.9)))))
    assert told == pytest.approx({'darkness': 0.9, 'fog': 1.0, 'rain': 0.5, 'wetness': 0.0})
    assert dict(zip(AIR, air_of(example())))['fog'] == 0.0  # 3000 m


def test_a_mirrored_photo_shows_the_mirrored_place():
    """What lies at y = 2 m is seen, after mirroring, where the new camera puts y = -2 m."""
    from autonomy_nodes.perception.camera.places import projected

    tilted = replace(EYE, base_from_camera=AHEAD @ np.array(
        [[0.98, 0.0, 0.199, 0.1], [0.0, 1.0, 0.0, 0.0], [-0.199, 0.0, 0.98, 0.0], [0.0, 0.0, 0.0, 1.0]]
    ))  # fmt: skip
    one = replace(photo(200.0), eye=tilted)
    two = mirrored(one)
    before, depth, _ = projected(one.eye.matrix, one.eye.base_from_camera, np.array([[20.0, 2.0, 0.5]]))
    after, same, _ = projected(two.eye.matrix, two.eye.base_from_camera, np.array([[20.0, -2.0, 0.5]]))
    np.testing.assert_allclose(after, before * (-1.0, 1.0), atol=2e-3)
    np.testing.assert_allclose(same, depth, rtol=1e-5)


def test_batches_keep_which_picture_is_whose():
    one = camera_sample_of(example())
    two = camera_sample_of(replace(example(), photos=(photo(30.0), photo(50.0))))
    batch = batch_of([one, two])
    assert batch['eyes.of'].tolist() == [0, 1, 1] and batch['eyes.pictures'].shape == (3, 5, HEIGHT, WIDTH)
    assert batch['heat'].shape[0] == 2


def test_a_sample_with_lidar_knows_its_depths_and_its_ground():
    seen = next(iter(examples(3, PlaceSettings(views=1, photos=True))))
    bare = camera_sample_of(seen)
    known = camera_sample_of(seen, settings=CameraSampleSettings(fine=True), with_lidar=True)
    assert not bare['eyes.pictures'][:, 3].any() and known['eyes.pictures'][:, 3].any()
    assert 'points' in known and known['base'].abs().max() > 0.0


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp('camera')
    train_camera.train(train_camera.PRESETS['ci'], 1.0, out, seed=5, steps=3, notes={'command': 'here'})
    return out


def test_a_run_repeats_to_the_digit_and_goes_on(run, tmp_path):
    train_camera.train(train_camera.PRESETS['ci'], 1.0, tmp_path, seed=5, steps=3)
    one, two = (torch.load(place / 'checkpoint.pt', weights_only=True) for place in (run, tmp_path))
    assert all(torch.equal(one['network'][name], two['network'][name]) for name in one['network'])
    train_camera.train(train_camera.PRESETS['ci'], 1.0, tmp_path, resume=True, steps=4)
    more = torch.load(tmp_path / 'checkpoint.pt', weights_only=True)
    assert more['step'] == 4 and more['first'] == 5 and more['seed'] > 5


def test_engines_agree_on_what_was_exported(run, tmp_path):
    manifest = export_camera(run / 'checkpoint.pt', tmp_path / 'seen', 'seen')
    assert manifest.card['training']['command'] == 'here'
    rng = np.random.default_rng(0)
    for part, tensor in (('eyes', 'picture'), ('above', 'lifted')):
        engines = [opened(tmp_path / 'seen' / part, f'{NETWORK}:{part}', engine) for engine in ('onnx', 'torch')]
        value = rng.normal(size=engines[0].manifest.inputs[tensor].shape).astype(np.float32)
        one, two = (engine.run({tensor: value}) for engine in engines)
        for name in one:
            np.testing.assert_allclose(one[name], two[name], atol=2e-4)


def test_the_channel_tells_what_the_networks_tell_in_training(run, tmp_path):
    """One way through training code, the other as on board: pictures, lift, both engines."""
    export_camera(run / 'checkpoint.pt', tmp_path / 'seen', 'seen')
    state = torch.load(run / 'checkpoint.pt', weights_only=True)
    network = CameraNetwork('ci')
    network.load_state_dict(state['averaged'])
    network.eval()
    seen = next(iter(examples(3, PlaceSettings(views=1, photos=True))))
    batch = batch_of([camera_sample_of(seen)])
    with torch.no_grad():
        _, outputs = network(*(batch[f'eyes.{name}'] for name in train_camera.INPUTS))
    shots = [Shot(one.pixels, one.eye.matrix, one.eye.base_from_camera) for one in seen.photos]
    told = channel_of(tmp_path / 'seen', 'onnx').perceive(0, shots)
    np.testing.assert_allclose(told.outputs['blocked'], outputs['blocked'][0].numpy(), atol=2e-3)
    np.testing.assert_allclose(told.camera, outputs['camera'][0].numpy(), atol=2e-3)
    assert set(told.air) == set(AIR) and told.seen.any() and not told.seen.all()


def test_a_lidar_network_that_hears_cameras_tells_the_same_without_pictures(run):
    """And at first with them: the link begins at zero."""
    torch.manual_seed(1)
    lidar = Network(PRESETS['ci']).eval()
    camera = CameraNetwork('ci')
    seen = next(iter(examples(3, PlaceSettings(views=1, photos=True))))
    sample = camera_sample_of(seen, settings=CameraSampleSettings(fine=True), with_lidar=True)
    batch = batch_of([sample])
    fused = train_fusion.Fused(lidar, camera)
    with torch.no_grad():
        before = fused(batch, pictures=False)
        at_first = fused(batch)
        fused.columns += 0.3
        deaf, hears = fused(batch, pictures=False), fused(batch)
    assert torch.equal(before['heat'], at_first['heat']) and torch.equal(before['heat'], deaf['heat'])
    assert not torch.equal(before['heat'], hears['heat'])
    assert fused.features(batch).shape[2:] == MIDDLE
    learns = {name for name, weight in fused.named_parameters() if weight.requires_grad}
    assert learns == {'columns', 'camera.above.camera.weight', 'camera.above.camera.bias'}
