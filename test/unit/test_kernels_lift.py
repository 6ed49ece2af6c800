"""Features of cameras into cells: loops, kernel and torch against one another and by hand, and the gradients."""

import shutil

import numpy as np
import pytest

from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.nvidia.kernels import host
from autonomy_nodes.perception.lift import lifted

needs_compiler = pytest.mark.skipif(shutil.which('g++') is None, reason='g++ is not here')
WAYS = [lifted, pytest.param(host.lift, marks=needs_compiler)]


def scene(seed=0, cameras=3, channels=11, size=(9, 14), grid=(2, 12, 10)):
    """Places in and beyond the pictures, a third of the cameras without weight, and a corner that none sees."""
    chance = np.random.default_rng(seed)
    features = chance.normal(size=(cameras, channels, *size))
    places = chance.uniform(-1.4, 1.4, (cameras, *grid, 2))
    weights = np.maximum(chance.uniform(-0.5, 1.0, (cameras, *grid)), 0.0)
    weights[:, :, :2, :3] = 0.0
    return features, places, weights


def by_torch(features, places, weights):
    torch = pytest.importorskip('torch')
    cameras, height, wide, long = weights.shape
    flat = torch.from_numpy(places.reshape(cameras, height * wide, long, 2))
    shown = torch.nn.functional.grid_sample(
        torch.from_numpy(features), flat, mode='bilinear', padding_mode='zeros', align_corners=False
    ).numpy()
    total = weights.sum(axis=0)
    summed = (shown.reshape(cameras, -1, height, wide, long) * weights[:, None]).sum(axis=0)
    return np.where(total > 0.0, summed / np.where(total > 0.0, total, 1.0), 0.0)


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('seed', [0, 1])
def test_a_lift_is_the_weighted_mean_of_what_grid_sample_shows(way, seed):
    features, places, weights = (array.astype(np.float32) for array in scene(seed))
    told = way(features, places, weights)
    assert told.shape == (11, 2, 12, 10) and told.dtype == np.float32
    assert told == pytest.approx(by_torch(features, places, weights), abs=1e-5)
    assert (told[:, :, :2, :3] == 0.0).all() and told.std() > 0.1


@needs_compiler
def test_the_kernel_in_double_is_what_grid_sample_shows_in_double():
    told = host.lift(*scene(2))
    assert told.dtype == np.float64 and told == pytest.approx(by_torch(*scene(2)), abs=1e-13)


@pytest.mark.parametrize('way', WAYS)
def test_between_pixels_beyond_the_border_and_of_two_cameras_by_hand(way):
    features = np.array([[[[1.0, 3.0], [5.0, 7.0]]], [[[10.0, 10.0], [10.0, 10.0]]]], np.float32)  # (2, 1, 2, 2)
    near = [[0.0, 0.0], [-0.5, -0.5], [-1.0, -0.5], [0.5, 1.0], [1.6, 0.0], [np.nan, 0.0]]
    places = np.array([near, [[0.0, 0.0]] * 6], np.float32).reshape(2, 1, 1, 6, 2)
    alone = np.array([[1.0] * 6, [0.0] * 6], np.float32).reshape(2, 1, 1, 6)
    # the middle, a pixel, half a pixel beyond the left and beyond the lower border, outside, nowhere
    assert way(features, places, alone).ravel().tolist() == [4.0, 1.0, 0.5, 3.5, 0.0, 0.0]
    both = np.array([[3.0] * 6, [1.0] * 6], np.float32).reshape(2, 1, 1, 6)
    assert way(features, places, both).ravel().tolist() == [5.5, 3.25, 2.875, 5.125, 2.5, 2.5]
    assert way(features, places, 0.0 * both).ravel().tolist() == [0.0] * 6
    for nothing in (np.nan, -1.0):
        assert way(features, places, np.where(alone > 0.0, alone, nothing)).ravel().tolist()[:3] == [4.0, 1.0, 0.5]
    places[1] = np.nan  # the place in a picture that does not count need not be told
    assert way(features, places, alone).ravel().tolist() == [4.0, 1.0, 0.5, 3.5, 0.0, 0.0]


@pytest.mark.parametrize('way', WAYS)
def test_shapes_that_do_not_fit_are_refused(way):
    features, places, weights = scene()
    wrongs = ((features[0], places, weights), (features, places[..., :1], weights), (features[:2], places, weights))
    for wrong in wrongs:
        with pytest.raises(DataError, match='must be'):
            way(*wrong)


