"""What of the network learns, from what, and by what it is judged: all but the far ring, or that alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autonomy_nodes.perception.network import CHART_PART, FAR_PART, Network, forget_maps
from autonomy_nodes.training.augmentation import AugmentationSettings, augmented
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.far import far_inputs_of, far_losses, far_quality, far_sample_of
from autonomy_nodes.training.losses import losses
from autonomy_nodes.training.places import PlaceSettings, examples
from autonomy_nodes.training.quality import quality
from autonomy_nodes.training.samples import Make, Sample, inputs_of, strip_of

FAR_PLACES = PlaceSettings(before_share=0.0, half_s_m=110.0, farthest_m=(100.0, 200.0))
FAR_GUISE = AugmentationSettings(paste=0.0, turn_rad=0.1, narrow_rad=0.3)  # a large turn would turn the ring away


@dataclass(frozen=True)
class Lesson:
    """One part of the network, with all that it learns by; whatever is of no other part stays as it is to the bit.

    name: empty, or what is learned alone. make: a sample of an example. inputs: what the learner takes of a batch.
    """

    name: str
    make: Make
    inputs: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    losses: Callable[[Any, Sample], dict[str, Tensor]]
    quality: Callable[[Network, Sequence[Example], torch.device], dict[str, float]]

    def learner(self, network: Network) -> nn.Module:
        """Return what is run and learns; its other weights take no part."""
        for name, weight in network.named_parameters():
            weight.requires_grad_(self.mine(name) and not name.startswith(CHART_PART))
        if not self.name:
            forget_maps(network)
        return network.far if self.name else network

    def mine(self, name: str) -> bool:
        """Return whether a weight of the network, by its name, is learned."""
        return name.startswith(FAR_PART) == bool(self.name)


def far_examples(seed: int) -> Any:
    """Yield the views of a long place, which tell the far ring as well."""
    return examples(seed, FAR_PLACES)


def far_augmented(example: Example, rng: np.random.Generator, others: Sequence[Example] = ()) -> Example:
    """Return an example changed as drawn, of which nobody is set down in others."""
    return augmented(example, rng, (), FAR_GUISE)


WHOLE = Lesson('', strip_of, inputs_of, losses, quality)
FAR = Lesson('far', far_sample_of, far_inputs_of, far_losses, far_quality)
LESSONS = {lesson.name: lesson for lesson in (WHOLE, FAR)}
