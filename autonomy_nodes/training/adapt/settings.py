"""How a network is adapted; the same numbers for every recording."""

from dataclasses import dataclass, field

from autonomy_nodes.training.augmentation import AugmentationSettings
from autonomy_nodes.training.train_perception import TrainSettings


@dataclass(frozen=True)
class AdaptSettings:
    """How a network is adapted.

    source_sweeps: as how many sweeps count the statistics that it brings along. real: unlabelled sweeps of a batch, the
    others are simulated. rounds: how often the teacher names what it sees in the sweeps. sure, doubt: existence from
    which on what the teacher tells is learned, and up to which it is held to be nothing; in between nobody asks.
    simulated: examples, beside which nothing is forgotten. most: sweeps of a recording, evenly from all.
    """

    source_sweeps: float = 64.0
    steps: int = 120
    real: int = 2
    rounds: int = 2
    sure: float = 0.6
    doubt: float = 0.1
    simulated: int = 24
    most: int = 96
    learning: TrainSettings = field(default_factory=lambda: TrainSettings(rate=2e-4, warm_steps=10, smooth=0.98))
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)

    def __post_init__(self) -> None:
        if not 1 <= self.real <= self.learning.batch:
            raise ValueError(f'real={self.real} must lie between 1 and learning.batch={self.learning.batch}')
        if not 1 <= self.rounds <= self.steps:
            raise ValueError(f'rounds={self.rounds} must lie between 1 and steps={self.steps}')
        if not 0.0 < self.doubt <= self.sure < 1.0:
            raise ValueError(f'doubt={self.doubt} must be above 0 and not above sure={self.sure}, that below 1')
        if self.most < 1:
            raise ValueError(f'most={self.most} must be 1 at least')
        if self.source_sweeps < 0.0 or self.simulated < self.learning.batch - self.real:
            raise ValueError(f'source_sweeps={self.source_sweeps}, simulated={self.simulated} are too few')
