"""Make .venv-benchmark, the environment of the CommonRoad tools that judge `autonomy evaluate planning`.

usage: python3 bootstrap/benchmark.py      (make benchmark)

It has nothing of the stack and no ROS: the stack speaks with it by lines of JSON (evaluation/commonroad/clerk.py).
Python 3.11 is used where it is on the path, as the tools have wheels for it; $BENCHMARK_PYTHON names another.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / '.venv-benchmark'
CONSTRAINTS = ROOT / 'constraints' / 'benchmark.txt'
STAMP = 'installed.txt'
TOOLS = (
    'commonroad-io',  # reads scenarios, writes solutions
    'commonroad-drivability-checker',  # the judge
    'triangle',  # with which it draws the edge of the road
    'commonroad-route-planner', 'commonroad-reactive-planner', 'frenetix',  # peers
)  # fmt: skip


def python() -> str:
    """Return the Python to use: the one that is asked for, 3.11, else the one at hand."""
    for name in (os.environ.get('BENCHMARK_PYTHON', ''), 'python3.11'):
        path = shutil.which(name) if name else None
        if path and subprocess.run([path, '-c', 'import venv, ensurepip'], capture_output=True).returncode == 0:
            return path
    print(f'no python3.11 here: {sys.executable} is tried; some tools have no wheels for others', flush=True)
    return sys.executable


def run(*words: object) -> None:
    """Run a step; its own words tell what went wrong."""
    if code := subprocess.run([str(word) for word in words], cwd=ROOT).returncode:
        raise SystemExit(f'failed with exit code {code}: {" ".join(map(str, words))[:200]}')


def main() -> None:
    """Make the environment unless it is there as the constraints tell."""
    key = hashlib.sha256(CONSTRAINTS.read_bytes() + Path(__file__).read_bytes()).hexdigest()
    stamp, inside = FOLDER / STAMP, FOLDER / 'bin' / 'python'
    if stamp.exists() and stamp.read_text() == key and inside.exists():
        return
    print(f'setting up {FOLDER.name}, once; takes some minutes', flush=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    run(python(), '-m', 'venv', FOLDER)
    run(inside, '-m', 'pip', 'install', '-q', '--no-input', '--disable-pip-version-check', '-c', CONSTRAINTS, *TOOLS)
    stamp.write_text(key)
    print(f'ready: {FOLDER.name}; autonomy evaluate planning finds it', flush=True)


if __name__ == '__main__':
    main()
