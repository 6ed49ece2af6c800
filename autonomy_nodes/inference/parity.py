"""Whether two engines say the same of the same: on an input that is made up and always the same, and on real ones."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.inference.backend import Backend
from autonomy_nodes.inference.manifest import Manifest

Tensors = Mapping[str, np.ndarray]
TOLERANCES = {'fp32': 1e-3, 'fp16': 1e-2, 'int8': 5e-2}  # of the relative distance, by precision
PEAK = 10.0  # so many times the tolerance may one number be off, against the largest number of its tensor


@dataclass(frozen=True)
class Parity:
    """How far apart two answers are, by their worst output, of which both are shares.

    distance: L2 of the difference against that of the reference. peak: largest difference against the largest number.
    """

    output: str
    distance: float
    peak: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether it is near enough; a distance that is no number is not."""
        return self.distance <= self.tolerance and self.peak <= PEAK * self.tolerance

    def __str__(self) -> str:
        verdict = 'within' if self.holds else 'beyond'
        return f'{self.output} is off by {self.distance:.1e}, at most {self.peak:.1e}: {verdict} {self.tolerance:g}'


def golden(manifest: Manifest) -> dict[str, np.ndarray]:
    """Return the made-up input of a network: noise between 0 and 1, which is an index and a mask to those who ask."""
    made = {}
    for name, tensor in manifest.inputs.items():
        seed = int.from_bytes(hashlib.sha256(f'{manifest.name} {name}'.encode()).digest()[:8], 'big')
        noise = np.random.default_rng(seed).random(tensor.shape, np.float32)
        made[name] = np.clip(noise, max(tensor.low, 0.0), min(tensor.high, 1.0)).astype(np.float32)
    return made


def distance(answer: Tensors, reference: Tensors, tolerance: float) -> Parity:
    """Return how far an answer is from a reference, by the output in which it is farthest."""
    rows = []
    for name, wanted in reference.items():
        off = answer[name].astype(float) - wanted
        share = float(np.linalg.norm(off)) / max(float(np.linalg.norm(wanted)), 1e-6)
        peak = float(np.abs(off).max(initial=0.0)) / max(float(np.abs(wanted).max(initial=0.0)), 1e-6)
        rows.append(Parity(name, share, peak, tolerance))
    return max(rows, key=lambda row: np.inf if np.isnan(row.distance) else max(row.distance, row.peak / PEAK))


def parity(
    engine: Backend, reference: Backend, precision: str, heard: Sequence[tuple[Tensors, Tensors]] = ()
) -> Parity:
    """Return the worst of an engine against a reference: of the golden input, and of inputs with their answers."""
    made = golden(reference.manifest)
    pairs = [(made, reference.run(made)), *heard]
    tolerance = TOLERANCES[precision]
    found = [distance(engine.run(inputs), answer, tolerance) for inputs, answer in pairs]
    return max(found, key=lambda one: (not one.holds, one.distance))
