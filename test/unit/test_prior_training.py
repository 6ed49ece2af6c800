"""A network learns what a map means: nothing else of it moves, and what it is worth can be measured."""

import json

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('onnxscript')

from autonomy_nodes.commands.main import main  # noqa: E402
from autonomy_nodes.common.settings import SettingsError  # noqa: E402
from autonomy_nodes.common.types import DataError  # noqa: E402
from autonomy_nodes.evaluation.measures.prior import Measured, evaluate, figures_of  # noqa: E402
from autonomy_nodes.evaluation.measures.task import Task  # noqa: E402
from autonomy_nodes.inference.manifest import WEIGHTS, read_manifest  # noqa: E402
from autonomy_nodes.perception.bev import MAP, MIDDLE, OUTPUTS, POINTS  # noqa: E402
from autonomy_nodes.perception.learned import LearnedChannel, opened  # noqa: E402
from autonomy_nodes.perception.network import JOIN, PRESETS, Network, loaded  # noqa: E402
from autonomy_nodes.training.charted import (  # noqa: E402
    ChartSettings,
    channels_of,
    charted_guise,
    charted_places,
    charted_sample,
    misled,
    worn,
)
from autonomy_nodes.training.export import export  # noqa: E402
from autonomy_nodes.training.export_forecast import export_either  # noqa: E402
from autonomy_nodes.training.holdout import write_holdout  # noqa: E402
from autonomy_nodes.training.places import examples  # noqa: E402
from autonomy_nodes.training.samples import SampleSettings  # noqa: E402
from autonomy_nodes.training.scenes import Choice  # noqa: E402
from autonomy_nodes.training.train_prior import TrainSettings, train  # noqa: E402


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp('plain') / 'made'
    torch.manual_seed(0)
    settings = {'network': 'ci', 'batch': 2, 'held_out': 1}
    told = {'settings': settings, 'notes': {}, 'quality': {}, 'step': 1, 'seed': 1, 'spent_s': 0.0}
    checkpoint = folder.parent / 'checkpoint.pt'
    torch.save({'averaged': Network(PRESETS['ci']).state_dict(), **told}, checkpoint)
    export(checkpoint, folder, 'made')
    return folder


@pytest.fixture(scope='module')
def taught(plain, tmp_path_factory):
    """The same network after three steps of learning maps, as a folder of models/."""
    out = tmp_path_factory.mktemp('taught')
    pool = SampleSettings(pool=4, uses=4.0)
    settings = TrainSettings(steps=3, every=3, batch=1, held_out=1, workers=0, warm_steps=1, pool=pool)
    told = []
    checkpoint = train(settings, plain, out, tell=told.append, notes={'command': 'made'})
    assert len(told) == 1 and 'half_stale.miou' in told[0]
    export_either(checkpoint, out / 'knows', 'knows')
    return out / 'knows'


@pytest.fixture(scope='module')
def seen():
    return next(iter(charted_places(5)))


def test_nothing_but_the_chart_learns(plain, taught):
    before, after = (loaded('ci', folder / WEIGHTS).state_dict() for folder in (plain, taught))
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    moved = {name for name in moved if not name.startswith('far.')}  # neither has one
    learned = {name for name in moved if name.startswith('chart.')}
    assert moved - learned == {JOIN} and {'chart.word.weight', 'chart.taught', 'chart.meet.1.running_mean'} <= learned
    joined = after[JOIN][:, : -len(MAP)]
    assert torch.equal(joined, before[JOIN][:, : -len(MAP)]) and not after[JOIN][:, -len(MAP) :].any()


@pytest.mark.parametrize('engine', ['torch', 'onnx'])
def test_without_a_map_every_engine_says_what_it_said_before_and_with_one_it_takes_away(plain, taught, seen, engine):
    rng = np.random.default_rng(0)
    one, two = (opened(folder, engine) for folder in (plain, taught))
    assert not LearnedChannel(one).knows_maps and LearnedChannel(two).knows_maps
    inputs = {name: np.zeros(tensor.shape, np.float32) for name, tensor in one.manifest.inputs.items()}
    inputs['points'] = rng.random(inputs['points'].shape, np.float32)
    before, after = one.run(inputs), two.run(inputs)
    assert all(np.array_equal(before[name], after[name]) for name in OUTPUTS)
    chart = channels_of(seen.chart.road_map, seen.chart.map_from_base, np.zeros(2), 0.0)
    given = two.run(inputs | {'map': chart[None], 'given': np.array([0, 1], np.float32).reshape(1, 2, 1, 1)})
    assert (given['terrain'] <= before['terrain']).all() and (given['terrain'] < before['terrain']).any()
    assert all(np.array_equal(before[name], given[name]) for name in OUTPUTS if name != 'terrain')


def test_the_card_tells_what_was_learned_of_whom(plain, taught):
    card = read_manifest(taught).card
    assert card['maps']['of']['files'] == dict(read_manifest(plain).files) and card['maps']['step'] == 3
    assert card['maps']['channels'] == list(MAP) and card['training'] == read_manifest(plain).card['training']
    assert any('cameras were never given' in line for line in card['limits'])
    assert not any('maps were never given' in line for line in card['limits'])


