"""A model adapted to sweeps that nobody labelled, on one page: statistics first, then, where asked, its own words."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from autonomy_nodes.inference.decisions import CARD
from autonomy_nodes.inference.manifest import ONNX, WEIGHTS, Manifest, digest, read_manifest, write_manifest
from autonomy_nodes.perception.bev import FAR_INPUTS
from autonomy_nodes.perception.confidence import confidences_of
from autonomy_nodes.perception.network import Network, forget_maps, learned_weights, loaded
from autonomy_nodes.training.adapt.self_training import self_taught
from autonomy_nodes.training.adapt.settings import AdaptSettings
from autonomy_nodes.training.adapt.statistics import aligned
from autonomy_nodes.training.adapt.unlabelled import hash_of, unlabelled_of
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.samples import HELD_OUT, Source

METHODS = ('statistics', 'self')
VIEWS, SEEDS_APART = 2, 1000  # examples of a simulated place; places between two seeds
_NOT_TOLD = 'not told'
_NON_COMMERCIAL = ('nc', 'non-commercial', 'noncommercial', 'research')


def adapt(
    model: Path, paths: Sequence[Path], folder: Path, method: str, settings: AdaptSettings, seed: int, minutes: float,
    notes: Mapping[str, str], source: Source,
) -> Manifest:  # fmt: skip
    """Write a model folder adapted to sweeps of data sets and recordings; see `adapted`.

    notes: command and commit, and the licence of the data, '' where nobody told it.
    """
    sweeps = unlabelled_of(paths, settings.most)
    network, told = adapted(model, sweeps, method, settings, seed, source, minutes)
    data = [{'name': path.name, 'sha256': hash_of(path)} for path in paths]
    licence = notes.get('licence', '')
    told |= {**notes, 'licence': licence or _NOT_TOLD, 'data': data, 'shipping': shipping_of(licence)}
    return write_adapted(folder, network, model, told)


def adapted(
    model: Path, sweeps: Sequence[Example], method: str, settings: AdaptSettings, seed: int, source: Source,
    minutes: float = 0.0,
) -> tuple[Network, dict[str, Any]]:  # fmt: skip
    """Return the network of a folder of models/ fitted to unlabelled sweeps, and how that was done.

    source: of simulated places. minutes: after which self-training is cut, 0: never.
    """
    manifest = read_manifest(model)
    network = loaded(manifest.network, model / WEIGHTS)
    forget_maps(network)
    torch.manual_seed(seed)
    told: dict[str, Any] = {'method': method, 'seed': seed, 'sweeps': len(sweeps), 'settings': asdict(settings)}
    if method == 'statistics':
        return aligned(network, sweeps, settings, seed), told
    places = -(-settings.simulated // VIEWS)
    first = seed * SEEDS_APART % (HELD_OUT - places)
    simulated = [one for place in range(first, first + places) for one in islice(source(place), VIEWS)]
    taught, steps = self_taught(
        network, confidences_of(manifest.card), sweeps, simulated[: settings.simulated], settings, seed, minutes
    )
    return taught, told | {'steps': steps, 'simulated': f'{settings.simulated} examples of places {first} on'}


def shipping_of(licence: str) -> str:
    """Return whether weights that saw data of a licence may go on a vehicle that is sold."""
    words = licence.lower().replace('-', ' ').replace('non commercial', 'non-commercial').split()
    if not licence:
        return f'not for shipping: the licence of the data is {_NOT_TOLD}'
    if any(word in _NON_COMMERCIAL for word in words):
        return 'not for shipping: the licence of the data is non-commercial'
    return f'as the licence of the data allows: {licence}'


def write_adapted(folder: Path, network: Network, model: Path, told: Mapping[str, Any], onnx: bool = True) -> Manifest:
    """Write a model folder; its card tells what it was adapted on, and of whose network. onnx: for every engine.

    The figures on the first one's card are not those of this one, and are told as those of before.
    """
    from autonomy_nodes.training.export import write_onnx

    first = read_manifest(model)
    folder.mkdir(parents=True, exist_ok=True)
    network = network.to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
    weights = learned_weights(network, far=True)
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / WEIGHTS)
    if onnx:
        write_onnx(network, folder / ONNX, set(FAR_INPUTS) <= set(first.inputs))
    names = (ONNX, WEIGHTS) if onnx else (WEIGHTS,)
    card = {name: value for name, value in first.card.items() if name not in ('quality', CARD, 'maps')}
    card['adaptation'] = {
        **told, 'of': first.name, 'of_files': dict(first.files), 'quality_before': first.card.get('quality', {}),
        'confidences': 'those of before; they were not measured anew',
    }  # fmt: skip
    files = {name: digest(folder / name) for name in names}
    manifest = Manifest(folder.name, first.network, first.inputs, first.outputs, files, card)
    write_manifest(folder, manifest)
    return manifest
