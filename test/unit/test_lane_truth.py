"""The road as it is true: on the paint and on the edges of training places, of simulated worlds, of a real map."""

import json
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest
from flat_examples import example_of
from lane_cells import along
from lane_drives import written
from real_data import sensors
from scipy.spatial import cKDTree

pytest.importorskip('torch', reason='targets are in torch')

from autonomy_nodes.common.geometry import matrix_of_rpy, moved  # noqa: E402
from autonomy_nodes.common.types import DataError  # noqa: E402
from autonomy_nodes.evaluation.measures.labelled_ground import sources  # noqa: E402
from autonomy_nodes.evaluation.measures.lane_truth import truth_of  # noqa: E402
from autonomy_nodes.messages.formats.frames import BASE  # noqa: E402
from autonomy_nodes.perception.bev import CELL_M, LANDMARKS, LANE_KINDS, LANES, LANES_ORIGIN_M  # noqa: E402
from autonomy_nodes.sim.materials import Material, Semantic  # noqa: E402
from autonomy_nodes.sim.plots.plots import plot  # noqa: E402
from autonomy_nodes.sim.scenes import made  # noqa: E402
from autonomy_nodes.training import augmentation as aug  # noqa: E402
from autonomy_nodes.training.examples import Lanes  # noqa: E402
from autonomy_nodes.training.lane_truth import lanes_of  # noqa: E402
from autonomy_nodes.training.lanes import targets_of  # noqa: E402
from autonomy_nodes.training.places import PlaceSettings, examples  # noqa: E402

PAINT = (Material.PAINT_WHITE, Material.PAINT_YELLOW)
POSE = matrix_of_rpy(np.array([3.0, -1.0, 0.4]), np.array([0.0, 0.0, 0.5]))


@lru_cache
def place(recipe, seed):
    """A training place, and what is true about a pose in it."""
    here = plot(seed, recipe)
    return here, lanes_of(here, POSE)


def of_kind(lines, kind):
    return [line for number, line in lines if LANE_KINDS[number] == kind]


def in_map(line):
    return line @ POSE[:2, :2].T + POSE[:2, 3]


def on_paint(relief, xy, aside_m=0.0):
    s, n = relief.from_map(xy)
    return np.isin(relief.painted(relief.to_map(s, n + aside_m), np.full(len(s), 255)), PAINT)


@pytest.mark.parametrize('recipe, least', [('arterial', 0.5), ('street', 0.1), ('suburb', 0.1), ('crossroads', 0.1)])
def test_dividers_of_training_places_lie_on_paint_and_half_a_metre_beside_there_is_none(recipe, least):
    """Dashes are a third of a line and less, and paint wears off; two lines of an arterial are whole."""
    for seed in (1, 2, 3):
        here, lanes = place(recipe, seed)
        for line in of_kind(lanes.lines, 'divider'):
            if len(line) > 40:
                xy = in_map(line)
                assert on_paint(here.relief, xy).mean() > 0.08
        xy = in_map(np.concatenate(of_kind(lanes.lines, 'divider')))
        assert on_paint(here.relief, xy).mean() > least
        assert max(on_paint(here.relief, xy, aside_m).mean() for aside_m in (-0.5, 0.5)) < 0.1


def test_stop_lines_of_training_places_lie_on_paint():
    for seed in (1, 2, 3):
        here, lanes = place('crossroads', seed)
        xy = in_map(np.concatenate(of_kind(lanes.lines, 'stop_line')))
        s, n = here.relief.from_map(xy)
        assert on_paint(here.relief, xy).mean() > 0.4
        assert not on_paint(here.relief, here.relief.to_map(s + 0.6, n)).any()


