"""The learned channel of prediction: futures in odom, what breaks physics replaced, engines alike, trouble told."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from test_forecast_samples import folder_of  # noqa: E402
from test_forecasting import straight_on  # noqa: E402

from autonomy_nodes.common.objects import Label, Objects  # noqa: E402
from autonomy_nodes.common.settings import SettingsError  # noqa: E402
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState  # noqa: E402
from autonomy_nodes.common.vehicle import Vehicle  # noqa: E402
from autonomy_nodes.inference.manifest import Manifest, Tensor, read_manifest  # noqa: E402
from autonomy_nodes.prediction.learned import LearnedPrediction, checked, in_odom, opened  # noqa: E402
from autonomy_nodes.prediction.modes import least_missed, told_anew  # noqa: E402
from autonomy_nodes.prediction.network import empty  # noqa: E402
from autonomy_nodes.prediction.predictor import Predictor, PredictorConfig  # noqa: E402
from autonomy_nodes.prediction.tensors import INPUTS, KNOTS, MODES, OUTPUTS  # noqa: E402
from autonomy_nodes.prediction.warmup import warm  # noqa: E402
from autonomy_nodes.training.export import largest_difference  # noqa: E402
from autonomy_nodes.training.export_forecast import export_either, is_forecast  # noqa: E402
from autonomy_nodes.training.forecast_samples import SamplesConfig, prepared  # noqa: E402
from autonomy_nodes.training.train_forecast import PRESETS, train  # noqa: E402

EGO = EgoState(SECOND_NS, np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(6))


def manifest_of():
    sides = ({name: Tensor((1, *shape), -1.0, 1.0) for name, shape in side.items()} for side in (INPUTS, OUTPUTS))
    return Manifest('made_up', 'ci', *sides, {})


class Saying:
    """An engine that says the same of all: a fan of straight ways at speeds of its own, mode 2 the likeliest."""

    name = 'made_up'

    def __init__(self, speed=4.0, spoil=None, apart=1.0):
        self.manifest, self.speed, self.spoil, self.apart = manifest_of(), speed, spoil, apart

    def run(self, inputs):
        assert {name: value.shape for name, value in inputs.items()} == {
            name: (1, *shape) for name, shape in INPUTS.items()
        }
        answer = {name: np.zeros((1, *shape), np.float32) for name, shape in OUTPUTS.items()}
        for mode in range(MODES):
            answer['knots'][0, mode, :, :, 0] = (self.speed + self.apart * mode) * 0.5 * np.arange(1, KNOTS + 1)
        answer['mode'][0, 2] = 3.0
        if self.spoil is not None:
            answer[self.spoil][0, 0] = np.nan
        return answer


def tracks(step, places=((10.0, 0.0, 0.0), (0.0, 40.0, np.pi / 2.0)), speed=6.0):
    """Cars that go straight on; step: of 0.1 s."""
    poses = np.array(places)
    count, ahead = len(poses), np.column_stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])])
    chances = np.zeros((count, len(Label)))
    chances[:, Label.CAR] = 1.0
    ids = np.zeros((count, 16), np.uint8)
    ids[:, 0] = np.arange(1, count + 1)
    return Objects(
        SECOND_NS + step * SECOND_NS // 10, 'odom',
        np.column_stack([poses[:, :2] + 0.1 * step * speed * ahead, np.ones(count)]), poses[:, 2],
        np.tile([4.5, 1.8, 1.5], (count, 1)), np.ones(count), chances, speed * ahead, np.zeros(count),
        np.tile(0.01 * np.eye(3), (count, 1, 1)), np.tile(0.01 * np.eye(2), (count, 1, 1)), ids,
    )  # fmt: skip


def predicted(backend, steps=5, **more):
    config = PredictorConfig()
    predictor = Predictor(config, LearnedPrediction(backend, config.vehicle) if backend else None)
    for step in range(steps):
        ego = replace(EGO, stamp_ns=SECOND_NS + step * SECOND_NS // 10)
        found = predictor.predict(tracks(step, **more), ego)
    return found


def test_futures_begin_where_the_agents_are_and_go_where_they_look():
    found = predicted(Saying())
    paths, odds = found.predictions.paths, found.predictions.probabilities
    assert found.learned == 2 and found.guarded == 0 and not found.trouble
    assert paths.shape == (2, MODES, KNOTS + 1, 3)
    assert paths[0, 0, 0, :2] == pytest.approx([12.4, 0.0]) and paths[1, 0, 0, :2] == pytest.approx([0.0, 42.4])
    assert paths[0, 0, 2] == pytest.approx([12.4 + 6.0, 0.0, 0.0], abs=1e-4)  # mode 2 is the likeliest: 6 m/s
    assert paths[1, 0, 2] == pytest.approx([0.0, 42.4 + 6.0, np.pi / 2.0], abs=1e-4)
    assert odds.sum(axis=1) == pytest.approx(1.0) and (odds[:, 0] == odds.max(axis=1)).all()


def test_one_future_is_what_physics_holds_for_likeliest_and_one_hastens():
    """At 6 m/s; the network says 3 to 8 m/s. At 0.7 m/s2 more, six seconds take 48.6 m."""
    found, plain = predicted(Saying(speed=3.0)), predicted(None)
    for agent, axis in ((0, 0), (1, 1)):
        both = (one.predictions.paths[agent, :, :, axis] for one in (found, plain))
        gone, own = (paths[:, 12] - paths[:, 0] for paths in both)
        assert np.abs(gone - own[0]).min() < 1e-3 and np.abs(gone - 48.6).min() < 1e-2
        assert len({18, 24, 30, 36, 42, 48} & set(np.round(gone, 2).tolist())) >= 4
    assert found.predictions.probabilities.sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize(
    'ends, odds, missed',
    [
        ((0.0, 1.0, 5.0, 20.0, 30.0, 42.0), (0.5, 0.1, 0.1, 0.1, 0.1, 0.1), 1),
        ((0.0, 1.0, 5.0, 20.0, 30.0, 42.0), (0.1, 0.5, 0.1, 0.1, 0.1, 0.1), 0),  # the likeliest is never given up
        ((0.0, 9.0, 5.0, 20.0, 18.5, 42.0), (0.5, 0.1, 0.1, 0.1, 0.1, 0.1), 4),  # 42, 20, 9 and 5 are taken before it
    ],
)
def test_the_least_missed_future_is_the_one_nearest_to_others(ends, odds, missed):
    places = np.zeros((1, 6, 2))
    places[0, :, 1] = ends
    assert least_missed(places, np.array([odds])).tolist() == [missed]


def test_how_new_a_place_is_counts_in_what_the_future_that_is_given_up_adds():
    """Of 0, 1, 5, 20, 30, 42 the second is given up, 1 m from the next: 32 lies 2 m, 60 lies 18 m from all the rest."""
    places = np.zeros((2, 6, 2))
    places[..., 1] = (0.0, 1.0, 5.0, 20.0, 30.0, 42.0)
    other = np.array([[0.0, 32.0], [0.0, 60.0]])
    assert told_anew(places, np.array([1, 1]), other).tolist() == pytest.approx([2.0, 18.0])
    assert told_anew(places, np.array([1, 1]), places[:, 1]).tolist() == pytest.approx([1.0, 1.0])


def test_who_is_foretold_as_fast_already_does_not_hasten_besides():
    """The network says 27, 33, ..., 57 m, physics 36: 48.6 m are hardly new beside 51."""
    found = predicted(Saying(speed=4.5))
    gone = found.predictions.paths[0, :, 12, 0] - found.predictions.paths[0, :, 0, 0]
    assert np.abs(gone - 48.6).min() > 0.1


@pytest.mark.parametrize('label, hastens', [(Label.CAR, True), (Label.PEDESTRIAN, False)])
def test_nobody_on_foot_hastens(label, hastens):
    """At 1.5 m/s, as the network has it too: 9 m in six seconds, and 21.6 m for who hastens."""
    there = tracks(4, speed=1.5)
    there.class_probabilities[:] = np.eye(len(Label))[label]
    config = PredictorConfig()
    predictor = Predictor(config, LearnedPrediction(Saying(speed=1.5, apart=0.1), config.vehicle))
    found = predictor.predict(there, replace(EGO, stamp_ns=there.stamp_ns))
    gone = np.linalg.norm(found.predictions.paths[:, :, 12, :2] - found.predictions.paths[:, :, 0, :2], axis=-1)
    assert (np.abs(gone - 21.6).min(axis=1) < 0.1).all() == hastens


def test_what_breaks_physics_is_replaced_by_the_plain_channel_and_counted():
    found, plain = predicted(Saying(speed=60.0)), predicted(None)
    assert found.guarded == 2 * MODES and found.learned == 2
    assert np.sort(found.predictions.paths[..., -1, 0], axis=1) == pytest.approx(
        np.sort(plain.predictions.paths[..., -1, 0], axis=1)
    )


def test_how_far_off_the_likeliest_future_may_be_is_told_where_the_network_told_it():
    backend = Saying()
    run = backend.run

    def answer(inputs):
        told = run(inputs)
        told['spread'][..., 0], told['spread'][..., 1] = np.log(2.0), np.log(0.5)
        return told

    backend.run = answer
    found = predicted(backend)
    assert found.intents.sigmas_m == pytest.approx(np.tile(np.sqrt(2.0) * np.array([2.0, 0.5]), (2, 4, 1)), rel=1e-5)
    assert found.intents.chances.sum(axis=1) == pytest.approx(1.0)
    assert np.isnan(predicted(Saying(speed=60.0)).intents.sigmas_m).all()  # of what was replaced nobody knows it


@pytest.mark.parametrize('name', ['knots', 'mode', 'scene'])
def test_a_network_that_says_no_number_is_not_believed(name):
    found, plain = predicted(Saying(spoil=name)), predicted(None)
    assert name in found.trouble and found.learned == 0
    assert np.array_equal(found.predictions.paths, plain.predictions.paths)
    with pytest.raises(DataError, match=name):
        checked(Saying(spoil=name).run({key: value.numpy() for key, value in empty(1).items()}))


def test_who_reverses_is_left_to_physics():
    config = PredictorConfig()
    predictor = Predictor(config, LearnedPrediction(Saying(), config.vehicle))
    for step in range(5):
        backwards = tracks(step, speed=-2.0)
        found = predictor.predict(backwards, replace(EGO, stamp_ns=backwards.stamp_ns))
    assert (found.predictions.paths[0, :, 4, 0] < 10.0).all()


def test_a_network_has_seen_a_scene_before_the_first_tracks_come():
    backend, scenes = Saying(), []
    backend.run = lambda inputs, answer=backend.run: scenes.append(inputs) or answer(inputs)
    warm(PredictorConfig(), backend)
    told = scenes[0]
    assert len(scenes) == 1 and told['agents_told'].any() and told['lanes_told'].any() and told['cells_told'].any()


def test_without_anybody_there_is_a_scene_too():
    found = predicted(Saying(), places=np.zeros((0, 3)))
    assert found.predictions.paths.shape[0] == 0 and not found.trouble


def test_a_network_with_other_tensors_is_refused():
    backend = Saying()
    backend.manifest = replace(manifest_of(), inputs={})
    with pytest.raises(SettingsError, match='needs'):
        LearnedPrediction(backend, Vehicle())


def test_who_stands_keeps_the_direction_he_has():
    knots = np.zeros((1, MODES, KNOTS, 2))
    knots[0, 0, 4:, 1] = 3.0  # one step to the left, then none
    paths = in_odom(knots, np.array([[5.0, 6.0, 0.3, 0.0]]))
    assert paths[0, 0, :5, 2] == pytest.approx(0.3) and paths[0, 1, :, 2] == pytest.approx(0.3)
    assert paths[0, 0, 5:, 2] == pytest.approx(0.3 + np.pi / 2.0)
    assert paths[0, 0, 5, :2] == pytest.approx([5.0 - 3.0 * np.sin(0.3), 6.0 + 3.0 * np.cos(0.3)])


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    place = tmp_path_factory.mktemp('model')
    moments = prepared(folder_of(place / 'data', a=[straight_on(101)]), [], SamplesConfig(agents=32))
    path = train(PRESETS['ci'], moments, None, 2, place / 'out', tell=lambda _: None, notes={'groups': ['g0']})
    export_either(path, place / 'made_up', 'made_up')
    return path, place / 'made_up'


def test_an_exported_network_says_the_same_by_either_engine(exported):
    pytest.importorskip('onnxruntime')
    path, folder = exported
    assert is_forecast(torch.load(path, weights_only=True))
    generator = np.random.default_rng(0)
    inputs = {name: generator.uniform(0.0, 1.0, (1, *shape)).astype(np.float32) for name, shape in INPUTS.items()}
    for name in inputs:
        if name.endswith('_index'):
            inputs[name] = np.floor(32 * inputs[name])
    onnx, reference = (opened(folder, engine).run(inputs) for engine in ('onnx', 'torch'))
    assert largest_difference(onnx, reference) < 1e-4


def test_the_card_names_what_was_learned_from(exported):
    card = read_manifest(exported[1]).card
    assert card['training']['groups'] == ['g0'] and 'not for shipping' in card['training']['licence']
    assert card['training']['steps'] == 2 and card['limits']
