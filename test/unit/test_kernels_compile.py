"""The kernels compiled for GPUs and for the CPU, and the launching of both, a double standing in for a GPU."""

import re
import shutil
import sys
from types import ModuleType

import numpy as np
import pytest

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.inference.nvidia.kernels import cubins, host, launcher, library, sources
from autonomy_nodes.inference.nvidia.kernels.plans import Cells, Clear, Launch, Lift, Peaks, Plan, Splat

needs_compiler = pytest.mark.skipif(shutil.which('g++') is None, reason='g++ is not here')
CELLS = Cells((-3.0, -2.0), 0.5, (14, 9))
EDGES = np.array([-1.0, 0.2, 1.0, 4.0], np.float32)
GUARD = 64  # bytes on each side of a piece of memory, in which nothing may be written


@pytest.mark.parametrize('compiler', ['nvcc', 'nvrtc'])
@pytest.mark.parametrize('sm', [87, 110])  # an Orin, a Thor
@pytest.mark.parametrize('name', sources.NAMES)
def test_each_kernel_compiles_for_orin_and_thor_and_keeps_its_numbers_in_registers(name, sm, compiler):
    if compiler not in cubins.available():
        pytest.skip(f'{compiler} is not here')
    cubin, uses = cubins.compile_now(name, sm, compiler)
    kernels = re.findall(r'^KERNEL (\w+)\(', sources.source(name).read_text(), re.MULTILINE)
    assert cubin.startswith(b'\x7fELF') and sorted(uses) == sorted(kernels)
    for kernel, use in uses.items():  # of 65536 registers 256 threads may take 64 each and leave room for three more
        assert 8 <= use.registers <= 64 and (use.stack_bytes, use.spilled_bytes) == (0, 0), (kernel, use)


def test_what_ptxas_says_of_a_kernel_that_spills_is_read():
    told = """ptxas info    : Compiling entry function 'one' for 'sm_87'
ptxas info    : Function properties for one
    40 bytes stack frame, 12 bytes spill stores, 16 bytes spill loads
ptxas info    : Used 255 registers, used 0 barriers
ptxas info    : Compiling entry function 'two' for 'sm_87'
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 31 registers"""
    assert cubins.used(told) == {'one': cubins.Use(255, 40, 28), 'two': cubins.Use(31, 0, 0)}


def test_what_no_compiler_knows_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'warp' must be one of splat, lift, decode"):
        cubins.compiled('warp', 87, tmp_path)
    with pytest.raises(ValueError, match='sm=8'):
        cubins.compiled('splat', 8, tmp_path)
    for compiler in cubins.available():
        with pytest.raises(SettingsError, match='lift.cu for sm_999'):
            cubins.compile_now('lift', 999, compiler)


def test_without_a_compiler_a_cubin_that_lies_there_serves_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(cubins, 'available', lambda: ())
    path = cubins.path_of('lift', 87, tmp_path)
    assert re.fullmatch(r'lift-sm_87-[0-9a-f]{16}\.cubin', path.name)
    path.write_bytes(b'made before')
    assert cubins.compiled('lift', 87, tmp_path) == path and path.read_bytes() == b'made before'
    with pytest.raises(SettingsError, match='pip install cuda-bindings nvidia-cuda-nvrtc'):
        cubins.compiled('lift', 110, tmp_path)
    for changed in ('lift.cu', 'shim.cu'):  # of another source the old one does not serve
        folder = tmp_path / changed
        shutil.copytree(sources.FOLDER, folder)
        (folder / changed).write_text((folder / changed).read_text() + '\n')
        monkeypatch.setattr(sources, 'FOLDER', folder)
        monkeypatch.setattr(sources, 'SHIM', folder / 'shim.cu')
        assert cubins.path_of('lift', 87, tmp_path) != path


