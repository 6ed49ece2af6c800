"""docker/: images and scripts pass their linters, compose and service say what the middleware needs, releases switch.

No image was built here; what install.sh does on a fresh Debian is what CI runs.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from autonomy_nodes.commands.main import VERBS
from autonomy_nodes.nodes.launcher import PATIENCE_S, given, resolved, settings_files

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / 'docker'
IMAGES = sorted(DOCKER.glob('Dockerfile*'))
SCRIPTS = [*sorted(DOCKER.glob('*.sh')), ROOT / '.ci' / 'run']


def linter(name):
    """Return the path of a linter: beside this Python, else on PATH."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get('PATH', '')]))
    if found is None:
        pytest.skip(f'{name} is not installed; the extra test brings it')
    return found


@pytest.mark.parametrize('path', IMAGES, ids=lambda path: path.name)
def test_hadolint_finds_nothing_in_an_image(path):
    done = subprocess.run([linter('hadolint'), str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, '')


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing_in_a_script(path):
    done = subprocess.run([linter('shellcheck'), str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, '')


def test_images_only_call_steps_of_install():
    steps = re.findall(r'^  (\w+)\)$', (DOCKER / 'install.sh').read_text(), re.MULTILINE)
    for path in IMAGES:
        runs = re.findall(r'^RUN (.*)$', path.read_text(), re.MULTILINE)
        called = re.findall(r'docker/install\.sh (\w+)', ' '.join(runs))
        assert called and set(called) <= set(steps)
        others = re.sub(r'(EXTRAS=" " )?docker/install\.sh \w+|rm -rf /var/lib/apt/lists/\*', '', ' '.join(runs))
        assert not re.search(r'apt-get|pip|curl|wget', others), path


def test_install_tells_each_of_its_steps():
    text = (DOCKER / 'install.sh').read_text()
    steps = re.findall(r'^  (\w+)\)$', text, re.MULTILINE)
    told = subprocess.run([DOCKER / 'install.sh'], capture_output=True, text=True)
    assert told.returncode == 2
    assert re.findall(r'^docker/install\.sh (\w+)', told.stdout.replace('  docker', 'docker'), re.MULTILINE) == steps


@pytest.fixture(scope='module')
def services():
    return yaml.safe_load((DOCKER / 'compose.yaml').read_text())['services']


def test_containers_have_the_shared_memory_and_the_profile_that_large_messages_need(services):
    assert services['desktop']['shm_size'] == '1gb' and services['orin']['ipc'] == 'host'
    profile = (ROOT / 'config' / 'fastdds.xml').relative_to(ROOT)
    for service in services.values():
        for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
            assert service['environment'][name] == f'/autonomy_nodes/{profile}'
        assert service['environment']['RMW_IMPLEMENTATION'] == 'rmw_fastrtps_cpp'


def test_containers_are_built_of_what_is_there(services):
    for service in services.values():
        path = DOCKER / service['build']['context'] / service['build']['dockerfile']
        named = set(re.findall(r'^ARG (\w+)', path.read_text(), re.MULTILINE))
        assert set(service['build']['args']) <= named


def test_what_a_container_runs_is_a_command_of_ours(services):
    program, verb, *words = services['orin']['command'].replace('${VEHICLE:-car}', 'car').split()
    assert program == 'autonomy' and verb in VERBS
    arguments = resolved(given(words))
    assert all((ROOT / path).exists() or path.exists() for path in settings_files(arguments))


def seconds(text):
    return float(re.search(r'\d+', str(text))[0])


def test_processes_get_the_time_to_end_in_good_order(services):
    unit = (DOCKER / 'autonomy.service').read_text()
    for told in (services['orin']['stop_grace_period'], re.search(r'TimeoutStopSec=(\S+)', unit)[1]):
        assert seconds(told) > 2.0 * PATIENCE_S  # the recorder ends after the others
    assert services['orin']['stop_signal'] == 'SIGINT' == re.search(r'KillSignal=(\w+)', unit)[1]


def test_the_service_starts_what_is_there():
    unit = (DOCKER / 'autonomy.service').read_text()
    for place, verb in re.findall(r'^ExecStart(?:Pre)?=(\S+) autonomy (\w+)', unit, re.MULTILINE):
        relative = place.removeprefix('/opt/autonomy_nodes/current/')
        assert os.access(ROOT / relative, os.X_OK) and verb in VERBS


def test_the_service_is_one_that_systemd_reads():
    if shutil.which('systemd-analyze') is None:
        pytest.skip('systemd is not installed')
    done = subprocess.run(
        ['systemd-analyze', 'verify', str(DOCKER / 'autonomy.service')], capture_output=True, text=True
    )
    if 'Failed to' in done.stderr and 'bus' in done.stderr:
        pytest.skip('systemd-analyze cannot run here')
    ours = [line for line in done.stderr.splitlines() if 'autonomy.service' in line]
    assert [line for line in ours if 'entrypoint.sh is not executable: No such file' not in line] == []


def release(prefix, name):
    (prefix / 'releases' / name / '.venv' / 'bin').mkdir(parents=True)
    (prefix / 'releases' / name / '.venv' / 'bin' / 'autonomy').touch(mode=0o755)


def install(prefix, step, **more):
    environ = {'PATH': os.environ['PATH'], 'PREFIX': str(prefix), **more}
    return subprocess.run([DOCKER / 'install.sh', step], env=environ, capture_output=True, text=True)


def links(prefix):
    there = [prefix / name for name in ('current', 'previous') if (prefix / name).is_symlink()]
    return {link.name: link.readlink().name for link in there}


def test_a_release_is_driven_with_and_rolled_back_and_forth(tmp_path):
    for name in ('one', 'two'):
        release(tmp_path, name)
        assert install(tmp_path, 'release', RELEASE=name).returncode == 0
    assert links(tmp_path) == {'current': 'two', 'previous': 'one'}
    assert install(tmp_path, 'release', RELEASE='two').returncode == 0  # again: what was before stays known
    assert links(tmp_path) == {'current': 'two', 'previous': 'one'}
    assert 'systemctl restart autonomy' in install(tmp_path, 'rollback').stdout
    assert links(tmp_path) == {'current': 'one', 'previous': 'two'}
    assert install(tmp_path, 'rollback').returncode == 0
    assert links(tmp_path) == {'current': 'two', 'previous': 'one'}


def test_there_is_nothing_to_roll_back_to_before_the_second_release_nor_to_half_a_one(tmp_path):
    release(tmp_path, 'one')
    assert install(tmp_path, 'release', RELEASE='one').returncode == 0
    done = install(tmp_path, 'rollback')
    assert done.returncode == 1 and 'nothing was driven with before' in done.stderr
    (tmp_path / 'releases' / 'half').mkdir()
    (tmp_path / 'previous').symlink_to(tmp_path / 'releases' / 'half')
    done = install(tmp_path, 'rollback')
    assert done.returncode == 1 and 'holds no whole release' in done.stderr and links(tmp_path)['current'] == 'one'


def test_a_release_holds_what_git_tracks_and_its_environment_is_made_in_its_place(tmp_path):
    fake = tmp_path / 'bin' / 'python3'
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nmkdir -p .venv/bin && touch .venv/bin/autonomy && chmod +x .venv/bin/autonomy && pwd\n')
    fake.chmod(0o755)
    if subprocess.run(['git', 'rev-parse'], cwd=ROOT, capture_output=True).returncode:
        pytest.skip('this is no checkout')
    done = install(tmp_path / 'opt', 'release', RELEASE='v1', PATH=f'{fake.parent}:{os.environ["PATH"]}')
    place = tmp_path / 'opt' / 'releases' / 'v1'
    assert done.returncode == 0 and str(place) in done.stdout.splitlines()
    tracked = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True).stdout.split('\n')[:-1]
    held = {str(path.relative_to(place)) for path in place.rglob('*') if path.is_file() or path.is_symlink()}
    assert {name for name in tracked if (ROOT / name).exists()} == held - {'.venv/bin/autonomy'}
    assert links(tmp_path / 'opt') == {'current': 'v1'}