@needs_compiler
def test_gradients_by_hand():
    features = np.array([[[[2.0]]], [[[6.0]]]], np.float32)  # one pixel a camera, seen by weights 3 and 1: 3.0
    places, weights = np.zeros((2, 1, 1, 2), np.float32), np.array([[[3.0]], [[1.0]]], np.float32)
    told = host.lift(features, places, weights)
    of_features, of_weights = host.lift_gradients(np.array([[[8.0]]]), features, told, places, weights)
    assert told.ravel().tolist() == [3.0] and of_features.ravel().tolist() == [6.0, 2.0]
    assert of_weights.ravel().tolist() == [-2.0, 6.0]  # 8 (2 - 3) / 4, 8 (6 - 3) / 4
    of_features, of_weights = host.lift_gradients(np.array([[[8.0]]]), features, 0 * told, places, 0 * weights)
    assert not of_features.any() and not of_weights.any()  # what no camera sees moves nothing
    with pytest.raises(DataError, match='gradient'):
        host.lift_gradients(np.zeros((2, 1, 1)), features, told, places, weights)


@pytest.fixture
def operators():
    pytest.importorskip('torch')
    if shutil.which('g++') is None:
        pytest.skip('g++ is not here')
    from autonomy_nodes.inference.nvidia.kernels import operators as found

    return found


def tensors(kind, grad=False, seed=4):
    import torch

    features, places, weights = (torch.from_numpy(x).to(kind) for x in scene(seed, 2, 9, (3, 4), (1, 3, 4)))
    weights = weights + 0.05 * (weights > 0.0)
    return features.requires_grad_(grad), places, weights.requires_grad_(grad)


def test_gradients_of_features_and_weights_are_those_of_small_steps(operators):
    import torch

    features, places, weights = tensors(torch.float64, grad=True)
    seen = weights.detach() + 0.1  # below 0 a weight counts as 0: no step may lead there
    assert torch.autograd.gradcheck(operators.lift, (features, places, seen.requires_grad_()))
    known = weights.detach()  # places that no camera sees among them
    assert (known.sum(dim=0) == 0.0).any()
    assert torch.autograd.gradcheck(lambda value: operators.lift(value, places, known), (features,))


def test_gradients_are_those_of_grid_sample(operators):
    import torch

    features, places, weights = tensors(torch.float64, grad=True)
    told = torch.randn(9, 1, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = torch.autograd.grad(operators.lift(features, places, weights), (features, weights), told)
    shown = torch.nn.functional.grid_sample(features, places[:, 0], align_corners=False)[:, :, None]
    total = weights.sum(dim=0)
    mean = (shown * weights[:, None]).sum(dim=0) / torch.where(total > 0.0, total, 1.0)
    wanted = torch.autograd.grad(torch.where(total > 0.0, mean, 0.0), (features, weights), told)
    assert torch.allclose(found[0], wanted[0], atol=1e-12)
    assert torch.allclose(found[1][:, total > 0.0], wanted[1][:, total > 0.0], atol=1e-12)


@pytest.mark.parametrize('name', ['float32', 'float64'])
def test_torch_finds_nothing_wrong_with_the_operator(operators, name):
    import torch

    for grad in (False, True):
        torch.library.opcheck(operators.lift, tensors(getattr(torch, name), grad))
    features, places, weights = tensors(getattr(torch, name))
    told = operators.lift(features, places, weights)
    torch.library.opcheck(operators.lift_gradients, (told, features, told, places, weights))


def test_the_operator_refuses_mixed_numbers_and_gradients_of_places(operators):
    import torch

    features, places, weights = tensors(torch.float32)
    for wrong in ((features.double(), places, weights), (features.half(), places.half(), weights.half())):
        with pytest.raises(ValueError, match='float32 or float64'):
            operators.lift(*wrong)
    with pytest.raises(ValueError, match='no gradient of its places'):
        operators.lift(features.requires_grad_(), places.requires_grad_(), weights)


def test_torch_finds_nothing_wrong_with_the_operators_that_have_no_gradient(operators):
    import torch

    chance = torch.Generator().manual_seed(0)
    points, heights = torch.rand((50, 4), generator=chance), torch.rand(50, generator=chance)
    sweep = (points, heights, torch.tensor([-1.0, 0.5, 4.0]), [0.0, 0.0], 0.25, [4, 6])
    torch.library.opcheck(operators.splat, sweep)
    told = operators.splat(*sweep)
    assert told.shape == (10, 4, 6) and round(float(told[0].expm1().sum())) == 50
    heat, overlap, box = (torch.randn(shape, generator=chance) for shape in ((2, 8, 9), (8, 9), (10, 8, 9)))
    table = torch.from_numpy(host.class_table([0.1] * 2, [1.0] * 2, [0.0] * 2, [0, 1], [0.5] * 2, 0.3))
    maps = (heat, overlap, box, table, [0.0, 0.0], 0.5, 0.3, 20)
    torch.library.opcheck(operators.peaks, maps)
    rows, count = operators.peaks(*maps)
    assert rows.shape == (20, 4) and 0 < int(count) == int((rows[:, 0] > 0.0).sum())