def test_a_cubin_is_compiled_once(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(cubins, 'compile_now', lambda name, sm: (asked.append((name, sm)) or b'cubin', {}))
    paths = {cubins.compiled('splat', 87, tmp_path / 'new') for _ in range(3)}
    assert asked == [('splat', 87)] and [path.read_bytes() for path in paths] == [b'cubin']
    assert len(list((tmp_path / 'new').iterdir())) == 1  # no parts left


@needs_compiler
def test_the_library_for_the_cpu_is_compiled_once_and_anew_for_other_numbers(tmp_path):
    path = library.built(sources.source('lift'), 'float', tmp_path)
    made = path.stat().st_mtime_ns
    assert library.built(sources.source('lift'), 'float', tmp_path).stat().st_mtime_ns == made
    assert library.built(sources.source('lift'), 'double', tmp_path) != path and len(list(tmp_path.iterdir())) == 2


def test_a_missing_compiler_and_a_broken_source_are_told(tmp_path, monkeypatch):
    broken = tmp_path / 'broken.cu'
    broken.write_text('#include "shim.cu"\nKERNEL one(int n) { nothing; }\nOFFER(one)\n')
    if shutil.which('g++'):
        with pytest.raises(SettingsError, match=r"(?s)refused .*broken\.cu.*'?nothing'?"):
            library.built(broken, 'float', tmp_path / 'made')
        assert not (tmp_path / 'made').exists()
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(SettingsError, match=r'apt install g\+\+'):
        library.built(broken, 'float', tmp_path / 'made')
    with pytest.raises(ValueError, match="real='half'"):
        library.library('lift', 'half')


def test_the_cache_is_where_the_machine_keeps_such_things(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert sources.cache() == tmp_path / 'autonomy_nodes' / 'kernels'


@needs_compiler
def test_arguments_that_are_not_the_kernels_are_refused_before_it_runs():
    runner, address = library.library('splat'), np.uintp(0)  # at which any kernel would crash
    for wrong in ((), (address, address), (np.int32(0),)):
        with pytest.raises(ValueError, match='splat_light takes other arguments'):
            runner.run(Plan('splat', (Launch('splat_light', 1, wrong),)))
    with pytest.raises(ValueError, match='no kernel'):
        runner.run(Plan('splat', (Launch('splat_dark', 1, (address,)),)))
    with pytest.raises(ValueError, match="'lift' cannot run on the kernels of 'splat'"):
        runner.run(Plan('lift', ()))


@pytest.mark.parametrize('threads, blocks', [(1, 1), (256, 1), (257, 2), (100_000, 391)])
def test_blocks_cover_the_threads(threads, blocks):
    assert Launch('any', threads, ()).blocks == blocks


@pytest.mark.parametrize('threads', [0, -1, 2**31])
def test_no_kernel_runs_on_no_threads_nor_on_more_than_can_be_counted(threads):
    with pytest.raises(ValueError, match='cannot run'):
        Launch('any', threads, ())


class Driver(ModuleType):
    """pycuda.driver on the memory of this process: kernels run by the library for the CPU, in place of a GPU."""

    def __init__(self):
        super().__init__('pycuda.driver')
        self.told = []

    def module_from_buffer(self, image):
        driver, source = self, image.decode()

        class Module:
            def get_function(self, kernel):
                driver.told.append(('got', kernel))
                return lambda *arguments, **where: driver.launch(source, kernel, arguments, where)

        return Module()

    def memset_d8_async(self, address, value, count, stream):
        self.told.append(('cleared', count, stream))
        library.library('splat').run(Plan('splat', (Clear(address, count),)))
        assert value == 0

    def launch(self, source, kernel, arguments, where):
        (threads, *flat), (blocks, one) = where['block'], where['grid']
        assert all(isinstance(value, np.generic) for value in arguments) and (flat, one) == ([1, 1], 1)
        self.told.append((kernel, blocks, threads, where['stream']))
        library.library(source).launch(kernel, blocks, threads, [value.tobytes() for value in arguments])


@pytest.fixture
def driver(monkeypatch):
    if shutil.which('g++') is None:
        pytest.skip('g++ is not here')
    package, found = ModuleType('pycuda'), Driver()
    package.driver = found
    monkeypatch.setitem(sys.modules, 'pycuda', package)
    monkeypatch.setitem(sys.modules, 'pycuda.driver', found)
    return found


class Memory:
    """Pieces of memory full of old numbers, each with a guard on both sides."""

    def __init__(self):
        self._pieces = []

    def put(self, size, content=b''):
        piece = np.full(size + 2 * GUARD + 8, 0xA5, np.uint8)
        start = GUARD + -(piece.ctypes.data + GUARD) % 8
        piece[start : start + len(content)] = np.frombuffer(content, np.uint8)
        self._pieces.append((piece, start, size))
        return piece.ctypes.data + start

    def holding(self, array):
        return self.put(array.nbytes, array.tobytes())

    def read(self, address, shape, kind):
        piece, start, size = next(it for it in self._pieces if it[0].ctypes.data + it[1] == address)
        return piece[start : start + size].view(kind).reshape(shape)

    def untouched(self):
        edges = [np.concatenate([piece[:start], piece[start + size :]]) for piece, start, size in self._pieces]
        return all((edge == 0xA5).all() for edge in edges)


def launched(driver, plan, stream='stream'):
    launcher.Launcher({plan.source: plan.source.encode()}).run(plan, stream)
    return [told for told in driver.told if told[0] != 'got']


def test_a_sweep_launched_is_the_sweep_laid_on_the_cpu(driver):
    chance, memory = np.random.default_rng(0), Memory()
    points = chance.uniform([-4, -3, 0, 0], [5, 3, 1, 1], (1000, 4)).astype(np.float32)
    heights = chance.uniform(-1.5, 4.5, 1000).astype(np.float32)
    size = Splat(CELLS, 3, 1000)
    out = memory.put(4 * 11 * 14 * 9)
    given = {'points': points, 'heights': heights, 'edges': EDGES}
    scratch = memory.put(size.scratch_bytes)
    plan = size.plan(**{name: memory.holding(array) for name, array in given.items()}, scratch=scratch, out=out)
    told = launched(driver, plan)
    assert told == [
        ('cleared', 776 + 56 * 126, 'stream'),
        ('splat_points', 4, 256, 'stream'),
        ('splat_light', 1, 256, 'stream'),
        ('splat_channels', 1, 256, 'stream'),
    ]
    assert np.array_equal(memory.read(out, size.out_shape, np.float32), host.splat(points, heights, EDGES, CELLS))
    assert memory.untouched()


def test_a_lift_and_its_gradients_launched_are_those_of_the_cpu(driver):
    chance, memory = np.random.default_rng(1), Memory()
    features, told = chance.normal(size=(2, 9, 5, 7)), chance.normal(size=(9, 300))
    places, weights = chance.uniform(-1.2, 1.2, (2, 300, 2)), np.maximum(chance.uniform(-1.0, 1.0, (2, 300)), 0.0)
    features, told, places, weights = (x.astype(np.float32) for x in (features, told, places, weights))
    lifted, size = host.lift(features, places, weights), Lift(2, 9, 5, 7, 300)
    common = {'places': memory.holding(places), 'weights': memory.holding(weights)}
    out, of_features, of_weights = (memory.put(array.nbytes) for array in (lifted, features, weights))
    shown, above = memory.holding(features), memory.holding(told)
    launched(driver, size.forward(features=shown, **common, out=out))
    launched(driver, size.to_features(told=above, **common, out=of_features, size=4))
    steps = launched(driver, size.to_weights(told=above, features=shown, lifted=out, **common, out=of_weights))
    assert [step[:2] for step in steps] == [
        ('lift_forward', 3),  # 300 places, 9 channels in eights: 600 threads
        ('cleared', 4 * 2 * 9 * 5 * 7),
        ('lift_features', 3),
        ('lift_weights', 3),
    ]
    wanted = host.lift_gradients(told, features, lifted, places, weights)
    assert np.array_equal(memory.read(out, lifted.shape, np.float32), lifted)
    assert np.array_equal(memory.read(of_features, features.shape, np.float32), wanted[0])
    assert np.array_equal(memory.read(of_weights, weights.shape, np.float32), wanted[1])
    assert memory.untouched()


@pytest.mark.parametrize('level', [0.0, 8.0, -60.0])  # some peaks, as many as there is room for, none
def test_peaks_launched_are_those_of_the_cpu(driver, level):
    chance, memory = np.random.default_rng(2), Memory()
    heat = chance.normal(level, 1.0, (2, 14, 9)).astype(np.float32)
    if level == 8.0:
        heat[:] = 0.0
        heat[:, ::2, ::2] = level + chance.uniform(size=(2, 7, 5))
    overlap, box = (chance.normal(size=shape).astype(np.float32) for shape in ((14, 9), (8, 14, 9)))
    table = host.class_table([0.1] * 2, [1.3] * 2, [0.1] * 2, [0, 1], [0.4] * 2, 0.3)
    size = Peaks(CELLS, 2, 0.3, 11)
    out, kept, scratch = memory.put(8 * 4 * 11), memory.put(4), memory.put(size.scratch_bytes)
    given = {'heat': heat, 'overlap': overlap, 'box': box, 'told': table}
    addresses = {name: memory.holding(array) for name, array in given.items()}
    steps = launched(driver, size.plan(**addresses, scratch=scratch, out=out, kept=kept))
    assert [step[0] for step in steps[:2]] == ['cleared', 'cleared'] and len(steps) == 7
    rows, count = host.peaks(heat, overlap, box, table, CELLS, 0.3, 11)
    assert memory.read(kept, (), np.int32) == count == (0 if level < 0.0 else 11)
    assert np.array_equal(memory.read(out, (11, 4), np.float64), rows) and memory.untouched()
    found = memory.read(scratch, (-1,), np.uint8)[:4].view(np.uint32)[0]
    assert found == {0.0: found, 8.0: size.room, -60.0: 0}[level] and size.room == 2 * 7 * 5


def test_a_kernel_is_looked_up_once_and_an_unloaded_source_is_refused(driver):
    held = launcher.Launcher({'splat': b'splat'})
    light = np.zeros(776 // 8)
    plan = Plan('splat', (Launch('splat_light', 1, (np.uintp(light.ctypes.data),)),))
    for stream in (1, 2):
        held.run(plan, stream)
    assert driver.told == [('got', 'splat_light'), ('splat_light', 1, 256, 1), ('splat_light', 1, 256, 2)]
    with pytest.raises(ValueError, match="'lift' were not loaded, only splat"):
        held.run(Plan('lift', ()), 1)


@pytest.mark.parametrize('capability, sm', [((8, 7), 87), ((11, 0), 110)])
def test_a_device_gets_the_kernels_of_its_own_sm(driver, monkeypatch, tmp_path, capability, sm):
    class Device:
        def compute_capability(self):
            return capability

    monkeypatch.setattr(cubins, 'compile_now', lambda name, sm: (f'{name} {sm}'.encode(), {}))
    images = []
    monkeypatch.setattr(driver, 'module_from_buffer', images.append)
    launcher.launcher(Device(), folder=tmp_path)
    assert images == [f'{name} {sm}'.encode() for name in sources.NAMES]
    assert sorted(path.name.split('-')[1] for path in tmp_path.iterdir()) == [f'sm_{sm}'] * 3
