"""The same backend on the real pycuda, over a libcuda whose device is the host's memory; and shipped networks on RTX.

pycuda without CUDA: python bootstrap/build_pycuda.py. tensorrt_rtx: pip install tensorrt-rtx.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autonomy_nodes.inference.manifest import ONNX, folder_of
from autonomy_nodes.inference.nvidia.builder import BuildOptions, build_engine, flags_of

TEST = Path(__file__).parents[1]
COMPILER = os.environ.get('CC', 'gcc')


@pytest.fixture(scope='module')
def libcuda(tmp_path_factory):
    if importlib.util.find_spec('pycuda') is None:
        pytest.skip('pycuda is missing: python bootstrap/build_pycuda.py')
    if shutil.which(COMPILER) is None:
        pytest.skip(f'{COMPILER} is missing')
    path = tmp_path_factory.mktemp('driver') / 'libcuda.so.1'
    words = ['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror', '-Wl,-soname,libcuda.so.1']
    subprocess.run([COMPILER, *words, '-o', str(path), str(TEST / 'native' / 'libcuda.c')], check=True)
    return path


def told_by(libcuda, folder, what):
    places = [str(TEST.parent), str(TEST), os.environ.get('PYTHONPATH', '')]
    paths = {'LD_PRELOAD': str(libcuda), 'PYTHONPATH': os.pathsep.join(places)}
    command = [sys.executable, str(TEST / 'native' / 'on_pycuda.py'), str(folder), what]
    done = subprocess.run(command, env={**os.environ, **paths}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'context stack was not empty' not in done.stderr and 'clean-up' not in done.stderr, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_the_real_pycuda_runs_engines_in_memory_that_is_taken_once(libcuda, tmp_path):
    pytest.importorskip('onnx')
    told = told_by(libcuda, tmp_path, 'all')
    assert (told['name'], told['sms'], told['capability']) == ('memory of the host', 16, '8.7')
    assert told['answer'] and told['thousand'] and told['threads']
    assert told['taken_in_thousand'] == 0 and told['given_by_close'] == 6
    assert told['lidar_small'] and told['traffic_small']  # to the last bit: the same engine reads the same numbers
    assert told['full'].startswith('SettingsError: memory of the host has no ') and 'out of memory' in told['full']
    assert told['hang'] == 'DataError: the GPU gave no answer within 0.05 s: it hangs'
    assert 'has lost its GPU' in told['after'] and told['depth'] == told['end_depth'] == 0


def test_the_real_pycuda_without_a_device_is_told(libcuda, tmp_path):
    told = told_by(libcuda, tmp_path, 'none')['none']
    assert told.startswith('SettingsError: no CUDA device answers: cuInit failed: no CUDA-capable device')


@pytest.mark.parametrize('name', ['lidar_small', 'traffic_small'])
def test_a_shipped_network_is_built_by_the_builder_of_tensorrt_rtx(name, tmp_path):
    trt = pytest.importorskip('tensorrt_rtx')
    assert 'STRONGLY_TYPED' in flags_of(trt, 'fp32').network
    told = []
    options = BuildOptions(workspace_mb=512, timing_cache=tmp_path / 'timing.cache')
    plan = build_engine(trt, folder_of(name) / ONNX, options, lambda *step: told.append(step))
    assert len(plan) > 500_000
    assert told and all(0 < done <= of for _, done, of in told)


def test_tensorrt_rtx_refuses_what_is_no_network_and_the_reason_is_told(tmp_path):
    from autonomy_nodes.common.settings import SettingsError

    trt = pytest.importorskip('tensorrt_rtx')
    (tmp_path / ONNX).write_bytes(b'none')
    with pytest.raises(SettingsError, match='network.onnx: TensorRT .* cannot read it: '):
        build_engine(trt, tmp_path / ONNX, BuildOptions())