@pytest.mark.parametrize('recipe', ['arterial', 'street', 'suburb', 'crossroads', 'works'])
def test_boundaries_of_training_places_lie_where_the_ground_changes_or_a_kerb_stands(recipe):
    """0.1 m to both sides, along or across the road: another material, or a step of 3 cm at least."""
    for seed in (1, 2):
        here, lanes = place(recipe, seed)
        relief = here.relief
        s, n = relief.from_map(in_map(np.concatenate(of_kind(lanes.lines, 'boundary'))))
        changes = []
        for ds, dn in ((0.1, 0.0), (0.0, 0.1)):
            (low, one, _, _), (high, two, _, _) = (
                relief.cells(relief.to_map(s + sign * ds, n + sign * dn)) for sign in (-1.0, 1.0)
            )
            changes.append((one != two) | (np.abs(low - high) > 0.03))
        assert np.any(changes, axis=0).mean() > 0.95


def test_middles_of_training_places_run_as_traffic_does():
    """Traffic keeps to the right: what runs along the road lies right of its middle, what comes back left of it."""
    here, lanes = place('street', 2)
    for line in of_kind(lanes.lines, 'centre'):
        s, n = here.relief.from_map(in_map(line))
        assert np.sign(s[-1] - s[0]) == -np.sign(n.mean())


def test_marks_of_training_places_are_where_points_of_poles_lie():
    """Half of the points of poles, and of signs, lie within 0.6 m of one that stands there."""
    seen = 0
    for example in examples(3, PlaceSettings(views=3, before_share=0.0, recipe='street')):
        for mark, semantic in (('pole', Semantic.POLE), ('sign', Semantic.SIGN)):
            places = example.lanes.marks[example.lanes.marks[:, 0] == LANDMARKS.index(mark), 1:]
            points = example.points[example.semantics == semantic, :2]
            inside = ((points > LANES_ORIGIN_M) & (points < LANES_ORIGIN_M + np.array(LANES) * CELL_M)).all(axis=1)
            if inside.sum() > 10:
                assert np.median(cKDTree(places).query(points[inside])[0]) < 0.6
                seen += 1
    assert seen


def lonely(*lines, marks=()):
    return replace(
        example_of([], [], np.random.default_rng(0)), lanes=Lanes(tuple(lines), np.array(marks, float).reshape(-1, 3))
    )


def some():
    """A divider that bends, a middle that runs to the left, a pole."""
    bend = along((-5.0, 2.0), (10.0, 4.0), (20.0, 9.0), step_m=0.5)
    return lonely((0, bend), (4, along((8.0, -9.0), (8.0, 9.0), step_m=0.5)), marks=[(0, 12.0, 5.0)])


def test_targets_of_a_mirrored_example_are_the_mirrored_targets():
    one, two = targets_of(some()), targets_of(aug.flipped(some()))
    for name in ('lines', 'beside', 'marks', 'mark_beside'):
        np.testing.assert_array_equal(two[name], one[name][..., ::-1])
    signs = np.array([1.0, -1.0, 1.0, -1.0])[None, :, None, None]  # y, and the sine
    away = np.abs(two['line_at'] - one['line_at'][..., ::-1] * signs)
    assert away.max() < 0.15 and np.median(away[one['line_at'][..., ::-1] != 0.0]) < 1e-6
    assert one['lines'].any(axis=(1, 2)).tolist() == [True, False, False, False, True]


def test_lines_and_marks_turn_and_grow_with_the_points():
    """What is painted on points of the sweep before lies on the same points after."""
    here = some()
    (_, line), pole = here.lanes.lines[0], here.lanes.marks[0, 1:]
    count = len(line)
    points = here.points.copy()
    points[:count, :2], points[count, :2] = line, pole
    for changed in (aug.turned(replace(here, points=points), 0.6, 1.04), aug.flipped(replace(here, points=points))):
        assert changed.lanes.lines[0][1] == pytest.approx(changed.points[:count, :2], abs=1e-4)
        assert changed.lanes.marks[0, 1:] == pytest.approx(changed.points[count, :2], abs=1e-4)
    away = aug.turned(here, 0.6).lanes.lines[1][1]
    assert np.arctan2(*(away[-1] - away[0])[::-1]) == pytest.approx(np.pi / 2 + 0.6)


@pytest.fixture(scope='module')
def drives(tmp_path_factory):
    return written(tmp_path_factory.mktemp('lanes') / 'made')


