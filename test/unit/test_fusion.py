"""Two channels as one list: what the network explains is told once, what it does not stays an obstacle."""

from dataclasses import replace

import numpy as np
import pytest

from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError, EgoState
from autonomy_nodes.perception.bev import OUTPUTS
from autonomy_nodes.perception.clustering import Clusters
from autonomy_nodes.perception.confidence import Support, support_of
from autonomy_nodes.perception.fusion import FusionSettings, fused, words
from autonomy_nodes.perception.ladder import Channel, LadderSettings
from autonomy_nodes.perception.learned import Learned
from autonomy_nodes.perception.perceiver import Perceiver, PerceptionConfig


def objects(*places, label=Label.CAR, size=(4.0, 2.0, 1.5)):
    count = len(places)
    classes = np.zeros((count, len(Label)))
    classes[:, label] = 1.0
    return Objects(
        stamp_ns=0, frame='base_link', positions_m=np.array([(x, y, 0.8) for x, y in places]).reshape(-1, 3),
        headings_rad=np.zeros(count), dimensions_m=np.tile(np.array(size), (count, 1)), existence=np.full(count, 0.8),
        class_probabilities=classes, velocities_mps=np.full((count, 2), np.nan),
        heading_rates_rps=np.full(count, np.nan), pose_covariances=np.tile(np.eye(3), (count, 1, 1)),
        velocity_covariances=np.tile(np.eye(2), (count, 1, 1)),
    )  # fmt: skip


def clusters(found, *cells, outlines=None):
    """Each cell is x, y and its owner."""
    rows = np.array(cells, float).reshape(-1, 3)
    return Clusters(found, outlines or found, rows[:, :2].copy(), rows[:, 2].astype(int), clutter=0)


def test_a_cluster_within_a_box_is_told_once_and_its_cells_belong_to_the_box():
    seen = clusters(objects((10, 0)), (8.5, 0, 0), (9.0, 0.9, 0), (30.0, 0.0, -1))
    both = fused(objects((10, 0), label=Label.TRUCK), seen, FusionSettings())
    assert len(both.clusters.objects) == 1 and both.unexplained == 0
    assert both.clusters.objects.labels.tolist() == [Label.TRUCK] and both.clusters.owners.tolist() == [0, 0, -1]


def test_a_cluster_that_nobody_explains_stays_as_something_unknown():
    seen = clusters(objects((10, 0), (30, 5)), (10, 0, 0), (30, 5, 1), (31, 5, 1))
    both = fused(objects((10, 0)), seen, FusionSettings())
    assert both.unexplained == 1 and both.clusters.objects.labels.tolist() == [Label.CAR, Label.UNKNOWN]
    assert both.clusters.objects.positions_m[1, :2].tolist() == [30.0, 5.0]
    assert both.clusters.owners.tolist() == [0, 1, 1]


def test_what_might_be_the_end_of_a_car_is_no_larger_than_it_was_seen_where_the_network_sees_no_car():
    guess, rock = objects((11.4, 0), size=(4.3, 1.8, 0.9)), objects((10, 0), size=(1.4, 1.4, 0.9))
    both = fused(objects(), clusters(guess, (10, 0, 0), outlines=rock), FusionSettings())
    assert both.clusters.objects.dimensions_m.tolist() == [[1.4, 1.4, 0.9]]
    assert both.clusters.objects.positions_m[0, 0] == 10.0


def test_a_wall_with_a_person_before_it_is_still_told():
    wall = [(x, 3.0, 0) for x in np.arange(0.0, 8.0, 0.2)]
    person = objects((4.0, 2.8), label=Label.PEDESTRIAN, size=(0.5, 0.5, 1.7))
    both = fused(person, clusters(objects((4, 3), size=(8.0, 0.5, 2.0)), *wall), FusionSettings())
    assert both.clusters.objects.labels.tolist() == [Label.PEDESTRIAN, Label.UNKNOWN]


def test_without_any_answer_of_the_network_everything_that_stands_is_told():
    both = fused(objects(), clusters(objects((10, 0), (20, 0)), (10, 0, 0), (20, 0, 1)), FusionSettings())
    assert both.clusters.objects.labels.tolist() == [Label.UNKNOWN] * 2 and both.unexplained == 2


class Network:
    """Tells of one car at (10, 0), or fails when told to."""

    knows_maps = False

    def __init__(self):
        self.fails, self.earlier = False, []

    def perceive(self, cloud, ground, rays=None, sensor_m=None, earlier=None, lap=None, hear=None, chart=None):
        self.earlier.append(earlier)
        if self.fails:
            raise DataError('not finite')
        nothing = {name: np.zeros((channels, *cells), np.float32) for name, (channels, cells) in OUTPUTS.items()}
        return Learned(objects((10, 0)), np.zeros((3, *OUTPUTS['terrain'][1]), np.float32), nothing)


def plain(stamp_ns):
    across, along = np.meshgrid(np.arange(-8.0, 8.0, 0.25), np.arange(-8.0, 16.0, 0.25))
    ground = np.stack([along.ravel(), across.ravel(), np.zeros(along.size)], axis=1)
    box = np.random.default_rng(0).uniform([4.0, -6.0, 0.0], [5.0, -5.0, 1.5], (400, 3))
    xyz = np.concatenate([ground, box]).astype(np.float32)
    return PointCloud(stamp_ns, 'base_link', xyz, np.ones(len(xyz), np.float32))


