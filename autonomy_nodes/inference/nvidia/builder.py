"""From ONNX to a TensorRT engine, by one code path for TensorRT 8.6 to 11 and for TensorRT for RTX.

What a release lacks is found by asking its module for the name, never by its number: flags of precision went with
release 11, networks typed by their file came with 10. The module comes as an argument, and so do all that follow here.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autonomy_nodes.common.settings import SettingsError

Shape = tuple[int, ...]
Profile = Mapping[str, tuple[Shape, Shape, Shape]]  # input: smallest, usual and largest shape
Tell = Callable[[str, int, int], None]  # a phase, how many of its steps are done, and of how many

_NOTES: dict[int, Any] = {}  # of a module: TensorRT keeps the first logger it was given for the whole process
_building = threading.Lock()  # they share that logger


@dataclass(frozen=True)
class BuildOptions:
    """How to build. workspace_mb: memory beside the network [MiB]. level: 0 to 5, how long to search.

    detailed: keep what `layers` in engine.py tells. timing_cache: file of what earlier builds measured, None for none.
    """

    precision: str = 'fp32'
    workspace_mb: int = 1024
    level: int = 3
    detailed: bool = True
    timing_cache: Path | None = None
    profile: Profile = field(default_factory=dict)


@dataclass(frozen=True)
class Flags:
    """Names of the flags that a release takes for a precision: of the network, set and cleared for the build."""

    network: tuple[str, ...]
    on: tuple[str, ...]
    off: tuple[str, ...]

    def told(self) -> list[str]:
        """Return them as a cache tells them apart."""
        return [*self.network, *self.on, *(f'no {name}' for name in self.off)]


def flags_of(trt: Any, precision: str) -> Flags:
    """Return the flags by which a release builds a precision.

    Where networks are typed by their file, its types are the precision. Else the flag of it is set. float32 means
    float32: TF32, with 10 bits of mantissa, is left out.
    """
    kinds, build = trt.NetworkDefinitionCreationFlag, trt.BuilderFlag
    network = tuple(name for name in ('EXPLICIT_BATCH', 'STRONGLY_TYPED') if hasattr(kinds, name))
    typed = 'STRONGLY_TYPED' in network
    wanted = {'fp32': (), 'fp16': ('FP16',), 'int8': ('INT8',)}[precision]
    lacking = [] if typed else [name for name in wanted if not hasattr(build, name)]
    if lacking:
        raise SettingsError(f'this TensorRT ({trt.__version__}) has no {", ".join(lacking)}: take another precision')
    off = ('TF32',) if precision == 'fp32' and hasattr(build, 'TF32') else ()
    return Flags(network, () if typed else wanted, off)


def notes(trt: Any) -> Any:
    """Return the one logger of a module; its `errors` are what went wrong since they were last cleared."""
    if id(trt) not in _NOTES:

        class Notes(trt.ILogger):  # type: ignore[name-defined, misc]
            def __init__(self) -> None:
                trt.ILogger.__init__(self)
                self.errors: list[str] = []

            def log(self, severity: Any, message: str) -> None:
                if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                    self.errors.append(message)

        _NOTES[id(trt)] = Notes()
    return _NOTES[id(trt)]


def build_engine(trt: Any, onnx: Path, options: BuildOptions, tell: Tell | None = None) -> bytes:
    """Return the engine of an ONNX file as bytes. trt: the module `tensorrt` or `tensorrt_rtx`.

    Raises SettingsError with all that the parser or the builder complain of.
    """
    with _building:
        log = notes(trt)
        log.errors.clear()
        builder = _got(trt.Builder(log), 'a builder', log)
        chosen = flags_of(trt, options.precision)
        kinds = trt.NetworkDefinitionCreationFlag
        network = builder.create_network(sum(1 << int(getattr(kinds, name)) for name in chosen.network))
        parser = trt.OnnxParser(network, log)  # it owns the weights: it must live as long as the network
        if not parser.parse(onnx.read_bytes(), str(onnx)):
            told = '; '.join(str(parser.get_error(index)) for index in range(parser.num_errors))
            raise SettingsError(f'{onnx}: TensorRT {trt.__version__} cannot read it: {told}; export it anew')
        config = _config(trt, builder, chosen, options)
        _add_profile(builder, network, config, options.profile)
        monitor = _monitored(trt, config, tell)
        cache = _timed(config, options.timing_cache)
        plan = builder.build_serialized_network(network, config)
        del monitor
        if plan is None:
            raise SettingsError(
                f'{onnx}: TensorRT {trt.__version__} cannot build it within workspace_mb={options.workspace_mb}: '
                f'{"; ".join(log.errors) or "it does not say why"}'
            )
        if cache is not None and options.timing_cache is not None:
            options.timing_cache.write_bytes(bytes(memoryview(cache.serialize())))
        return bytes(memoryview(plan))


def _got(made: Any, what: str, log: Any) -> Any:
    if made is None:
        raise SettingsError(f'TensorRT gives no {what}: {"; ".join(log.errors) or "it does not say why"}')
    return made


def _config(trt: Any, builder: Any, chosen: Flags, options: BuildOptions) -> Any:
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mb << 20)
    if hasattr(config, 'builder_optimization_level'):
        config.builder_optimization_level = options.level
    for name in chosen.on:
        config.set_flag(getattr(trt.BuilderFlag, name))
    for name in chosen.off:
        config.clear_flag(getattr(trt.BuilderFlag, name))
    if options.detailed:
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    return config


def _add_profile(builder: Any, network: Any, config: Any, told: Profile) -> None:
    if not told:
        return
    names = {network.get_input(index).name for index in range(network.num_inputs)}
    if set(told) - names:
        raise SettingsError(f'profile tells of {sorted(set(told) - names)}, the network takes {sorted(names)}')
    profile = builder.create_optimization_profile()
    for name, (low, usual, high) in told.items():
        if not len(low) == len(usual) == len(high) or any(not a <= b <= c for a, b, c in zip(low, usual, high)):
            raise SettingsError(f'profile of {name!r}: {low}, {usual}, {high} must not fall in any place')
        profile.set_shape(name, low, usual, high)
    if config.add_optimization_profile(profile) < 0:
        raise SettingsError(f'profile {dict(told)} is none that TensorRT takes')


def _monitored(trt: Any, config: Any, tell: Tell | None) -> Any:
    """Attach what tells of progress, and return it: it must live until the build is over."""
    if tell is None or not hasattr(trt, 'IProgressMonitor') or not hasattr(config, 'progress_monitor'):
        return None
    hear = tell

    class Monitor(trt.IProgressMonitor):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            hear(phase_name, step + 1, self.steps.get(phase_name, step + 1))
            return True  # False would end the build

        def phase_finish(self, phase_name: str) -> None:
            self.steps.pop(phase_name, None)

    config.progress_monitor = Monitor()
    return config.progress_monitor


def _timed(config: Any, path: Path | None) -> Any:
    """Return the timing cache that the build reads and fills; one of another device is left aside."""
    if path is None:
        return None
    for known in ([path.read_bytes()] if path.is_file() else []) + [b'']:
        cache = config.create_timing_cache(known)
        if cache is not None and config.set_timing_cache(cache, ignore_mismatch=False):
            return cache
    return None
