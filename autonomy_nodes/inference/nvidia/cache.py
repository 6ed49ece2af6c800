"""Built engines on disk: each with what it was built of and for, and none is taken that is of anything else.

An engine is of one network, one TensorRT, one CUDA and one GPU; another GPU may take it and answer zeros without a
word (pytorch/TensorRT issue 4481), so none of these may differ.
"""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from autonomy_nodes.inference.manifest import digest
from autonomy_nodes.inference.nvidia.builder import Profile

_EXTERNAL = re.compile(rb'[\w./-]+\.(?:data|bin|weight|weights)\b')


@dataclass(frozen=True)
class Identity:
    """What an engine is of and for. onnx: SHA-256 of the file and of what it keeps in others.

    runtime, cuda: full versions. capability: such as 8.7. sms: multiprocessors of the GPU.
    """

    onnx: str
    runtime: str
    cuda: str
    gpu: str
    capability: str
    sms: int
    precision: str
    flags: Sequence[str] = ()
    profile: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found

    def key(self) -> str:
        """Return a SHA-256 over all of it."""
        return hashlib.sha256(json.dumps(self.told(), sort_keys=True).encode()).hexdigest()


def onnx_digest(path: Path) -> str:
    """Return the SHA-256 of an ONNX file and of the files beside it in which it keeps weights."""
    data = path.read_bytes()
    found = hashlib.sha256(data)
    for name in sorted({match.decode() for match in _EXTERNAL.findall(data)}):
        beside = path.parent / name
        if beside.parent == path.parent and beside.is_file():
            found.update(name.encode() + beside.read_bytes())
    return found.hexdigest()


def shapes_of(profile: Profile) -> dict[str, list[list[int]]]:
    """Return a profile as an `Identity` has it."""
    return {name: [list(shape) for shape in shapes] for name, shapes in sorted(profile.items())}


def default_folder() -> Path:
    """Return where engines lie unless told otherwise."""
    base = os.environ.get('XDG_CACHE_HOME') or str(Path.home() / '.cache')
    return Path(base) / 'autonomy_nodes' / 'engines'


class EngineCache:
    """Engines of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, model: str, identity: Identity) -> Path:
        """Return where the engine of a model lies; beside it, .json tells of it and .layers.json of its layers."""
        return self.folder / f'{model}-{identity.precision}-{identity.key()[:16]}.engine'

    def found(self, model: str, identity: Identity) -> tuple[bytes | None, str]:
        """Return the engine, else None and why there is none that fits."""
        path = self.path(model, identity)
        if not path.is_file():
            return None, self._others(model, identity)
        try:
            told = json.loads(path.with_suffix('.json').read_text())
            known, sha256 = told['identity'], told['sha256']
        except (OSError, ValueError, KeyError, TypeError) as error:
            return None, f'{path.name}: what it is of cannot be read ({type(error).__name__})'
        if known != identity.told():
            return None, f'{path.name}: {_differing(known, identity)}'
        if digest(path) != sha256:
            return None, f'{path.name}: is cut short or changed, its SHA-256 is another than told'
        return path.read_bytes(), ''

    def store(self, model: str, identity: Identity, plan: bytes, **more: Any) -> Path:
        """Write an engine and what it is of, each in one step, and return its path."""
        path = self.path(model, identity)
        told = {'identity': identity.told(), 'sha256': hashlib.sha256(plan).hexdigest(), 'model': model, **more}
        _written(path, plan)
        _written(path.with_suffix('.json'), (json.dumps(told, indent=1) + '\n').encode())
        return path

    def drop(self, model: str, identity: Identity) -> None:
        """Remove an engine that cannot be used."""
        path = self.path(model, identity)
        for each in (path, path.with_suffix('.json')):
            each.unlink(missing_ok=True)

    @contextmanager
    def locked(self, model: str, identity: Identity, wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the lock of one engine among all processes; `wait` is called once where another holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.path(model, identity).with_suffix('.lock').open('w') as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                wait()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield  # closing the file gives the lock back, the end of the process too

    def listed(self) -> list[dict[str, Any]]:
        """Return what is told of each engine here, with its path; one whose words cannot be read has only that."""
        rows = []
        for path in sorted(self.folder.glob('*.engine')):
            try:
                told = json.loads(path.with_suffix('.json').read_text())
            except (OSError, ValueError):
                told = {}
            rows.append({**(told if isinstance(told, dict) else {}), 'path': str(path)})
        return rows

    def _others(self, model: str, identity: Identity) -> str:
        for row in self.listed():
            if row.get('model') == model and isinstance(row.get('identity'), dict):
                return f'that in {self.folder} is of another make: {_differing(row["identity"], identity)}'
        return f'there is none in {self.folder}'


def _differing(known: Mapping[str, Any], identity: Identity) -> str:
    if not isinstance(known, Mapping):
        return 'what it is of cannot be read'
    wanted = identity.told()
    parts = [f'{name} is {known.get(name)}, here {value}' for name, value in wanted.items() if known.get(name) != value]
    return '; '.join(parts) or 'it tells of more than this version knows'


def _written(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'{path.name}.{os.getpid()}.part')
    try:
        with part.open('wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
