"""Ground, heights and terrain with a network in: its word counts, the geometric channel stands beside it."""

from dataclasses import replace

import numpy as np
import pytest
from perception_scenes import scan
from test_semantics import said

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.objects import no_objects
from autonomy_nodes.evaluation.measures import elevation, ground, single, terrain
from autonomy_nodes.evaluation.measures.labelled_ground import sources
from autonomy_nodes.evaluation.measures.task import Task

ROAD, FROM_BASE_M = 9, np.array([0.76, 0.0, 1.73])


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
    """Return a folder with one sweep of a road, as SemanticKITTI has it."""
    folder = tmp_path_factory.mktemp('plain')
    xyz = (scan(beams=32, azimuths=450).xyz - FROM_BASE_M).astype(np.float32)
    np.savez(folder / '01_000000.npz', xyz=xyz, learn=np.full(len(xyz), ROAD, np.uint8))
    return folder


@pytest.fixture
def measure(plain, tmp_path, monkeypatch):
    """Return a function that measures the plain with a network that says the same of every cell."""

    def measured(module, name, chance=0.99, lower_m=0.0, blocked=-5.0, **options):
        class Channel:
            knows_maps = False

            def perceive(self, cloud, ground, rays=None, sensor_m=None, earlier=None, lap=None, hear=None, chart=None):
                learned = said(name, chance, blocked)
                learned.outputs['ground'][0] = -lower_m
                return replace(learned, objects=no_objects(cloud.stamp_ns, 'base_link', tracked=False))

        monkeypatch.setattr(single, '_opened', lambda network: Channel())
        monkeypatch.setattr(single, 'folder_of', lambda name: name)
        return module.evaluate(Task(plain, tmp_path, model='made', options=options)).figures

    return measured


def test_what_the_network_calls_water_is_neither_paved_nor_free_and_mud_is_not_paved(measure):
    figures, mud = measure(terrain, 'wet', blocked=3.0), measure(terrain, 'wet')
    assert figures['iou.paved'] == figures['called_free.paved'] == mud['iou.paved'] == 0.0
    assert mud['called_free.paved'] == pytest.approx(mud['geometric.called_free.paved'], abs=0.03)
    assert figures['geometric.iou.paved'] > 0.95 and figures['geometric.called_free.paved'] > 0.9


def test_what_it_calls_paved_is_as_free_as_by_shape(measure):
    figures = measure(terrain, 'paved', 0.99)
    assert figures['iou.paved'] > 0.95
    assert figures['called_free.paved'] == pytest.approx(figures['geometric.called_free.paved'], abs=0.03)


def test_soil_counts_as_low_vegetation_where_labels_do_not_tell_them_apart(measure):
    assert {*measure(terrain, 'loose')} >= {'iou.low_vegetation', 'iou.paved'}
    assert measure(terrain, 'loose')['iou.low_vegetation'] == measure(terrain, 'low_vegetation')['iou.low_vegetation']
    assert 'iou.loose' not in measure(terrain, 'loose')


def test_the_limit_of_free_is_an_option(measure):
    low, high = (measure(terrain, 'paved', free=free)['called_free.paved'] for free in ('0.1', '0.95'))
    assert low > 0.9 and high == 0.0


def test_points_that_the_network_knows_to_stand_are_no_ground(measure):
    figures = measure(ground, 'high_vegetation', lower_m=0.5)
    assert figures['recall'] < 0.2 < 0.9 < figures['geometric.recall']  # beyond its cells nothing changes


def test_heights_move_towards_the_network_where_it_is_surer(measure, plain, tmp_path):
    """Told variance 1, counted four times, against a few cm^2 of seen cells: hardly; guessed cells a good deal."""
    measure(terrain, 'paved', lower_m=0.5)
    sweep = next(source for _, (_, source) in sources(plain)).read()
    (with_it, _), (alone, _) = elevation.mapped(sweep, (tmp_path, 'auto')), elevation.mapped(sweep)
    lower = alone.layers['elevation'] - with_it.layers['elevation']
    seen = alone.layers['observed'] == 1.0
    assert lower.min() >= 0.0 and lower[seen].max() < 0.05 and 0.05 < lower[~seen].max() < 0.5
    assert (with_it.layers['variance'] <= alone.layers['variance']).all()


@pytest.mark.parametrize('words', [['terrain', '--set', 'free=2'], ['odometry', '--model', 'lidar_small']])
def test_options_that_mean_nothing_are_refused(words, plain, tmp_path, capsys):
    assert main(['evaluate', *words, '--data', str(plain), '--out', str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert 'free=2' in said or ('odometry runs no network' in said and 'terrain' in said)