def about(source):
    return truth_of(source.folder).about(source.frame.map_from(BASE))


def test_points_of_markings_in_simulated_drives_lie_on_the_lines_of_the_map(drives):
    """The line's points are 0.5 m apart, and paint is 0.15 m wide: 0.33 m away at most. Zebras are 3 m wide."""
    seen = 0
    for _, (_, source) in sources(drives):
        xyz = moved(source.frame.clouds['top']().xyz.astype(float), source.frame.base_from('lidar_top'))
        xy = xyz[source.frame.labels().ids == 60, :2]
        xy = xy[((xy > LANES_ORIGIN_M) & (xy < LANES_ORIGIN_M + np.array(LANES) * CELL_M)).all(axis=1)]
        lines, _ = about(source)
        zebras = of_kind(lines, 'crossing')
        if zebras:
            xy = xy[cKDTree(np.concatenate(zebras)).query(xy)[0] > 2.5]
        paint = of_kind(lines, 'divider') + of_kind(lines, 'stop_line')
        away = cKDTree(np.concatenate(paint)).query(xy)[0]
        assert len(xy) > 20 and (away < 0.35).mean() > 0.95
        seen += len(xy)
    assert seen > 500


def sides(line, off_m):
    """Places off_m left and right of the middles of the steps of a line."""
    steps, middles = np.diff(line, axis=0), 0.5 * (line[1:] + line[:-1])
    left = np.stack([-steps[:, 1], steps[:, 0]], axis=-1) / np.linalg.norm(steps, axis=1)[:, None]
    return middles + off_m * left, middles - off_m * left


def driven(areas, xy):
    """Whether places (N, 2) lie within one of the areas."""
    return np.array([
        any(cv2.pointPolygonTest(area, (float(x), float(y)), False) >= 0 for area in areas) for x, y in xy
    ])  # fmt: skip


def test_edges_of_simulated_worlds_part_what_is_driven_on_from_the_rest_and_middles_lie_on_it(drives):
    for _, (_, source) in sources(drives):
        rig = json.loads((source.folder / 'rig.json').read_text())
        areas = [np.float32(area.polygon) for area in made(rig['family'], rig['world_seed']).areas if area.drivable]
        lines = [(kind, line[::8, :2]) for kind, line in truth_of(source.folder).lines]
        for line in of_kind(lines, 'boundary'):
            one, two = (driven(areas, places) for places in sides(line, 0.4))
            assert (one != two).mean() > 0.9
        assert driven(areas, np.concatenate(of_kind(lines, 'centre'))).mean() > 0.98


def test_lines_of_argoverse_lie_where_the_vehicle_drives_and_paint_shines():
    """It drives along the nearest middle of a lane, in its direction, and on dividers there is more light."""
    for _, (_, source) in sources(sensors('argoverse2_7fab2350')):
        lines, marks = about(source)
        assert marks is None and {LANE_KINDS[kind] for kind, _ in lines} >= {'divider', 'boundary', 'centre'}
        middles = of_kind(lines, 'centre')
        places = np.concatenate(middles)
        steps = np.concatenate([np.gradient(line, axis=0) for line in middles])
        nearest = np.hypot(*places.T).argmin()
        assert np.hypot(*places[nearest]) < 1.0
        assert abs(np.arctan2(steps[nearest, 1], steps[nearest, 0])) < 0.2
        sweep = source.read()
        away = cKDTree(np.concatenate(of_kind(lines, 'divider'))).query(sweep.xyz[sweep.ground, :2])[0]
        light = sweep.intensity[sweep.ground]
        assert light[away < 0.25].mean() > 1.2 * light[(away > 0.6) & (away < 1.2)].mean()


def test_a_map_that_is_none_is_refused_by_name_and_a_folder_without_one_tells_nothing(tmp_path):
    assert truth_of(tmp_path) is None
    (tmp_path / 'log_map.json').write_text('{"lane_segments": {}}')
    with pytest.raises(DataError, match='log_map.json: is no vector map of Argoverse 2'):
        truth_of(tmp_path)
