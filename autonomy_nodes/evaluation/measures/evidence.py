"""What makes figures believable: the command that gives them again, and hashes of what went in and of what came out.

A combined hash is that of the lines of `sha256sum`, sorted by path, so that a shell gives it too.
"""

import hashlib
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.evaluation.measures.task import Result, Task
from autonomy_nodes.inference.manifest import digest
from autonomy_nodes.messages.formats.files import read_json
from autonomy_nodes.messages.formats.simulated import MANIFEST, fits

PAGE, RESULT, TIMING = 'page.html', 'result.json', 'timing.'
DATA_VARIABLE, THREADS_VARIABLE = 'AUTONOMY_DATA', 'OMP_NUM_THREADS'


def combined(paths: Iterable[Path], root: Path) -> str:
    """Return one sha256 of files and of their names below `root`."""
    lines = (f'{digest(path)}  {path.relative_to(root).as_posix()}\n' for path in sorted(paths))
    return hashlib.sha256(''.join(lines).encode()).hexdigest()


def files(folder: Path) -> dict[Path, int]:
    """Return {file: when it was written [ns]} of everything below a folder, or of the file itself."""
    found = [folder] if folder.is_file() else [path for path in folder.rglob('*') if path.is_file()]
    return {path: path.stat().st_mtime_ns for path in found}


def answers(out: Path, before: Mapping[Path, int], besides: Iterable[Path] = ()) -> list[Path]:
    """Return the raw answers that a run left: files written since `before`, without page, timing and `besides`."""
    left_out = {path.resolve() for path in besides}
    return sorted(
        path for path, when_ns in files(out).items()
        if before.get(path) != when_ns and path.name not in (PAGE, RESULT) and not path.name.startswith(TIMING)
        and path.resolve() not in left_out
    )  # fmt: skip


def of_each(result: Result, paths: Iterable[Path], out: Path) -> dict[str, str]:
    """Return {answer: hash of what it says}: those that the measure tells apart itself, else one a file."""
    return dict(sorted(result.answers.items())) or {
        path.relative_to(out).as_posix(): content(path) for path in sorted(paths)
    }


def content(path: Path) -> str:
    """Return a short hash of a file; of .npz that of its arrays, since each zlib packs them in its own way."""
    if path.suffix != '.npz':
        return short(path.read_bytes())
    arrays = hashlib.sha256()
    with np.load(path, allow_pickle=False) as stored:
        for name in sorted(stored.files):
            array = np.ascontiguousarray(stored[name])
            arrays.update(f'{name} {array.dtype.str} {array.shape}\n'.encode() + array.tobytes())
    return arrays.hexdigest()[:16]


def short(said: bytes | str) -> str:
    """Return the 16 digits that stand for one answer."""
    return hashlib.sha256(said.encode() if isinstance(said, str) else said).hexdigest()[:16]


def command(words: Sequence[str]) -> str:
    """Return a command line that holds on other machines: data below $AUTONOMY_DATA, `autonomy` by its name."""
    told = []
    root = os.environ.get(DATA_VARIABLE, '')
    for word in words:
        if root and Path(word).is_absolute() and Path(word).is_relative_to(root):
            told.append(f'${DATA_VARIABLE}/{Path(word).relative_to(root).as_posix()}')
        else:
            told.append(shlex.quote(word))
    threads = os.environ.get(THREADS_VARIABLE)
    return ' '.join([*([f'{THREADS_VARIABLE}={threads}'] if threads else []), 'autonomy', *told])


def evidence(task: Task, words: Sequence[str], said: Sequence[Path]) -> dict[str, Any]:
    """Return the command, and hashes of the data folder and of the raw answers, under flat names."""
    data = list(files(task.data))
    root = task.data.parent if task.data.is_file() else task.data
    made = {'data_made_by': read_json(task.data / MANIFEST)['command']} if fits(task.data) else {}
    return made | {
        'command': command(words), 'data_sha256': combined(data, root), 'n_data_files': len(data),
        'answers_sha256': combined(said, task.out), 'n_answer_files': len(said),
    }  # fmt: skip
