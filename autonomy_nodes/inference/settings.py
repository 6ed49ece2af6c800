"""In which precision a network runs, of which file, and how engines are built that are made for one machine."""

from dataclasses import dataclass
from pathlib import Path

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.inference.decisions import CARD
from autonomy_nodes.inference.manifest import ONNX, Manifest

FILES = {'fp32': ONNX, 'fp16': 'network.fp16.onnx', 'int8': 'network.int8.onnx'}  # precision: the file that holds it


@dataclass(frozen=True)
class EngineSettings:
    """Settings of engines; all but `precision` are of those that are built on the vehicle.

    cache: folder of built engines, empty for autonomy_nodes/engines in $XDG_CACHE_HOME or ~/.cache. precision: fp32,
    fp16 or int8, of which the model must hold a file; what stands in for TensorRT runs fp32. workspace_mb: memory a
    build may use beside the network [MiB]. level: how long a build searches, 0 to 5. deadline_s: an answer that takes
    longer counts as a hang.
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


def named(engine: str, precision: str) -> str:
    """Return an engine with what it runs, such as onnx:int8; float32 goes without saying."""
    return engine if precision == 'fp32' else f'{engine}:{precision}'


def parted(backend: str, precision: str) -> tuple[str, str]:
    """Return engine and precision of ENGINE or ENGINE:PRECISION; SettingsError where that is none of FILES."""
    engine, _, told = backend.partition(':')
    if (found := told or precision) not in FILES:
        raise SettingsError(f'backend={backend!r}: precision {told!r} must be one of {", ".join(FILES)}')
    return engine, found


def onnx_of(folder: Path, manifest: Manifest, precision: str) -> Path:
    """Return the file of a model's folder that holds its network in a precision.

    Raises SettingsError where its manifest tells of none, or of one that was made of another network.
    """
    name = FILES[precision]
    if name == ONNX:
        return folder / name
    remedy = f'run: autonomy train quantise --model {manifest.name} --precision {precision}'
    if name not in manifest.files:
        raise SettingsError(f'{folder}: its manifest tells of no {name}, so no precision={precision}; {remedy}')
    of = manifest.card.get(CARD, {}).get(precision, {}).get('of')
    if of != manifest.files.get(ONNX):
        raise SettingsError(f'{folder / name}: was made of another {ONNX} than lies beside it; {remedy}')
    return folder / name
