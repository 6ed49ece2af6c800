"""The prediction node in lockstep: what it waits for, in which order it publishes."""

import numpy as np
import pytest
from mapping_roads import ego_at, pose_at, straight
from test_prediction import tracks

from autonomy_nodes.evaluation.lockstep import Event, Lockstep
from autonomy_nodes.mapping.guide import GuideConfig, MapGuide
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.motion import write_ego
from autonomy_nodes.messages.objects import read_predictions, write_tracked
from autonomy_nodes.messages.tables import read_ego_proposals, read_intents, read_scene_modes, write_lane_pieces
from autonomy_nodes.nodes.prediction_node import Prediction
from autonomy_nodes.prediction import joint, lane_loops, modes
from autonomy_nodes.prediction.predictor import MODES, STEPS, PredictorConfig
from autonomy_nodes.prediction.warmup import warm

STAMP = 100_000_000
GIVEN = (topics.SCENE_MODES.name, topics.INTENTS.name, topics.EGO_PROPOSALS.name, topics.PREDICTIONS.name)
READERS = (read_scene_modes, read_intents, read_ego_proposals, read_predictions)


class Sink:
    """Keeps what the stage gives, in order."""

    def __init__(self):
        self.messages, self.statuses = [], []

    def message(self, topic, now_ns, data):
        if topic.name in GIVEN:
            self.messages.append((topic.name, data))

    def status(self, status):
        self.statuses.append(status)


def played(*events):
    sink = Sink()
    lockstep = Lockstep([Prediction()], {'prediction': PredictorConfig()}, sink)
    lockstep.start(0)
    lockstep.play([Event(topic.name, STAMP, data) for topic, data in events])
    lockstep.run_to(2 * STAMP)
    return sink


def seen():
    return topics.TRACKS, write_tracked(tracks((20.0, 1.75, 0.0, 8.0), stamp_ns=STAMP))


def own():
    return topics.ODOMETRY, write_ego(ego_at(0.0, 1.75, stamp_ns=STAMP, speed=5.0))


def test_predictions_come_last_and_all_carry_the_stamp_of_the_tracks():
    sink = played(own(), seen())
    assert [name for name, _ in sink.messages] == list(GIVEN)
    scene, intents, proposals, predictions = (read(data) for read, (_, data) in zip(READERS, sink.messages))
    assert {scene.stamp_ns, intents.stamp_ns, proposals.stamp_ns, predictions.stamp_ns} == {STAMP}
    assert intents.chances.sum() == pytest.approx(1.0) and np.isnan(intents.sigmas_m).all()  # no network, no sigmas
    assert predictions.paths.shape == (1, MODES, STEPS, 3)
    assert predictions.paths[0, :, 0, :2] == pytest.approx(np.array([[20.0, 1.75]] * MODES))


def test_an_empty_road_is_foretold_too():
    nobody = topics.TRACKS, write_tracked(tracks(stamp_ns=STAMP))
    sink = played(own(), nobody)
    assert [name for name, _ in sink.messages] == list(GIVEN)
    assert len(read_intents(sink.messages[1][1]).chances) == 0


def test_without_odometry_of_the_stamp_there_are_no_predictions():
    assert played(seen()).messages == []


def test_map_pieces_of_the_stamp_add_drives_along_lanes():
    guide = MapGuide(straight(length_m=100.0)[0], GuideConfig())
    pieces = guide.step(ego_at(0.0, 1.75, stamp_ns=STAMP), pose_at(0.0, 1.75, stamp_ns=STAMP)).pieces
    with_map = played((topics.LOCAL_VECTORS, write_lane_pieces(pieces)), own(), seen())
    counts = [len(read_ego_proposals(sink.messages[2][1]).drives) for sink in (played(own(), seen()), with_map)]
    assert counts[0] < counts[1]


def test_a_node_that_was_built_compiles_nothing_more():
    warm(PredictorConfig())
    loops = [
        loop for module in (joint, lane_loops, modes) for loop in vars(module).values() if hasattr(loop, 'signatures')
    ]
    before = [len(loop.signatures) for loop in loops]
    assert sum(count > 0 for count in before) >= 7
    guide = MapGuide(straight(length_m=100.0, stop_at_m=80.0)[0], GuideConfig())
    pieces = guide.step(ego_at(0.0, 1.75, stamp_ns=STAMP), pose_at(0.0, 1.75, stamp_ns=STAMP)).pieces
    played((topics.LOCAL_VECTORS, write_lane_pieces(pieces)), own(), seen())
    assert [len(loop.signatures) for loop in loops] == before
