"""Whether two engines say the same of the same: on inputs that are always the same, and on real ones.

float32 and FP16 are judged by how far their numbers are apart, the made-up input among others. INT8 is judged by what
its answers decide (`decisions`), on inputs that were kept when the model was rounded: noise lies outside the ranges
that it was calibrated on, and a distance that lets it pass would let much else pass.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.inference.backend import Backend
from autonomy_nodes.inference.decisions import RECORDED, Changed, changed, decisions_of, recorded
from autonomy_nodes.inference.manifest import Manifest

Tensors = Mapping[str, np.ndarray]
TOLERANCES = {'fp32': 1e-3, 'fp16': 1e-2}  # of the relative distance, by precision; INT8 is judged by its decisions
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

    def told(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), 'holds': self.holds}

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


Verdict = Parity | Changed


@dataclass(frozen=True)
class Trial:
    """What an engine is tried on and judged by. folder, manifest: of the model; precision: of the engine's file."""

    folder: Path
    manifest: Manifest
    precision: str = 'fp32'

    def inputs(self) -> list[dict[str, np.ndarray]]:
        """Return the inputs that are always the same; SettingsError where INT8 has none that were kept."""
        if self.precision in TOLERANCES:
            return [golden(self.manifest)]
        if not (kept := recorded(self.folder, self.manifest)):
            told = f'{self.folder}: its manifest tells of no {RECORDED}, on which {self.precision} is tried; '
            again = f'run: autonomy train quantise --model {self.manifest.name} --precision {self.precision}'
            raise SettingsError(told + again)
        return kept

    def verdict(self, pairs: Sequence[tuple[Tensors, Tensors]]) -> Verdict:
        """Return the worst of pairs of an answer and that of the reference."""
        if self.precision in TOLERANCES:
            found = [distance(answer, told, TOLERANCES[self.precision]) for answer, told in pairs]
            return max(found, key=lambda one: (not one.holds, one.distance))
        return worst(changed(decisions_of(self.manifest, self.precision), pairs))


def worst(found: Sequence[Changed]) -> Changed:
    """Return the decision that is nearest to its limit, or farthest beyond."""
    return max(found, key=lambda one: one.share / one.limit)


def parity(
    engine: Backend, reference: Backend, trial: Trial, heard: Sequence[tuple[Tensors, Tensors]] = ()
) -> Verdict:  # fmt: skip
    """Return the worst of an engine against a reference: of the inputs of a trial, and of inputs with their answers.

    What was heard counts beside the trial and apart from it: a fault that shows on real inputs alone is not diluted.
    """
    verdict = trial.verdict([(engine.run(inputs), reference.run(inputs)) for inputs in trial.inputs()])
    if not heard or not verdict.holds:
        return verdict
    other = trial.verdict([(engine.run(inputs), answer) for inputs, answer in heard])
    if isinstance(verdict, Parity) and isinstance(other, Parity):
        return other if not other.holds or other.distance > verdict.distance else verdict
    return other if not other.holds else verdict
