"""What a network's folder holds and promises: manifest.json beside its files, which is its card as well.

A file that is not the one the manifest tells of is refused: the figures on the card would be of another network.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autonomy_nodes.common.paths import share
from autonomy_nodes.common.settings import SettingsError

MANIFEST, ONNX, WEIGHTS = 'manifest.json', 'network.onnx', 'weights.safetensors'


@dataclass(frozen=True)
class Tensor:
    """Shape of a tensor, float32, and the smallest and largest value that make sense in it."""

    shape: tuple[int, ...]
    low: float
    high: float


@dataclass(frozen=True)
class Manifest:
    """A network: its tensors, its files with their SHA-256, and its card (data, command, measured quality, limits)."""

    name: str
    network: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    files: Mapping[str, str]
    card: Mapping[str, Any] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """Return it as it is written."""
        tensors = {
            side: {
                name: {'shape': list(one.shape), 'type': 'float32', 'low': one.low, 'high': one.high}
                for name, one in getattr(self, side).items()
            }
            for side in ('inputs', 'outputs')
        }
        return {'name': self.name, 'network': self.network, **tensors, 'files': dict(self.files), **self.card}


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it into its folder."""
    (folder / MANIFEST).write_text(json.dumps(manifest.told(), indent=1) + '\n')


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a folder; SettingsError where it cannot be used or a file is another than it tells of."""
    path = folder / MANIFEST
    try:
        told = json.loads(path.read_text())
    except OSError as error:
        raise SettingsError(f'{path}: cannot be read ({error.strerror}); give a folder of models/') from error
    except ValueError as error:
        raise SettingsError(f'{path}: is not JSON: {error}') from error
    try:
        inputs, outputs = (
            {name: Tensor(tuple(one['shape']), float(one['low']), float(one['high'])) for name, one in side.items()}
            for side in (told.pop('inputs'), told.pop('outputs'))
        )
        manifest = Manifest(told.pop('name'), told.pop('network'), inputs, outputs, told.pop('files'), told)
        pairs = list(manifest.files.items())
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise SettingsError(f'{path}: lacks or misspells {error}') from error
    for name, wanted in pairs:
        if Path(name).name != name or not (folder / name).is_file():
            raise SettingsError(f'{path}: its file {name!r} is not there')
        if (found := digest(folder / name)) != wanted:
            raise SettingsError(f'{folder / name}: is not the file of its manifest: SHA-256 {found}, told {wanted}')
    return manifest


def folder_of(model: str) -> Path:
    """Return the folder of a model: a name in models/, a folder, or a file in one; raises SettingsError."""
    models = share('models')
    for folder in (Path(model), models / model):
        if (folder / MANIFEST).is_file():
            return folder
    if (Path(model).parent / MANIFEST).is_file() and Path(model).is_file():
        return Path(model).parent
    raise SettingsError(f'model {model!r} is neither a name in {models} nor a folder with {MANIFEST}')


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
