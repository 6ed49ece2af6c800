"""`autonomy evaluate lanes`: what a perfect network scores, what an untrained one leaves, and what is refused."""

import json
from functools import lru_cache

import cv2
import numpy as np
import pytest
from lane_cells import LaneEngine, line_cells, mark_cells
from lane_drives import written
from real_data import sensors

from autonomy_nodes.commands.main import main
from autonomy_nodes.evaluation.measures import lanes
from autonomy_nodes.evaluation.measures.labelled_ground import sources
from autonomy_nodes.evaluation.measures.lane_scores import even
from autonomy_nodes.evaluation.measures.lane_truth import truth_of
from autonomy_nodes.evaluation.measures.task import Task
from autonomy_nodes.messages.formats.frames import BASE
from autonomy_nodes.perception.bev import LANDMARKS, LANE_KINDS
from autonomy_nodes.perception.lanes.channel import LaneChannel, Road
from autonomy_nodes.perception.lanes.lines import Told


@pytest.fixture(scope='module')
def drives(tmp_path_factory):
    return written(tmp_path_factory.mktemp('lanes') / 'made')


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """A network that learned for two steps."""
    torch = pytest.importorskip('torch', reason='training needs torch')
    pytest.importorskip('onnxscript')
    from autonomy_nodes.training.export_lanes import export_lanes
    from autonomy_nodes.training.train_lanes import PRESETS, train

    threads, place = torch.get_num_threads(), tmp_path_factory.mktemp('model')
    checkpoint = train(PRESETS['ci'], 1.0, place, steps=2, tell=lambda line: None)
    torch.set_num_threads(threads)
    export_lanes(checkpoint, place / 'mine', 'mine')
    return place / 'mine'


def truth(source):
    return truth_of(source.folder).about(source.frame.map_from(BASE))


def knowing(source, aside_m=0.0):
    """A channel that tells what is true of a sweep, all of it aside_m to the left."""
    lines, marks = truth(source)
    cells = line_cells(*((kind, even(line) + (0.0, aside_m)) for kind, line in lines if len(even(line)) > 1))
    return LaneChannel(LaneEngine(cells, mark_cells(*((int(kind), x, y + aside_m, 4.0) for kind, x, y in marks))))


def figures(source, channel, out, monkeypatch):
    monkeypatch.setattr(lanes, '_channel', lambda network: channel)
    return lanes.summed([lanes.measured(('one', source), out, ('mine', 'auto'))], 0)


@pytest.fixture(scope='module')
def places(drives):
    """A sweep of a road, and one of a junction."""
    return [source for _, (_, source) in sources(drives)]


@pytest.fixture(scope='module')
def road(places):
    return places[0]


def test_a_network_that_knows_the_map_scores_one_where_lines_have_no_corners(road, tmp_path, monkeypatch):
    """The edge of the road has bays: lines end at their corners, but one is followed past a step of 2 m."""
    found = figures(road, knowing(road), tmp_path, monkeypatch)
    assert found['n_divider'] >= 2 and found['n_boundary'] >= 2 and found['n_centre'] >= 2
    assert found['divider.ap'] == found['centre.ap'] == pytest.approx(1.0) and 0.4 < found['boundary.ap'] < 0.9
    for kind in ('divider', 'boundary', 'centre'):
        assert found[f'{kind}.recall'] > 0.95 and found[f'{kind}.precision'] > 0.95
    assert found['map'] == pytest.approx((2.0 + found['boundary.ap']) / 3.0) == pytest.approx(found['map.low95'])
    assert found['pole.recall'] == found['pole.precision'] == 1.0


def test_at_a_junction_only_middles_of_lanes_lose_for_they_turn_over_one_another(places, tmp_path, monkeypatch):
    found = figures(places[1], knowing(places[1]), tmp_path, monkeypatch)
    for kind in ('divider', 'boundary', 'stop_line', 'crossing'):
        assert found[f'n_{kind}'] and found[f'{kind}.ap'] == pytest.approx(1.0), kind
    assert 0.6 < found['centre.ap'] < 0.85 and found['centre.precision'] > 0.97 and found['centre.recall'] > 0.85


def test_one_that_is_0_8_m_aside_is_right_at_two_of_three_distances_and_covers_nothing(road, tmp_path, monkeypatch):
    found = figures(road, knowing(road, 0.8), tmp_path, monkeypatch)
    assert found['divider.ap'] == pytest.approx(2 / 3)
    assert found['divider.recall'] == found['divider.precision'] == 0.0
    assert found['pole.recall'] == 1.0  # within 1 m


def test_one_that_tells_nothing_scores_nothing_and_paint_stands_beside_it(road, tmp_path, monkeypatch):
    found = figures(road, LaneChannel(LaneEngine()), tmp_path, monkeypatch)
    assert found['map'] == found['divider.ap'] == found['divider.recall'] == 0.0 and 'divider.precision' not in found
    assert found['paint.divider.recall'] > 0.05 and found['paint.divider.precision'] > 0.3


