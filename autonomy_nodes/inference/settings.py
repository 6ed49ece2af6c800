"""How engines are built and run that are made for one machine: those of TensorRT."""

from dataclasses import dataclass
from pathlib import Path

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.inference.manifest import ONNX

FILES = {'fp32': ONNX, 'fp16': 'network.fp16.onnx', 'int8': 'network.int8.onnx'}  # precision: the file that holds it


@dataclass(frozen=True)
class EngineSettings:
    """Settings of engines that are built on the vehicle.

    cache: folder of built engines, empty for autonomy_nodes/engines in $XDG_CACHE_HOME or ~/.cache. precision: fp32,
    fp16 or int8, of which the model must hold a file. workspace_mb: memory a build may use beside the network [MiB].
    level: how long a build searches, 0 to 5. deadline_s: an answer that takes longer counts as a hang.
    """

    cache: str = ''
    precision: str = 'fp32'
    workspace_mb: int = 1024
    level: int = 3
    deadline_s: float = 0.2

    def __post_init__(self) -> None:
        if self.precision not in FILES:
            raise SettingsError(f'precision={self.precision!r} must be one of {", ".join(FILES)}')
        if not 1 <= self.workspace_mb <= 1 << 20:
            raise SettingsError(f'workspace_mb={self.workspace_mb} must lie between 1 and {1 << 20}')
        if not 0 <= self.level <= 5:
            raise SettingsError(f'level={self.level} must lie between 0 and 5')
        if not 0.0 < self.deadline_s <= 60.0:
            raise SettingsError(f'deadline_s={self.deadline_s} must lie above 0 and up to 60')


def onnx_of(folder: Path, precision: str) -> Path:
    """Return the file of a model's folder that holds its network in a precision; SettingsError where none does."""
    path = folder / FILES[precision]
    if not path.is_file():
        raise SettingsError(f'{folder}: has no {path.name}, so no precision={precision}; take fp32 or make the file')
    return path
