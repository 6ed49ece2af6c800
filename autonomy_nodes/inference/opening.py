"""A network's folder opened by the engine that was asked for, whatever the network is for."""

from importlib import import_module
from pathlib import Path

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.inference.backend import Backend, choose
from autonomy_nodes.inference.manifest import WEIGHTS, folder_of, read_manifest


def opened(folder: Path, network: str, backend: str = 'auto', require: str = '', threads: int = 1) -> Backend:
    """Return the engine that runs the network of a folder of models/.

    network: the module whose `loaded(preset, weights)` gives it in torch; only that engine imports it. MODULE:NAME
    where the function is called otherwise.
    """
    manifest = read_manifest(folder)
    chosen = choose(backend, require, has_network=True)
    if chosen == 'torch':
        from autonomy_nodes.inference.torch_backend import TorchBackend

        module, _, name = network.partition(':')
        load = getattr(import_module(module), name or 'loaded')
        return TorchBackend(load(manifest.network, folder / WEIGHTS), manifest)
    if chosen != 'onnx':
        raise SettingsError(f'backend={chosen!r} does not run networks yet; onnx and torch do')
    from autonomy_nodes.inference.onnx_backend import OnnxBackend

    return OnnxBackend(folder, manifest, threads)


def wanted(model: str, network: str, backend: str, require: str, threads: int) -> tuple[str, Backend | None]:
    """Return the name of the engine that runs `model`, a name or folder as of `folder_of`, and the engine.

    NONE and None where no model is named; ValueError where even so an engine is required.
    """
    if not model:
        return choose(backend, require, has_network=False), None
    engine = opened(folder_of(model), network, backend, require, threads)
    return engine.name, engine
