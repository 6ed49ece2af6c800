"""The clerk's process: the tools of CommonRoad in a Python of their own, asked by lines of JSON."""

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from autonomy_nodes.common.types import DataError

VARIABLE = 'AUTONOMY_BENCHMARK'
PLACE = Path('.venv-benchmark/bin/python')
REMEDY = f'make benchmark (or set {VARIABLE} to a Python that has what constraints/benchmark.txt names)'
SCRIPTS = Path(__file__).parent


def python() -> Path | None:
    """Return the Python of the benchmark's environment: the one that is told, else that of this checkout."""
    told = os.environ.get(VARIABLE)
    path = Path(told) if told else SCRIPTS.parents[2] / PLACE
    return path if path.is_file() else None


class Bench:
    """A process that answers; close it, or use it with `with`. script: a file beside this one."""

    def __init__(self, script: str = 'clerk.py') -> None:
        path = python()
        if path is None:
            raise DataError(f'the tools of CommonRoad are not here: {REMEDY}')
        self._process = subprocess.Popen(
            [path, SCRIPTS / script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env={**os.environ, 'PYTHONPATH': '', 'OMP_NUM_THREADS': '1', 'PYTHONHASHSEED': '0'},
        )  # fmt: skip

    def __enter__(self) -> 'Bench':
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def ask(self, do: str, **words: Any) -> dict[str, Any]:
        """Return the answer; raises DataError where the tools could not give one."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps({'do': do, **words}) + '\n')
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ''
        if not line:
            raise DataError(f'the tools of CommonRoad ended (exit code {process.wait()}): {REMEDY}')
        found: dict[str, Any] = json.loads(line)
        if 'error' in found:
            raise DataError(f'{words.get("path", do)}: {found["error"]}')
        return found

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
