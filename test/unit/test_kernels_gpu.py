"""The kernels on a GPU, where one is at hand, against themselves on the CPU."""

import shutil

import numpy as np
import pytest

from autonomy_nodes.inference.nvidia.kernels import cubins, host, launcher
from autonomy_nodes.inference.nvidia.kernels.plans import Cells, Lift, Peaks, Splat

CELLS = Cells((-40.0, -40.0), 0.2, (480, 400))
EDGES = np.array([-1.0, -0.2, 0.15, 0.4, 0.8, 1.2, 1.7, 2.3, 4.0], np.float32)


class Card:
    """The first GPU: memory, and plans run to their end."""

    def __init__(self, driver, folder):
        self._driver, self._held = driver, []
        self._launcher, self._stream = launcher.launcher(driver.Device(0), folder=folder), driver.Stream()

    def put(self, size):
        self._held.append(self._driver.mem_alloc(size))
        return int(self._held[-1])

    def holding(self, array):
        address = self.put(array.nbytes)
        self._driver.memcpy_htod(address, np.ascontiguousarray(array))
        return address

    def read(self, address, shape, kind=np.float32):
        out = np.empty(shape, kind)
        self._driver.memcpy_dtoh(out, address)
        return out

    def run(self, plan):
        self._launcher.run(plan, self._stream)
        self._stream.synchronize()


@pytest.fixture
def card(tmp_path):
    try:
        from pycuda import driver
    except ImportError as error:  # of pycuda itself, or of the driver's library
        pytest.skip(f'pycuda is not here: {error}')
    try:
        driver.init()
        context = driver.Device(0).retain_primary_context()
    except driver.Error as error:
        pytest.skip(f'no GPU is at hand: {error}')
    if not cubins.available() or shutil.which('g++') is None:
        pytest.skip('nvcc or NVRTC, or g++, is not here')
    context.push()
    try:
        yield Card(driver, tmp_path)
    finally:
        context.pop()


def test_a_sweep_is_laid_bit_by_bit_as_on_the_cpu_each_time(card):
    chance = np.random.default_rng(0)
    points = chance.uniform([-45, -45, -2, 0], [60, 45, 4, 1], (100_000, 4)).astype(np.float32)
    points[::3, :2] = points[0, :2]  # very many in one cell
    heights = np.where(chance.uniform(size=100_000) < 0.5, 0.02 * points[:, 2], points[:, 2]).astype(np.float32)
    heights[::40] = np.nan
    wanted, size = host.splat(points, heights, EDGES, CELLS), Splat(CELLS, 8, 100_000)
    out = card.put(wanted.nbytes)
    given = {name: card.holding(array) for name, array in (('points', points), ('heights', heights), ('edges', EDGES))}
    plan, told = size.plan(**given, scratch=card.put(size.scratch_bytes), out=out), []
    for _ in range(5):
        card.run(plan)
        told.append(card.read(out, wanted.shape))
        assert np.array_equal(told[-1], told[0])
    by_logarithm = [0, 15]  # count and rough: a GPU's logarithm may differ in the last bit
    assert np.array_equal(np.delete(told[0], by_logarithm, axis=0), np.delete(wanted, by_logarithm, axis=0))
    assert np.abs(told[0] - wanted).max() <= 2e-6


def test_a_lift_and_its_gradients_are_those_of_the_cpu(card):
    chance = np.random.default_rng(1)
    features, told = chance.normal(size=(3, 20, 22, 40)), chance.normal(size=(20, 9000))
    places, weights = chance.uniform(-1.2, 1.2, (3, 9000, 2)), np.maximum(chance.uniform(-1, 1, (3, 9000)), 0.0)
    features, told, places, weights = (x.astype(np.float32) for x in (features, told, places, weights))
    lifted, size = host.lift(features, places, weights), Lift(3, 20, 22, 40, 9000)
    wanted = host.lift_gradients(told, features, lifted, places, weights)
    common = {'places': card.holding(places), 'weights': card.holding(weights)}
    shown, above = card.holding(features), card.holding(told)
    out, of_features, of_weights = (card.put(array.nbytes) for array in (lifted, features, weights))
    card.run(size.forward(features=shown, **common, out=out))
    card.run(size.to_features(told=above, **common, out=of_features, size=4))
    card.run(size.to_weights(told=above, features=shown, lifted=out, **common, out=of_weights))
    assert np.abs(card.read(out, lifted.shape) - lifted).max() <= 1e-6
    assert np.abs(card.read(of_features, features.shape) - wanted[0]).max() <= 1e-4  # added up in another order
    assert np.abs(card.read(of_weights, weights.shape) - wanted[1]).max() <= 1e-3  # some are divided by little weight


def test_the_same_middles_are_picked_in_the_same_order_as_on_the_cpu(card):
    chance, cells = np.random.default_rng(2), Cells((-40.0, -40.0), 0.4, (240, 200))
    heat = chance.normal(-5.0, 2.0, (5, 240, 200)).astype(np.float32).round(2)  # many are equal
    overlap, box = (chance.normal(size=shape).astype(np.float32) for shape in ((240, 200), (10, 240, 200)))
    overlap[:] = overlap.round(0)
    table = host.class_table([0.3] * 5, [1.2] * 5, [0.1] * 5, [0, 0, 1, 1, 1], [1.2, 1.6, 0.35, 0.5, 0.5], 0.3)
    rows, count = host.peaks(heat, overlap, box, table, cells, 0.3, 300)
    size = Peaks(cells, 5, 0.3, 300)
    maps = (('heat', heat), ('overlap', overlap), ('box', box), ('told', table))
    out, kept, scratch = card.put(rows.nbytes), card.put(4), card.put(size.scratch_bytes)
    given = {name: card.holding(array) for name, array in maps}
    for _ in range(5):
        card.run(size.plan(**given, scratch=scratch, out=out, kept=kept))
        told = card.read(out, rows.shape, np.float64)
        assert card.read(kept, (1,), np.int32)[0] == count > 100
        assert np.array_equal(told[:, 1:], rows[:, 1:]) and np.abs(told[:, 0] - rows[:, 0]).max() <= 1e-6
