"""TensorRT for a model's folder: whether it can run here, engines found or built, and opened with their self test."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.backend import Backend
from autonomy_nodes.inference.manifest import Manifest
from autonomy_nodes.inference.nvidia import device as cuda
from autonomy_nodes.inference.nvidia.builder import BuildOptions, Tell, build_engine, flags_of
from autonomy_nodes.inference.nvidia.cache import EngineCache, Identity, default_folder, onnx_digest
from autonomy_nodes.inference.nvidia.device import Device
from autonomy_nodes.inference.nvidia.engine import Engine, library, version_of
from autonomy_nodes.inference.nvidia.tensorrt_backend import TensorrtBackend
from autonomy_nodes.inference.parity import Trial, parity
from autonomy_nodes.inference.settings import EngineSettings, onnx_of


@dataclass(frozen=True)
class Machine:
    """What engines are built for and run on: a module of TensorRT, and a device."""

    trt: Any
    device: Device


@dataclass(frozen=True)
class Order:
    """A network to run and how. folder: of the model."""

    folder: Path
    manifest: Manifest
    settings: EngineSettings

    @property
    def onnx(self) -> Path:
        """The file of its precision."""
        return onnx_of(self.folder, self.manifest, self.settings.precision)

    @property
    def trial(self) -> Trial:
        """By what its engines are judged."""
        return Trial(self.folder, self.manifest, self.settings.precision)

    @property
    def cache(self) -> EngineCache:
        """Where its engines lie."""
        return cache_of(self.settings)

    @property
    def command(self) -> str:
        """The command that builds its engine."""
        more = '' if self.settings.precision == 'fp32' else f' --precision {self.settings.precision}'
        more += f' --cache {self.settings.cache}' if self.settings.cache else ''
        return f'autonomy engine build {self.manifest.name}{more}'


def cache_of(settings: EngineSettings) -> EngineCache:
    """Return the engines that settings tell of."""
    return EngineCache(Path(settings.cache).expanduser() if settings.cache else default_folder())


def found_machine() -> Machine:
    """Return what runs engines here; SettingsError where TensorRT, pycuda or a device is missing."""
    return Machine(library(), cuda.opened())


def lacking() -> str:
    """Return why TensorRT cannot run here, empty where it can."""
    try:
        found_machine()
    except SettingsError as error:
        return str(error)
    return ''


def identity_of(machine: Machine, order: Order) -> Identity:
    """Return what an engine of this order must be of and for.

    How much memory the build may use is left out: it changes what is found, not whether it fits.
    """
    flags = [*flags_of(machine.trt, order.settings.precision).told(), f'level {order.settings.level}']
    device = machine.device
    return Identity(
        onnx_digest(order.onnx), version_of(machine.trt), device.cuda, device.name, device.capability, device.sms,
        order.settings.precision, flags,
    )  # fmt: skip


def opened(machine: Machine, order: Order, reference: Backend) -> TensorrtBackend:
    """Return the engine of an order from the cache, after its self test against the engine of the CPU.

    Raises SettingsError with the command that builds it where there is none that fits.
    """
    plan, why = order.cache.found(order.manifest.name, identity_of(machine, order))
    if plan is None:
        raise SettingsError(f'no valid TensorRT engine of {order.manifest.name!r}: {why}; run: {order.command}')
    backend = started(machine, order, plan)
    try:
        found = parity(backend, reference, order.trial)
        told = '' if found.holds else str(found)
    except (DataError, SettingsError) as error:
        told = str(error)
    if told:
        backend.close()
        raise SettingsError(f'the TensorRT engine of {order.manifest.name!r} fails its self test: {told}')
    return backend


def built(machine: Machine, order: Order, tell: Tell | None = None, wait: Callable[[], None] = lambda: None) -> Path:
    """Return the path of an engine that fits and loads, built where there is none; one process builds, others wait."""
    cache, name, identity = order.cache, order.manifest.name, identity_of(machine, order)
    try:
        with cache.locked(name, identity, wait):
            plan, _ = cache.found(name, identity)
            if plan is not None and _loads(machine, order, plan):
                return cache.path(name, identity)
            cache.drop(name, identity)
            return _build(machine, order, identity, tell)
    except OSError as error:
        raise SettingsError(f'{cache.folder}: engines cannot be kept there ({error.strerror}); give --cache') from error


def started(machine: Machine, order: Order, plan: bytes) -> TensorrtBackend:
    """Return an engine of its bytes, not yet tested; SettingsError where it cannot be had."""
    try:
        with machine.device.current():
            engine = Engine(machine.trt, plan, order.manifest)
    except SettingsError as error:
        raise SettingsError(f'{error}; run: {order.command}') from error
    return TensorrtBackend(engine, machine.device, order.manifest, order.settings.deadline_s)


def _build(machine: Machine, order: Order, identity: Identity, tell: Tell | None) -> Path:
    settings, cache = order.settings, order.cache
    timing = cache.folder / f'timing-{machine.device.capability}-{machine.trt.__version__}.cache'
    options = BuildOptions(settings.precision, settings.workspace_mb, settings.level, timing_cache=timing)
    start_s = time.perf_counter()
    with machine.device.current():
        plan = build_engine(machine.trt, order.onnx, options, tell)
        Engine(machine.trt, plan, order.manifest)  # what cannot be loaded is not kept
    return cache.store(order.manifest.name, identity, plan, spent_s=round(time.perf_counter() - start_s, 1))


def _loads(machine: Machine, order: Order, plan: bytes) -> bool:
    try:
        with machine.device.current():
            Engine(machine.trt, plan, order.manifest)
    except SettingsError:
        return False
    return True
