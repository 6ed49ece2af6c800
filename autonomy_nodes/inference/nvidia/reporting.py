"""What is told of a built engine: whether it agrees with the CPU, how long it takes, what its layers compute in."""

import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.inference.backend import Backend
from autonomy_nodes.inference.nvidia.cache import EngineCache
from autonomy_nodes.inference.nvidia.engine import Engine
from autonomy_nodes.inference.nvidia.session import Machine, Order, started
from autonomy_nodes.inference.onnx_backend import OnnxBackend
from autonomy_nodes.inference.parity import Verdict, golden, parity

WARM_UP = 20


@dataclass(frozen=True)
class Report:
    """path: of the engine. p50_ms, p99_ms: of one answer, copies in and out counted. layers: file of them, or None."""

    path: Path
    parity: Verdict
    p50_ms: float
    p99_ms: float
    runs: int
    layers: Path | None
    precisions: Counter[str]

    def lines(self) -> list[str]:
        """Return what a person reads."""
        told = [
            f'engine   {self.path}',
            f'parity   against ONNX Runtime: {self.parity}',
            f'timing   p50 {self.p50_ms:.2f} ms, p99 {self.p99_ms:.2f} ms of {self.runs} answers, batch 1',
        ]
        if self.layers is None:
            return [*told, 'layers   this TensorRT does not tell of them']
        kinds = ', '.join(f'{count} {kind}' for kind, count in self.precisions.most_common())
        return [*told, f'layers   {kinds or "none told"}: {self.layers}']


def judged(machine: Machine, order: Order, path: Path, runs: int) -> Report:
    """Return the report of a built engine; what it tells of layers and figures is left beside the engine as well."""
    cpu = OnnxBackend(order.folder, order.manifest)
    backend = started(machine, order, path.read_bytes())
    try:
        found = parity(backend, cpu, order.trial)
        spent_ms = _timed(backend, runs)
    finally:
        backend.close()
    with machine.device.current():
        layers = Engine(machine.trt, path.read_bytes(), order.manifest).layers()
    file = path.with_suffix('.layers.json') if layers else None
    p50, p99 = (float(np.percentile(spent_ms, share)) for share in (50, 99))
    report = Report(path, found, p50, p99, runs, file, Counter(map(_precision, layers)))
    if file is not None:
        file.write_text(json.dumps(layers, indent=1) + '\n')
    figures = {'parity': found.told(), 'p50_ms': p50, 'p99_ms': p99, 'runs': runs}
    path.with_suffix('.report.json').write_text(json.dumps(figures, indent=1) + '\n')
    return report


def lines(cache: EngineCache) -> list[str]:
    """Return a line an engine of a folder."""
    rows = [_line(row) for row in cache.listed()]
    return rows or [f'{cache.folder} holds no engines; autonomy engine build MODEL makes one']


def _line(row: dict[str, Any]) -> str:
    of = row.get('identity')
    if not isinstance(of, dict):
        return f'{row["path"]}: what it is of cannot be read; it will be built anew'
    where = f'{of.get("gpu")} ({of.get("capability")}, {of.get("sms")} SM)'
    told = f'TensorRT {of.get("runtime")}, CUDA {of.get("cuda")}, {where}'
    return f'{row.get("model")} {of.get("precision")}: {told}, built in {row.get("spent_s")} s: {row["path"]}'


def _timed(backend: Backend, runs: int) -> list[float]:
    inputs, spent_ms = golden(backend.manifest), []
    for turn in range(WARM_UP + runs):
        start_s = time.perf_counter()
        backend.run(inputs)
        if turn >= WARM_UP:
            spent_ms.append((time.perf_counter() - start_s) * 1e3)
    return spent_ms


def _precision(layer: Any) -> str:
    """Return the type that a layer gives: of the first of its outputs, as the inspector words it."""
    if not isinstance(layer, dict):
        return 'unknown'
    if layer.get('Precision'):
        return str(layer['Precision'])
    outputs = layer.get('Outputs') or [{}]
    return str(outputs[0].get('Format/Datatype') or outputs[0].get('Datatype') or 'unknown').rpartition(' ')[2]
