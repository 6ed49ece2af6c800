"""An installed package lies where `ros2 run`, `ros2 launch` and pip look; built as integrators do, from a copy."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ('autonomy_nodes', 'config', 'interfaces', 'launch', 'models', 'resource')
SHARED = ('config', 'interfaces', 'launch', 'models')


@pytest.fixture(scope='module')
def copy(tmp_path_factory):
    """Give a copy of what is to be installed, so that nothing is built in the checkout."""
    folder = tmp_path_factory.mktemp('source') / 'autonomy_nodes'
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns('__pycache__', '.*'))
    for name in ('package.xml', 'setup.py', 'setup.cfg', 'pyproject.toml', 'LICENSE'):
        shutil.copy(ROOT / name, folder)
    return folder


def run(*command, cwd, **variables):
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **variables}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


def check_share(prefix):
    """Fail unless every shared file and the marker of the package index are below `prefix`."""
    share = prefix / 'share' / 'autonomy_nodes'
    for part in SHARED:
        ours = [path.relative_to(ROOT) for path in (ROOT / part).rglob('*') if path.is_file()]
        missing = [path for path in ours if not (share / path).exists() and '__pycache__' not in path.parts]
        assert missing == []
    assert (share / 'package.xml').exists()
    assert (prefix / 'share' / 'ament_index' / 'resource_index' / 'packages' / 'autonomy_nodes').exists()


def test_colcon_installs_where_ros2_run_and_ros2_launch_look(copy, tmp_path):
    pytest.importorskip('colcon_core', reason='a test extra')
    places = [word for kind in ('build', 'install') for word in (f'--{kind}-base', str(tmp_path / kind))]
    run(sys.executable, '-m', 'colcon', '--log-base', str(tmp_path / 'log'), 'build', *places, cwd=copy)
    prefix = tmp_path / 'install' / 'autonomy_nodes'
    check_share(prefix)
    for name in ('stage', 'autonomy'):
        assert os.access(prefix / 'lib' / 'autonomy_nodes' / name, os.X_OK)
    assert 'usage: autonomy' in run(
        'bash', '-c', '. install/local_setup.bash && install/autonomy_nodes/lib/autonomy_nodes/autonomy --help',
        cwd=tmp_path, AMENT_PREFIX_PATH=sys.prefix,
    )  # fmt: skip


def test_pip_installs_commands_and_shared_files(copy, tmp_path):
    alone = ('--no-deps', '--no-build-isolation', '--no-index', '--ignore-installed')  # ours in the environment stays
    pip = ('-m', 'pip', 'install', *alone, '--prefix', str(tmp_path))
    run(sys.executable, *pip, '.', cwd=copy)
    check_share(tmp_path)
    package = next(tmp_path.glob('l*/python*/site-packages/autonomy_nodes'))
    ours = [path for path in (copy / 'autonomy_nodes').rglob('*') if path.is_file()]  # the report's page, kernels too
    places = [path.relative_to(copy / 'autonomy_nodes') for path in ours]
    assert [path for path in places if not (package / path).exists()] == []
    help_text = run(str(tmp_path / 'bin' / 'autonomy'), '--help', cwd=tmp_path, PYTHONPATH=str(package.parent))
    assert 'usage: autonomy' in help_text
    assert os.access(tmp_path / 'bin' / 'stage', os.X_OK)


