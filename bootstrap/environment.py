"""Make the Python environment of this checkout; at once when nothing has changed.

usage: python3 bootstrap/environment.py [EXTRA ...]      (extras of setup.py, such as sim test)

Where a ROS 2 is sourced it is used, and only what else is missing gets installed. Elsewhere ROS 2 comes from pip in the
versions of constraints/, and the message packages that pip lacks are built. $DISTRO chooses the distribution.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import machine

ROOT = Path(__file__).resolve().parents[1]
DISTROS = ('jazzy', 'kilted')
STAMP = 'installed.json'
IMPORTED_AS = {  # where a module is not called like what pip installs
    'PyYAML': 'yaml',
    'opencv-python-headless': 'cv2',
    'pytest-xdist': 'xdist',
    'pytest-timeout': 'pytest_timeout',
    'types-PyYAML': 'yaml-stubs',
    'colcon-common-extensions': 'colcon_core',
    'rerun-sdk': 'rerun',
}


@dataclass(frozen=True)
class Plan:
    """What is to be made: which distribution, from where, in which folder."""

    distro: str
    sourced: bool
    folder: Path

    @property
    def python(self) -> Path:
        """Return the Python of the environment."""
        return self.folder / 'bin' / 'python'

    @property
    def constraints(self) -> Path:
        """Return the file with every version."""
        old = '-py310' if sys.version_info < (3, 11) else ''
        return ROOT / 'constraints' / f'{self.distro}{old}.txt'

    def home(self) -> list[str]:
        """Return what an environment cannot survive a change of."""
        return [str(self.folder), sys.version, self.distro, 'sourced' if self.sourced else 'pip']

    def key(self) -> str:
        """Return a name for all that the contents of the environment depend on."""
        paths = [ROOT / 'setup.py', *(ROOT / 'constraints').glob('*.txt'), *(ROOT / 'bootstrap').glob('*.py')]
        paths += (ROOT / 'interfaces').rglob('*.msg')
        parts = [f'{path}\n{path.read_text()}' for path in sorted(paths)]
        return hashlib.sha256('\0'.join([*self.home(), *parts]).encode()).hexdigest()


def planned() -> Plan:
    """Return what to make, by $DISTRO and by what is sourced."""
    asked, sourced = os.environ.get('DISTRO', ''), machine.ros_sourced()
    if asked and sourced and asked != sourced:
        raise SystemExit(f'DISTRO={asked}, but ROS 2 {sourced} is sourced: use a shell without it')
    if not sourced and (asked or 'jazzy') not in DISTROS:
        raise SystemExit(f'DISTRO={asked} must be one of {", ".join(DISTROS)}')
    name = f'.venv-{asked}' if asked not in ('', 'jazzy') and not sourced else '.venv'
    plan = Plan(sourced or asked or 'jazzy', bool(sourced), ROOT / name)
    if not sourced and not plan.constraints.exists():
        raise SystemExit(f'ROS 2 {plan.distro} from pip needs Python 3.11 or newer here, not {sys.version.split()[0]}')
    return plan


def run(*command: object) -> None:
    """Run a step; its own words tell what went wrong."""
    if code := subprocess.run([str(word) for word in command], cwd=ROOT).returncode:
        raise SystemExit(f'failed with exit code {code}: {" ".join(map(str, command))[:200]}')


def pip(plan: Plan, *words: object) -> None:
    """Install with the environment's pip; build tools come from the environment too, so that they are pinned."""
    run(plan.python, '-m', 'pip', 'install', '-q', '--no-input', '--disable-pip-version-check', *words)


def install_with_wheels(plan: Plan, extras: Iterable[str]) -> None:
    """Install ROS 2 and the rest in the versions of the constraints, then build the messages that pip lacks."""
    pip(plan, '-c', plan.constraints, 'setuptools', 'wheel')
    ours = f'.[{",".join(extras)}]'
    needs = ('-r', ROOT / 'constraints' / 'ros-requirements.txt', '-e', ours)
    pip(plan, '-c', plan.constraints, '--no-build-isolation', *needs)
    run(plan.python, ROOT / 'bootstrap' / 'interfaces.py', plan.distro)


def install_beside_ros(plan: Plan, extras: Iterable[str]) -> None:
    """Install what the sourced ROS 2 and apt do not provide; numpy stays, as message classes are built for it."""
    pip(plan, 'setuptools<80', 'wheel')
    pip(plan, '--no-build-isolation', '--no-deps', '-e', '.')
    done = subprocess.run(
        [plan.python, ROOT / 'bootstrap' / 'missing.py', json.dumps(IMPORTED_AS), *extras],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    numpy, *wanted = done.stdout.split('\n')
    if wanted := [line for line in wanted if line]:
        print(f'  not provided by apt: {", ".join(wanted)}', flush=True)
        pin = plan.folder / 'numpy.txt'
        pin.write_text(f'{numpy}\n')
        pip(plan, '-c', pin, *wanted)


def make(plan: Plan, extras: Iterable[str], stamp: dict) -> None:
    """Make the environment or bring it up to date."""
    source = f'the ROS 2 {plan.distro} that is sourced' if plan.sourced else f'ROS 2 {plan.distro} from pip'
    machine.check(wheels=not plan.sourced)
    print(f'setting up {plan.folder.name} with {source}, once; takes some minutes', flush=True)
    if stamp.get('home') != plan.home() or not plan.python.exists():
        shutil.rmtree(plan.folder, ignore_errors=True)
        site = ['--system-site-packages'] if plan.sourced else []
        run(sys.executable, '-m', 'venv', *site, plan.folder)
    (plan.folder / STAMP).write_text(json.dumps({'home': plan.home()}))  # if this is cut short, the next run goes on
    install = install_beside_ros if plan.sourced else install_with_wheels
    install(plan, extras)
    run(plan.python, ROOT / 'bootstrap' / 'sizes.py', *extras)


def main() -> None:
    """Make the environment unless it is there."""
    began = time.monotonic()
    for name in ('_ROS_WHEELS_BOOTSTRAP_COMPLETE', 'PYTHONHOME', '__PYVENV_LAUNCHER__'):
        os.environ.pop(name, None)  # the first leaks out of another environment of ROS wheels and breaks this one
    plan = planned()
    if not os.access(ROOT, os.W_OK):
        raise SystemExit(f'{ROOT} is not yours to write: clone into a folder of your own')
    (ROOT / 'build').mkdir(exist_ok=True)
    with (ROOT / 'build' / f'{plan.folder.name}.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = plan.folder / STAMP
        stamp = json.loads(path.read_text()) if path.exists() else {}
        extras = sorted({*stamp.get('extras', ()), *sys.argv[1:]})
        there = (plan.python.parent / 'autonomy').exists()
        if there and stamp.get('key') == plan.key() and stamp['extras'] == extras:
            return
        make(plan, extras, stamp)
        path.write_text(json.dumps({'home': plan.home(), 'key': plan.key(), 'extras': extras}))
    print(f'ready: {plan.folder.name}/bin/autonomy, after {time.monotonic() - began:.0f} s', flush=True)


if __name__ == '__main__':
    main()