def test_places_to_learn_maps_from_have_one_and_others_are_refused(seen):
    assert seen.chart is not None and seen.chart.road_map.lanelets
    plain = next(iter(examples(5)))
    assert plain.chart is None
    with pytest.raises(ValueError, match='has no map'):
        charted_sample(plain, np.random.default_rng(0), SampleSettings())
    sample = charted_sample(seen, np.random.default_rng(0), SampleSettings(across=120))
    assert sample['map'].shape == (len(MAP), MIDDLE[0], 60) and sample['reach'].shape[-1] == 120


def test_now_and_then_a_place_gets_the_map_of_another(seen):
    other = next(iter(charted_places(6)))
    rng = np.random.default_rng(3)
    drawn = [charted_guise(seen, rng, [other]).chart is other.chart for _ in range(60)]
    assert 0 < sum(drawn) < 20  # one in ten


def test_maps_are_as_untrue_as_drawn(seen):
    true = channels_of(seen.chart.road_map, seen.chart.map_from_base, np.zeros(2), 0.0)

    def off(**settings):
        nothing = dict.fromkeys(('stale', 'aside', 'elsewhere', 'hidden', 'off_m', 'off_rad'), 0.0)
        told = ChartSettings(**{**nothing, **settings})
        return np.abs(worn(seen.chart, np.random.default_rng(1), told) - true)[:2].mean()

    assert off() == 0.0 and 0.0 < off(off_m=0.25) < off(aside=1.0) and off(stale=1.0, least=1.0) > off(off_m=0.25)
    assert off(hidden=1.0) > 0.0
    with pytest.raises(ValueError, match='together'):
        ChartSettings(stale=0.6, aside=0.5)
    with pytest.raises(ValueError, match='misled'):
        ChartSettings(misled=1.1)


def test_what_misleads_changes_light_and_roughness_alone():
    points = torch.ones(len(POINTS), 48, 40).half()
    changed = misled(points, np.random.default_rng(0), 0.6)
    off = {name for name, one, two in zip(POINTS, points, changed) if not torch.equal(one, two)}
    assert off == {'intensity', 'contrast', 'rough'} and (changed > 0.0).all()


def counts(part, whole, never=0):
    told = {f'iou.{name}': (part, whole) for name in ('paved', 'low_vegetation', 'obstacle')}
    told |= {f'called_free.{name}': (0, 1) for name in ('paved', 'low_vegetation', 'obstacle')}
    return told | {'never_free_called_free': (never, 10)}


def test_gains_are_of_sums_over_worlds_and_intervals_draw_worlds():
    """Without 40 of 100 and 10 of 100, with a fresh map 60 and 30: 0.25 and 0.45, 0.2 more in every draw of worlds."""
    worlds = []
    for without, fresh in ((40, 60), (10, 30)):
        told = {'without': counts(without, 100, 2), 'fresh': counts(fresh, 100, 1)}
        told |= {way: counts(without, 100, 2) for way in ('half_stale', 'all_stale', 'aside')}
        worlds.append([Measured(told, {})])
    figures = figures_of(worlds, 0)
    assert figures['without.miou'] == pytest.approx(0.25) and figures['fresh.miou'] == pytest.approx(0.45)
    assert figures['fresh.miou_gain'] == pytest.approx(0.2) and figures['half_stale.miou_gain'] == 0.0
    assert figures['fresh.miou_gain.low95'] == pytest.approx(0.2) == figures['fresh.miou_gain.high95']
    assert figures['fresh.miou_over_all_stale'] == pytest.approx(0.2)
    assert figures['fresh.never_free_called_free_gain'] == pytest.approx(-0.1)
    worlds[1][0].counts['fresh'] = counts(10, 100)
    apart = figures_of(worlds, 0)
    assert apart['fresh.miou_gain.low95'] == 0.0 and apart['fresh.miou_gain.high95'] == pytest.approx(0.2)


def test_simulated_worlds_with_lanes_are_measured_with_their_own_map(plain, taught, tmp_path):
    data = tmp_path / 'made'
    write_holdout(data, Choice(5, 3, 1), 1, lambda *told: None)
    command = ['evaluate', 'prior', '--data', str(data), '--out', str(tmp_path / 'out'), '--model', str(taught)]
    assert main(command) == 0
    told = json.loads((tmp_path / 'out/result.json').read_text())
    assert told['n_worlds'] == 2 and told['n_worlds_without_map'] == 1 and told['n_frames'] == 2
    assert told['prior.fresh.heard'] == 1.0 and len(told['answers']) == 10
    for name in told['items']:
        stored = {way: np.load(tmp_path / f'out/{name}.{way}.npz')['class'] for way in ('without', 'fresh')}
        assert stored['without'].shape == stored['fresh'].shape == (256, 256)
    with pytest.raises(SettingsError, match='knows no maps'):
        evaluate(Task(data, tmp_path, model=str(plain)))
    with pytest.raises(SettingsError, match='name one by --model'):
        evaluate(Task(data, tmp_path))
    rough = tmp_path / 'rough'
    write_holdout(rough, Choice(5, 1, 1, families=('rough',)), 1, lambda *told: None)
    with pytest.raises(DataError, match='no world with lanes'):
        evaluate(Task(rough, tmp_path, model=str(taught)))
