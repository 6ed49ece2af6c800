"""A model with its trunk in INT8 or FP16: one more ONNX file in its folder, that every engine reads.

INT8 lies in the file as QuantizeLinear and DequantizeLinear, symmetric, of weights a channel each, with biases in
float32: TensorRT refuses others, and since its version 11 knows no precision but that of the file (`rounding`). Which
layers stay float32: see `layers`. The answers of the new file are held against the old one's on feeds that were not
calibrated on, and the card tells how far apart they are and what they decide otherwise. Of INT8 a few of these feeds
are kept in the folder: on them a vehicle judges the engine that it built (`inference.parity`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx

from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.decisions import CARD, RECORDED, Decision, changed, write_recorded, written
from autonomy_nodes.inference.manifest import ONNX, Manifest, digest, read_manifest, write_manifest
from autonomy_nodes.inference.onnx_backend import OnnxBackend
from autonomy_nodes.inference.settings import FILES
from autonomy_nodes.perception.decisions import decisions, lane_decisions
from autonomy_nodes.perception.lanes.channel import NETWORK as LANES
from autonomy_nodes.perception.learned import NETWORK as PERCEPTION
from autonomy_nodes.prediction.decisions import DECISIONS
from autonomy_nodes.training.drift import Drift, drift_of
from autonomy_nodes.training.feeds import A_PLACE, Feed, hash_of, network_of, seeded, stored
from autonomy_nodes.training.layers import Layers, layers_of
from autonomy_nodes.training.operations import gate
from autonomy_nodes.training.rounding import costs, entering, rounded, thresholds
from autonomy_nodes.training.samples import HELD_OUT

PRECISIONS = ('int8', 'fp16')
JUDGED_FROM = HELD_OUT + 5000  # seeds of the feeds by which drift is measured: never learned from nor calibrated on
TRIED_ON = 4  # feeds on which each product is rounded alone
RECORDED_FEEDS = 3  # that are kept, each of another place


@dataclass(frozen=True)
class QuantiseSettings:
    """How a model is rounded. count: feeds to calibrate on; judged: feeds to measure drift by; seed: of the first.

    dear: a product that, rounded to INT8 alone, moves an output by more than this (relative L2) stays float32.
    """

    precision: str = 'int8'
    count: int = 64
    judged: int = 8
    seed: int = 0
    dear: float = 0.05

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f'precision={self.precision!r} must be one of {", ".join(PRECISIONS)}')
        if self.count < 1 or self.judged < 1:
            raise ValueError(f'count={self.count} and judged={self.judged} must be 1 or more')
        if not self.dear > 0.0:
            raise ValueError(f'dear={self.dear} must be above 0')
        if not 0 <= self.seed < HELD_OUT:
            raise ValueError(f'seed={self.seed} must lie between 0 and {HELD_OUT}: the seeds above are held out')


def quantise(
    folder: Path, settings: QuantiseSettings, data: Path | None, notes: Mapping[str, Any], judged: Sequence[Feed] = ()
) -> Manifest:
    """Write a model's network in another precision beside it, and what that costs on its card; return its manifest.

    The same feeds give the same bytes. data: shards or scenes of the data engine to calibrate on; None: made of seeds.
    notes: command and commit. judged: feeds to measure the cost by, made of seeds where there are none; of INT8 the
    first ones are kept beside the model. Raises DataError where there is nothing to calibrate on.
    """
    model = read_manifest(folder)
    made = stored(model, data, settings.count) if data else seeded(model, settings.seed, settings.count)
    feeds = list(made)
    if not feeds:
        raise DataError(f'{data}: holds nothing to calibrate on')
    name, judged_by = FILES[settings.precision], decisions_for(model)
    judges = judged or list(seeded(model, JUDGED_FROM, settings.judged))
    part = folder / f'{name}.part'  # what is cut short leaves the model as it was
    kept = write_rounded(folder / ONNX, part, feeds, settings)
    gate(part)
    part.replace(folder / name)
    told: dict[str, Any] = {'of': model.files[ONNX], **notes, 'kept_float32': kept}
    files = {**model.files, name: digest(folder / name)}
    if settings.precision == 'int8':
        write_recorded(folder, judges[::A_PLACE][:RECORDED_FEEDS])
        files[RECORDED] = digest(folder / RECORDED)
        source = data.name if data else f'made of seeds from {settings.seed}'
        told['calibration'] = {'data': source, 'feeds': len(feeds), 'sha256': hash_of(feeds)}
    told['decisions'] = written(judged_by)
    card = {**model.card, CARD: {**model.card.get(CARD, {}), settings.precision: told}}
    found = replace(model, files=files, card=card)
    told['cost'] = cost_told(
        OnnxBackend(folder, found), OnnxBackend(folder, found, 1, settings.precision), judges, judged_by
    )
    write_manifest(folder, found)
    return found


def copied(model: Path, folder: Path) -> Path:
    """Return a folder that holds what the manifest of a model tells of, under a name of its own."""
    manifest = read_manifest(model)
    folder.mkdir(parents=True, exist_ok=True)
    if folder.resolve() != model.resolve():
        for name in manifest.files:
            (folder / name).write_bytes((model / name).read_bytes())
        write_manifest(folder, replace(manifest, name=folder.name))
    return folder


def decisions_for(model: Manifest) -> tuple[Decision, ...]:
    """Return what decides of a model that is rounded, by what it takes."""
    network = network_of(model)
    if network == LANES:
        return lane_decisions()
    return decisions(model.card, model.outputs) if network == PERCEPTION else DECISIONS


def write_rounded(source: Path, target: Path, feeds: Sequence[Feed], settings: QuantiseSettings) -> list[str]:
    """Write an ONNX file in another precision and return the names of the products that stay float32 in it."""
    model = onnx.load(source)
    silent = [name for name in feeds[0] if not any(feed[name].any() for feed in feeds)]
    layers = layers_of(model, silent)
    dear: list[str] = []
    if settings.precision == 'int8':
        kept = thresholds(model, entering(model, layers.rounded), feeds)
        price = costs(model, layers.rounded, kept, feeds[:TRIED_ON])
        dear = [name for name in layers.rounded if price[name] > settings.dear]
        found = rounded(model, [name for name in layers.rounded if name not in dear], kept)
    else:
        found = _halved(model, layers)
    onnx.checker.check_model(found, full_check=True)
    onnx.save(found, target)
    return [*layers.kept, *dear]


def cost_told(
    one: OnnxBackend, other: OnnxBackend, feeds: Sequence[Feed], decisions: Sequence[Decision]
) -> dict[str, Any]:
    """Return how far the answers of an engine are from those of a first one, as a card tells it.

    drift: output by output, see `drift`. decided_otherwise: the share of each decision, over all feeds.
    """
    drifts: dict[str, Drift] = {}
    pairs = [(other.run(feed), one.run(feed)) for feed in feeds]
    for answer, reference in pairs:
        drifts = drift_of(reference, answer, drifts)
    drift = {
        name: {'relative_l2': round(drift.relative_l2, 6), 'largest': round(drift.largest, 5)}
        for name, drift in drifts.items()
    }
    shares = {found.output: round(found.share, 5) for found in changed(decisions, pairs)}
    return {'feeds': len(feeds), 'drift': drift, 'decided_otherwise': shares}


def _halved(model: onnx.ModelProto, layers: Layers) -> onnx.ModelProto:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    blocked = list(dict.fromkeys([*layers.entering, *layers.leaving, *layers.kept]))
    found: onnx.ModelProto = convert_float_to_float16(model, keep_io_types=True, node_block_list=blocked)
    _straighten(found.graph)
    _sort(found.graph)  # it adds casts at the end
    del found.graph.value_info[:]  # and tells some types wrongly
    return found


def _straighten(graph: onnx.GraphProto) -> None:
    """Let what is halved and made whole again, in place, be what it was: inputs that a float32 layer reads."""
    halves, whole = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    casts = {node.output[0]: (node.input[0], node.attribute[0].i) for node in graph.node if node.op_type == 'Cast'}
    given = {one.name for one in graph.input}
    was = {}
    for output, (source, to) in casts.items():
        before, to_before = casts.get(source, ('', 0))
        if to == whole and to_before == halves and before in given:
            was[output] = before
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = was.get(name, name)
    told = {one.name for one in graph.output}
    while True:
        read = told | {name for node in graph.node for name in node.input}
        kept = [node for node in graph.node if read & {*node.output}]
        if len(kept) == len(graph.node):
            return
        kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
        del graph.node[:]
        graph.node.extend(kept)


def _sort(graph: onnx.GraphProto) -> None:
    """Put the nodes, in place, behind those whose answers they read; else they keep their order."""
    makers = {name: node for node in graph.node for name in node.output}
    placed: dict[str, onnx.NodeProto] = {}
    for node in list(graph.node):
        waiting = [node]
        while waiting:
            before = [makers[name] for name in waiting[-1].input if name in makers]
            missing = [one for one in before if one.output[0] not in placed]
            if missing:
                waiting.append(missing[0])
            else:
                placed.setdefault(waiting[-1].output[0], waiting[-1])
                waiting.pop()
    ordered = [onnx.NodeProto.FromString(node.SerializeToString()) for node in placed.values()]
    del graph.node[:]
    graph.node.extend(ordered)
