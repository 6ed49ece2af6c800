"""What the machine must have before an environment can be made, and the apt line for what is missing."""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

OLDEST = (3, 10)


def ros_sourced() -> str:
    """Return the distribution of the ROS 2 that is sourced and works with this Python, else an empty string."""
    distro, prefixes = os.environ.get('ROS_DISTRO', ''), os.environ.get('AMENT_PREFIX_PATH', '')
    if not distro or not prefixes:
        return ''
    tried = subprocess.run([sys.executable, '-c', 'import rclpy'], capture_output=True, text=True)
    if tried.returncode:
        why = tried.stderr.strip().rpartition('\n')[2]
        raise SystemExit(
            f'ROS 2 {distro} is sourced, but {sys.executable} cannot import its rclpy ({why}).\n'
            f'Install it (apt-get install ros-{distro}-rclpy), use the Python it was built for, '
            'or open a shell without it to have ROS 2 from pip.'
        )
    return distro


def remedy(packages: list[str]) -> str:
    """Return how to install Debian packages."""
    sudo = '' if os.geteuid() == 0 else 'sudo '
    update, install = f'{sudo}apt-get update', f'{sudo}apt-get install -y --no-install-recommends {" ".join(packages)}'
    return f'Install with:\n  {update} && {install}\nthen run make again'


def missing_packages(*, compiler: bool) -> list[str]:
    """Return the apt packages that lack here; `compiler`: whether messages are to be built."""
    missing = []
    if importlib.util.find_spec('venv') is None or importlib.util.find_spec('ensurepip') is None:
        missing.append('python3-venv')
    if compiler:
        missing += [] if shutil.which(os.environ.get('CC', 'cc')) else ['gcc']
        missing += [] if shutil.which(os.environ.get('CXX', 'c++')) else ['g++']
        if not (Path(sysconfig.get_path('include')) / 'Python.h').exists():
            missing.append('python3-dev')
    return missing


def check(*, wheels: bool) -> None:
    """Stop with the remedy if something lacks; `wheels`: whether ROS 2 is to come from pip."""
    version = '.'.join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST:
        raise SystemExit(f'Python {version} is too old: 3.10 or newer is needed (python3 of Ubuntu 22.04, Debian 12)')
    if wheels and (sys.platform, platform.machine()) != ('linux', 'x86_64'):
        raise SystemExit(
            f'pip has ROS 2 for Linux on x86_64 only, this is {sys.platform} on {platform.machine()}: install ROS 2 '
            'with apt (docker/Dockerfile.orin does for a Jetson), source its setup.bash, then run make again'
        )
    if lacking := missing_packages(compiler=wheels):
        raise SystemExit(f'this machine lacks {", ".join(lacking)}. {remedy(lacking)}')