def test_lines_and_marks_are_left_as_geojson(road, tmp_path, monkeypatch):
    figures(road, knowing(road), tmp_path, monkeypatch)
    told = json.loads((tmp_path / 'one.geojson').read_text())
    assert told['type'] == 'FeatureCollection'
    kinds = {(one['properties']['class'], one['geometry']['type']) for one in told['features']}
    assert kinds >= {('divider', 'LineString'), ('centre', 'LineString'), ('pole', 'Point')}
    assert all(0.0 < one['properties']['score'] <= 1.0 for one in told['features'])
    line = np.array([[0.0, 1.0], [0.80004, 1.0]])
    marks = np.array([[LANDMARKS.index('sign'), 3.0, -2.0, 0.75]])
    small = lanes.geojson(Road([Told(LANE_KINDS.index('crossing'), line, 0.5)], marks, np.zeros(1), np.zeros(1)))
    assert [one['geometry']['coordinates'] for one in small['features']] == [[[0.0, 1.0], [0.8, 1.0]], [3.0, -2.0]]
    assert [one['properties']['class'] for one in small['features']] == ['crossing', 'sign']


def test_the_picture_shows_a_line_on_the_left_where_the_map_has_it_on_the_right(road, monkeypatch):
    """Both halves hold the colour of dividers when the network knows the map, the right one alone when it is silent."""
    yellow = lambda panel: (np.abs(panel.astype(int) - (80, 220, 255)).max(axis=2) < 12).sum()  # noqa: E731
    counts = []
    for channel in (knowing(road), LaneChannel(LaneEngine())):
        monkeypatch.setattr(lanes, '_channel', lru_cache(lambda network, channel=channel: channel))
        shown = cv2.imdecode(np.frombuffer(lanes.drawn(road, ('mine', 'auto'), 'one'), np.uint8), cv2.IMREAD_COLOR)
        half = shown[:-30, : shown.shape[1] // 2 - 3], shown[:-30, shown.shape[1] // 2 + 3 :]
        counts.append([int(yellow(panel)) for panel in half])
    (both, beside), (nothing, same) = counts
    assert beside == same > 200 and nothing == 0 and both == pytest.approx(beside, rel=0.25)


def test_the_command_leaves_lines_figures_and_a_page_and_repeats_to_the_byte(drives, model, tmp_path, capsys):
    outs = tmp_path / 'one', tmp_path / 'two'
    for out in outs:
        words = ['evaluate', 'lanes', '--data', str(drives), '--model', str(model), '--out', str(out)]
        assert main([*words, '--json', str(out.with_suffix('.json'))]) == 0
    assert 'divider.ap' in capsys.readouterr().out
    names = sorted(path.name for path in outs[0].glob('*.geojson'))
    assert names == ['00_000000.geojson', '01_000000.geojson']
    for name in names:
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes()
    told = json.loads(outs[0].with_suffix('.json').read_text())
    wanted = {f'lanes.{name}' for name in ('map', 'divider.ap', 'crossing.ap', 'paint.divider.recall', 'cpu_s')}
    assert told['n_frames'] == 2 and wanted <= set(told)
    page = (outs[0] / 'page.html').read_text()
    assert page.count('data:image/png') >= 2 and '01_000000' in page


@pytest.mark.parametrize('more, remedy', [
    ([], 'needs --model NAME'),
    (['--model', 'lidar_small'], 'give one of `autonomy train lanes`'),
    (['--model', 'nowhere'], 'nor a folder with manifest.json'),
])  # fmt: skip
def test_without_a_network_of_lanes_the_command_says_what_it_needs(more, remedy, drives, tmp_path, capsys):
    if more and more[1] == 'lidar_small':
        pytest.importorskip('onnxruntime')
    words = ['evaluate', 'lanes', '--data', str(drives), '--out', str(tmp_path / 'out')]
    assert main([*words, *more]) == 2 and remedy in capsys.readouterr().err


def test_where_no_map_tells_of_the_road_the_command_says_which_data_have_one(drives, model, tmp_path, capsys):
    bare = tmp_path / 'sequences' / '00'
    (bare / 'velodyne').mkdir(parents=True)
    drive = drives / 'sequences' / '00'
    for name in ('calib.txt', 'times.txt', 'poses.txt', 'velodyne/000000.bin', 'labels/000000.label'):
        (bare / name).parent.mkdir(exist_ok=True)
        (bare / name).write_bytes((drive / name).read_bytes())
    words = ['evaluate', 'lanes', '--data', str(tmp_path), '--model', str(model), '--out', str(tmp_path / 'out')]
    assert main(words) == 2
    assert 'no sweep about which a map tells; give simulated drives or Argoverse 2' in capsys.readouterr().err


def test_argoverse_is_measured_without_marks(model, tmp_path):
    pytest.importorskip('onnxruntime')
    task = Task(sensors('argoverse2_7fab2350'), tmp_path, limit=1, model=str(model))
    found = lanes.evaluate(task).figures
    assert found['n_frames'] == 1 and found['n_divider'] >= 5 and found['n_stop_line'] == 0
    assert 'pole.recall' not in found and 'stop_line.ap' not in found
