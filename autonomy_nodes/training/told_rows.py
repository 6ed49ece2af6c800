"""What a network tells of simulated places that it never saw, beside what is there: of this its card is fitted."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path

import numpy as np

from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.evaluation.measures.precision import Scene, judged, within
from autonomy_nodes.evaluation.measures.reliability import scaled
from autonomy_nodes.evaluation.measures.task import in_processes
from autonomy_nodes.perception.bev import CLASSES, STEP_S
from autonomy_nodes.perception.cells import rays
from autonomy_nodes.perception.clustering import ClusterConfig, clustered
from autonomy_nodes.perception.confidence import Confidences
from autonomy_nodes.perception.decode import LABELS, DecodeSettings
from autonomy_nodes.perception.fusion import FusionSettings, holding, words
from autonomy_nodes.perception.ground import GroundConfig, GroundSplitter
from autonomy_nodes.perception.learned import Earlier, LearnedChannel, LearnedSettings, opened
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.places import examples
from autonomy_nodes.training.samples import VEHICLE_HEIGHT_M
from autonomy_nodes.training.targets import LEAST_HITS, LEAST_SHARE

VIEWS = 2  # of a place
LEAST, REACH_M = 0.03, 40.0
FAMILIES = ((0, 1), (2, 3), (4,))  # classes of which one may stand for another: it is there, and may be the other
CLOSE_M = (2.0, 2.0, 1.0, 1.0, 1.0)
WRONG, RIGHT, NEITHER = 0, 1, -1


@dataclass(frozen=True, eq=False)
class Rows:
    """N things that a network told. place: (N,) seed. kinds: (N,) most probable class. existence: (N,) in its words.

    share: (N,) chance that it is of its family, if it is. right, alike: (N,) whether a label of the family, or of the
    very class, is there: RIGHT, WRONG or NEITHER (what few points show). off: (N, 3) error of the middle [m], the
    same squared in told sigmas, and that of the heading in told sigmas; NaN where wrong. word: (N,) see fusion.words.
    """

    place: np.ndarray
    kinds: np.ndarray
    existence: np.ndarray
    share: np.ndarray
    right: np.ndarray
    alike: np.ndarray
    off: np.ndarray
    word: np.ndarray

    def kept(self, which: np.ndarray) -> 'Rows':
        """Return some of them."""
        return Rows(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class Gathered:
    """rows: what was told; labels: (P, 5) how many of each class were to be found in each place, places: (P,) seeds."""

    rows: Rows
    places: np.ndarray
    labels: np.ndarray

    def of(self, places: np.ndarray) -> 'Gathered':
        """Return what belongs to some places."""
        mine = np.isin(self.places, places)
        return Gathered(self.rows.kept(np.isin(self.rows.place, places)), self.places[mine], self.labels[mine])


def gather(folder: Path, places: np.ndarray, backend: str, jobs: int, tell: Callable[[str], None]) -> Gathered:
    """Return what a network tells of places that it never saw."""
    work = partial(_told_of, folder, backend)
    return collected(in_processes(jobs, work, [int(place) for place in places]), places, tell)


def collected(
    answers: Iterable[tuple[Rows, np.ndarray]], places: np.ndarray, tell: Callable[[str], None], name: str = 'places'
) -> Gathered:
    """Return the answers of some places as one."""
    found = []
    for done, answer in enumerate(answers, 1):
        found.append(answer)
        if done % 25 == 0:
            tell(f'{done} of {len(places)} {name}')
    return Gathered(joined([rows for rows, _ in found]), places, np.array([labels for _, labels in found]))


def joined(some: Sequence[Rows]) -> Rows:
    """Return rows one behind the other."""
    return Rows(*(np.concatenate([getattr(each, name) for each in some]) for name in Rows.__dataclass_fields__))


@lru_cache(maxsize=1)
def plain_channel(folder: Path, backend: str) -> LearnedChannel:
    """Return a network that tells all it knows, in its own words."""
    channel = LearnedChannel(opened(folder, backend), LearnedSettings(DecodeSettings(least=LEAST)))
    channel.confidences = Confidences()  # in its own words, whatever the card tells so far
    return channel


@lru_cache(maxsize=1)
def _splitter() -> GroundSplitter:
    return GroundSplitter(GroundConfig(), VEHICLE_HEIGHT_M)


def _told_of(folder: Path, backend: str, place: int) -> tuple[Rows, np.ndarray]:
    told = [_told(plain_channel(folder, backend), example, place) for example in islice(examples(place), VIEWS)]
    return joined([rows for rows, _ in told]), np.sum([labels for _, labels in told], axis=0)


def _told(channel: LearnedChannel, example: Example, place: int) -> tuple[Rows, np.ndarray]:
    """Return what is told of one example, and how many labels (5,) of each class it has."""
    cloud, sensor_m = _cloud(example.points), example.sensor_m.astype(np.float64)
    earlier = Earlier(_cloud(example.before), np.eye(4), STEP_S) if len(example.before) else None
    labels = example.boxes[:, [0, 1, 3, 4, 6]].astype(float)
    out = (example.hits < LEAST_HITS) | (example.shares < LEAST_SHARE)
    return beside(channel, cloud, sensor_m, earlier, (labels, example.kinds, out), place)


def beside(
    channel: LearnedChannel, cloud: PointCloud, sensor_m: np.ndarray, earlier: Earlier | None,
    there: tuple[np.ndarray, np.ndarray, np.ndarray], place: int,
) -> tuple[Rows, np.ndarray]:  # fmt: skip
    """Return what is told of one sweep in base_link beside what is there, and how many labels (5,) of each class.

    there: boxes (G, 5), places in bev.CLASSES (G,), and what need not be found (G,); nothing beyond REACH_M need be.
    """
    labels, label_kinds, out = there
    ground, out = _splitter().split(cloud.xyz), out | (np.hypot(*labels[:, :2].T) > REACH_M)
    objects = channel.perceive(cloud, ground, rays(cloud.xyz, ground.kinds, sensor_m), sensor_m, earlier).objects
    chances = objects.class_probabilities[:, list(LABELS)]
    kinds, flat = np.argmax(chances, axis=1), objects.flat
    share, off = np.zeros(len(objects)), np.full((len(objects), 3), np.nan)
    right, alike = np.full(len(objects), NEITHER), np.full(len(objects), NEITHER)
    for groups, status in ((FAMILIES, right), (tuple((kind,) for kind in range(len(CLASSES))), alike)):
        for group in groups:
            mine, theirs = np.flatnonzero(np.isin(kinds, group)), np.isin(label_kinds, group)
            sure = objects.existence[mine] * chances[mine][:, list(group)].sum(axis=1)
            far = np.hypot(*flat[mine, :2].T) > REACH_M
            scene = Scene(labels[theirs], out[theirs], flat[mine], sure, far)
            answer = judged(scene, within(CLOSE_M[group[0]]))
            status[mine[answer.rows]] = np.where(answer.right, RIGHT, WRONG)
            if status is right:
                share[mine] = chances[mine][:, list(group)].sum(axis=1)
                hit = mine[answer.rows[answer.right]]
                away = scene.labels[answer.met[answer.right]] - flat[hit]
                off[hit] = np.column_stack(scaled(away, objects.pose_covariances[hit]))
    clusters = clustered(ClusterConfig(), 0, cloud.xyz, ground)
    word = words(holding(clusters.places_m, objects.flat, FusionSettings().margin_m), clusters, len(objects))
    rows = Rows(np.full(len(objects), place), kinds, objects.existence, share, right, alike, off, word)
    return rows, np.bincount(label_kinds[~out], minlength=len(CLASSES))


def _cloud(points: np.ndarray) -> PointCloud:
    return PointCloud(0, 'base_link', np.ascontiguousarray(points[:, :3]), np.ascontiguousarray(points[:, 3]))
