"""A network's folder opened by the engine that was asked for, whatever the network is for.

Who measures or replays takes `opened`: one engine from first to last. Who drives takes `wanted`: there the CPU serves
while the engine of the GPU is built.
"""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.inference.backend import Backend, Standing, choose, installed
from autonomy_nodes.inference.manifest import WEIGHTS, Manifest, folder_of, read_manifest
from autonomy_nodes.inference.settings import EngineSettings, named, parted

TENSORRT, _DEFAULT = 'tensorrt', EngineSettings()


def settled(backend: str, require: str) -> tuple[str, str]:
    """Return what to ask for so that one engine serves from first to last, for runs that must repeat to the digit.

    `auto` is never TensorRT, so that a recording gives the same on every machine; TensorRT that is asked for must be
    there from the start.
    """
    engine, colon, precision = backend.partition(':')
    if engine == 'auto' and require != TENSORRT:
        found = choose('auto', require, has_network=True, ready=lambda name: name != TENSORRT and installed(name))
        return f'{found}{colon}{precision}', require
    return backend, TENSORRT if engine == TENSORRT else require


def opened(
    folder: Path, network: str, backend: str = 'auto', require: str = '', threads: int = 1,
    engines: EngineSettings = _DEFAULT,
) -> Backend:  # fmt: skip
    """Return the engine that runs the network of a folder of models/, the same one from first to last.

    network: the module whose `loaded(preset, weights)` gives it in torch; only that engine imports it. MODULE:NAME
    where the function is called otherwise. backend: ENGINE, or ENGINE:PRECISION in place of that of `engines`.
    """
    manifest = read_manifest(folder)
    backend, require = settled(backend, require)
    backend, precision = parted(backend, engines.precision)
    # whether TensorRT that must run can is told better by it than by its package
    chosen = choose(backend, require, has_network=True, ready=lambda name: require == TENSORRT or installed(name))
    if chosen == 'torch':
        if precision != 'fp32':
            raise SettingsError(f'backend={named(chosen, precision)}: torch runs float32 alone; take onnx or openvino')
        from autonomy_nodes.inference.torch_backend import TorchBackend

        module, _, name = network.partition(':')
        load = getattr(import_module(module), name or 'loaded')
        return TorchBackend(load(manifest.network, folder / WEIGHTS), manifest)
    if chosen == TENSORRT:
        return _required(folder, manifest, replace(engines, precision=precision))
    if chosen == 'openvino':
        from autonomy_nodes.inference.openvino_backend import OpenVinoBackend

        return OpenVinoBackend(folder, manifest, threads, stored=precision)
    from autonomy_nodes.inference.onnx_backend import OnnxBackend

    return OnnxBackend(folder, manifest, threads, precision)


def wanted(
    model: str, network: str, backend: str, require: str, threads: int, engines: EngineSettings = _DEFAULT
) -> tuple[str, Backend | None]:
    """Return the name of the engine that runs `model`, a name or folder as of `folder_of`, and the engine.

    NONE and None where no model is named; ValueError where even so an engine is required. `auto` is TensorRT where it
    is installed and a device answers, and says why where it is installed and none does. What stands in for TensorRT
    runs float32, whatever precision is asked for.
    """
    backend, precision = parted(backend, engines.precision)
    if not model:
        return choose(backend, require, has_network=False), None
    folder, engines = folder_of(model), replace(engines, precision=precision)
    if require == TENSORRT or choose(backend, require, has_network=True) != TENSORRT:
        engine = opened(folder, network, backend, require, threads, engines)
        return engine.name, engine
    from autonomy_nodes.inference.nvidia.session import lacking

    if (why := lacking()) and backend == 'auto':
        engine = opened(folder, network, 'auto', require, threads)
        engine.standing = Standing(engine.name, f'{engine.name} serves, for TensorRT cannot: {why}')  # type: ignore
        return engine.name, engine
    engine = _standing_by(folder, network, threads, engines)
    return engine.name, engine


def _required(folder: Path, manifest: Manifest, engines: EngineSettings) -> Backend:
    from autonomy_nodes.inference.nvidia import session
    from autonomy_nodes.inference.onnx_backend import OnnxBackend

    order = session.Order(folder, manifest, engines)
    try:
        machine = session.found_machine()
    except SettingsError as error:
        told = f'TensorRT is required and cannot run: {error}; where it can, run: {order.command}'
        raise SettingsError(told) from error
    return session.opened(machine, order, OnnxBackend(folder, manifest))


def _standing_by(folder: Path, network: str, threads: int, engines: EngineSettings) -> Backend:
    from autonomy_nodes.inference.nvidia.building import Building
    from autonomy_nodes.inference.parity import Trial
    from autonomy_nodes.inference.standby import StandbyBackend

    cpu = opened(folder, network, 'onnx', '', threads)
    building = Building(folder, cpu.manifest, engines, cpu)
    trial = Trial(folder, cpu.manifest, engines.precision)
    return StandbyBackend(cpu, TENSORRT, trial, building.engine, building.stop)