@pytest.fixture
def run():
    network = Network()
    perceiver = Perceiver(PerceptionConfig(ladder=LadderSettings(good=2)), network)

    def step(number, **more):
        ego = EgoState(number * 100_000_000, np.array([number * 1.0, 0, 0]), np.array([0, 0, 0, 1.0]), np.zeros(6))
        return perceiver.perceive(perceiver.segment(plain(ego.stamp_ns), np.array([0, 0, 2.0])), ego, **more)

    return network, step


def test_the_network_is_believed_until_it_fails_and_again_after_good_answers(run):
    network, step = run
    first = step(0)
    assert first.channel is Channel.LEARNED and first.trouble == '' and first.unexplained == 1
    assert {Label.CAR, Label.UNKNOWN} == {*first.objects.labels.tolist()}
    network.fails = True
    failed = step(1)
    assert failed.channel is Channel.GEOMETRIC and failed.trouble == 'not finite'
    assert len(failed.objects) and not np.allclose(failed.objects.positions_m[:, 0], 10.0, atol=0.5)
    network.fails = False
    assert [step(number).channel for number in (2, 3)] == [Channel.GEOMETRIC, Channel.LEARNED]


def test_a_late_sweep_is_not_given_to_the_network(run):
    network, step = run
    late = step(0, late=True)
    assert network.earlier == [] and late.channel is Channel.GEOMETRIC and late.trouble == 'the sweep came too late'


def test_the_sweep_before_is_told_with_the_way_between(run):
    network, step = run
    step(0)
    step(1)
    assert network.earlier[0] is None
    assert network.earlier[1].gap_s == pytest.approx(0.1)
    assert network.earlier[1].now_from_then[:3, 3] == pytest.approx([-1.0, 0, 0])


def people(*places, existence):
    found = objects(*places, label=Label.PEDESTRIAN, size=(0.6, 0.6, 1.7))
    return replace(found, existence=np.array(existence))


def standing(*chances):
    """Clusters 10 m apart, each of one cell and with a chance of being somebody."""
    found = objects(*((10.0 * k, 0.0) for k in range(len(chances))), size=(0.5, 0.5, 1.7))
    classes = np.zeros((len(chances), len(Label)))
    classes[:, Label.PEDESTRIAN], classes[:, Label.UNKNOWN] = chances, 1.0 - np.array(chances)
    return clusters(replace(found, class_probabilities=classes), *((10.0 * k, 0.0, k) for k in range(len(chances))))


def test_somebody_is_believed_by_what_both_channels_say():
    support = Support(own=1.0, geometric=0.5, nothing=-np.log(3.0), offset=0.0, least=0.3)
    seen = standing(0.8, 0.2)
    both = fused(people((0, 0), (10, 0), (40, 0), existence=[0.5, 0.5, 0.6]), seen, FusionSettings(), support)
    told = both.clusters.objects.existence[both.clusters.objects.labels == Label.PEDESTRIAN]
    # odds 1 times sqrt(4), odds 1 times sqrt(1/4), odds 3/2 times 1/3
    assert told == pytest.approx([2.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0])
    assert both.unexplained == 0


def test_who_is_believed_too_little_becomes_an_obstacle_of_which_nobody_knows_what_it_is():
    support = Support(geometric=1.0, least=0.3)
    both = fused(people((0, 0), (10, 0), existence=[0.5, 0.5]), standing(0.2, 0.9), FusionSettings(), support)
    assert both.clusters.objects.labels.tolist() == [Label.PEDESTRIAN, Label.UNKNOWN] and both.unexplained == 1
    assert both.clusters.objects.positions_m[:, 0].tolist() == [10.0, 0.0]
    assert both.clusters.owners.tolist() == [1, 0]


def test_vehicles_are_the_network_s_alone_and_so_is_everybody_without_a_card():
    support = Support(geometric=1.0, nothing=-5.0, least=0.9)
    assert fused(objects((0, 0)), standing(0.1), FusionSettings(), support).clusters.objects.existence[0] == 0.8
    alone = fused(people((0, 0), existence=[0.4]), standing(0.1), FusionSettings())
    assert alone.clusters.objects.existence.tolist() == [0.4]


def test_the_word_on_a_place_is_that_of_the_cluster_with_most_cells_there():
    seen = standing(0.9, 0.2)
    mixed = replace(seen, places_m=np.array([[0.0, 0], [0.1, 0], [0.1, 0.1]]), owners=np.array([0, 1, 1]))
    told = words(np.array([0, 0, 0]), mixed, 2)
    assert told[0] == pytest.approx(np.log(0.25)) and np.isnan(told[1])


def test_a_support_on_the_card_is_read_and_a_bad_one_refused():
    assert support_of({'support': {'geometric': 0.3, 'nothing': -1}}) == Support(geometric=0.3, nothing=-1.0)
    for wrong in ({'own': 0.0}, {'geometric': -1.0}, {'least': 1.0}, {'most': 1.0}, 3):
        with pytest.raises(SettingsError, match='support'):
            support_of({'support': wrong})
