"""Paint by its brightness, and the words about visibility."""

import numpy as np
import pytest
from perception_scenes import scan

from autonomy_nodes.common.lanes import Line
from autonomy_nodes.common.sensing import Image
from autonomy_nodes.common.status import Level
from autonomy_nodes.perception.environment import described
from autonomy_nodes.perception.paint import PaintConfig, painted


def brightness(xyz, lines, scale=1.0, paint=3.0):
    """Return 1 for the road and more on `lines` (x0, x1, y0, y1), with a spread of a tenth and less with range."""
    values = np.random.default_rng(2).normal(1.0, 0.1, len(xyz))
    for x0, x1, y0, y1 in lines:
        values[(xyz[:, 0] > x0) & (xyz[:, 0] < x1) & (xyz[:, 1] > y0) & (xyz[:, 1] < y1)] *= paint
    return (scale * values / (1.0 + 0.02 * np.hypot(xyz[:, 0], xyz[:, 1]))).astype(np.float32)


def seen(lines, **more):
    cloud = scan(azimuths=1800)
    values = brightness(cloud.xyz, lines, **more)
    return painted(PaintConfig(), 5, cloud.xyz, values, np.ones(len(cloud), bool))


@pytest.mark.parametrize('scale', [0.2, 80.0])
def test_a_line_along_the_way_is_a_divider_in_pieces_whatever_the_sensors_scale(scale):
    lanes = seen([(-20.0, 20.0, 1.7, 1.85)], scale=scale)
    assert len(lanes.segments) >= 6 and (lanes.classes == Line.DIVIDER).all()
    np.testing.assert_allclose(lanes.segments[:, :, 1], 1.775, atol=0.12)
    np.testing.assert_allclose(lanes.segments[:, :, 2], 0.0, atol=0.05)
    lengths = np.linalg.norm(lanes.segments[:, 1] - lanes.segments[:, 0], axis=1)
    assert (lengths > 0.8).all() and (lengths < 4.5).all() and lengths.sum() > 10.0
    assert ((lanes.confidence > 0.0) & (lanes.confidence <= 1.0)).all()


def test_a_line_across_the_way_ahead_is_a_stop_line():
    lanes = seen([(9.0, 9.4, -3.5, 3.5)])
    assert (lanes.classes == Line.STOP_LINE).sum() >= 1
    middles = lanes.segments[lanes.classes == Line.STOP_LINE].mean(axis=1)
    np.testing.assert_allclose(middles[:, 0], 9.2, atol=0.2)


def test_a_bright_area_is_no_line():
    assert len(seen([(5.0, 20.0, 3.0, 12.0)]).segments) == 0


def verge_and_line(xyz, line):
    """Return the brightness of a road with a verge twice as bright from y = 2.4 on, and with paint before it."""
    values = brightness(xyz, [(-20.0, 20.0, 1.9, 2.05)] if line else [], paint=6.0)
    values[xyz[:, 1] > 2.4] *= 2.0
    return values


@pytest.mark.parametrize('line', [True, False])
def test_a_line_beside_a_bright_verge_is_seen_and_the_verge_is_none(line):
    cloud = scan(azimuths=1800)
    lanes = painted(PaintConfig(), 5, cloud.xyz, verge_and_line(cloud.xyz, line), np.ones(len(cloud), bool))
    if not line:
        assert len(lanes.segments) == 0
        return
    assert len(lanes.segments) >= 4
    np.testing.assert_allclose(lanes.segments[:, :, 1], 1.975, atol=0.12)


def test_a_rough_bright_surface_is_no_bundle_of_lines():
    cloud = scan(azimuths=1800)
    values = brightness(cloud.xyz, [])
    grain = np.random.default_rng(4).random(len(cloud)) < 0.1
    values[grain & (cloud.xyz[:, 0] > 4.0)] *= 4.0
    lanes = painted(PaintConfig(), 5, cloud.xyz, values, np.ones(len(cloud), bool))
    assert len(lanes.segments) == 0


def test_an_even_road_has_no_paint():
    assert len(seen([]).segments) == 0


def test_without_intensity_there_is_no_paint_but_the_extent_of_the_ground():
    lanes = seen([(-20.0, 20.0, 1.7, 1.85)], scale=0.0)
    assert len(lanes.segments) == 0 and lanes.stamp_ns == 5
    assert (lanes.seen_range_m > 60.0).all()


def test_the_extent_is_told_by_sector_from_behind_on_and_zero_where_nothing_was_seen():
    xyz = np.array([[10.0, 0.5, 0.0], [-0.5, -7.0, 0.0], [3.0, 0.1, 0.0]], np.float32)
    lanes = painted(PaintConfig(), 1, xyz, np.ones(3, np.float32), np.array([True, True, True]))
    assert np.flatnonzero(lanes.seen_range_m).tolist() == [17, 36]  # -94 degrees, and 0 to 5 degrees
    np.testing.assert_allclose(lanes.seen_range_m[[17, 36]], [np.hypot(0.5, 7.0), np.hypot(10.0, 0.5)], rtol=1e-6)


def test_an_empty_cloud_has_neither():
    lanes = painted(PaintConfig(), 1, np.zeros((0, 3), np.float32), np.zeros(0, np.float32), np.zeros(0, bool))
    assert len(lanes.segments) == 0 and not lanes.seen_range_m.any()


def test_nonsense_is_refused_by_name():
    with pytest.raises(ValueError, match='paint.contrast=1.0'):
        PaintConfig(contrast=1.0)


SEEN_M = np.full(72, 30.0)


def test_a_wide_view_is_good():
    words = described(3, scan(range_m=80.0).xyz, clutter=20, seen_range_m=SEEN_M, pictures={})
    assert (words.stamp_ns, words.level, words.text) == (3, Level.OK, 'visibility good')
    assert words.values['ground_ahead_m'] == '30'


def test_walls_alone_are_no_fog_but_a_short_view_full_of_drops_is():
    near = scan(range_m=20.0).xyz
    assert described(1, near, clutter=0, seen_range_m=SEEN_M, pictures={}).values['visibility'] == 'good'
    foggy = described(1, near, clutter=len(near) // 10, seen_range_m=SEEN_M, pictures={})
    assert (foggy.level, foggy.values['visibility']) == (Level.WARN, 'poor')


def test_next_to_no_returns_are_a_poor_view():
    words = described(1, np.zeros((0, 3), np.float32), clutter=0, seen_range_m=np.zeros(72), pictures={})
    assert words.level is Level.WARN and words.values['visibility'] == 'poor' and words.values['returns'] == '0'


LIGHTS = [(0, 20, 'dark'), (245, 255, 'blinded'), (120, 121, 'covered'), (0, 255, 'lit')]


@pytest.mark.parametrize('low, high, light', LIGHTS)
def test_pictures_tell_the_light(low, high, light):
    pixels = np.random.default_rng(1).integers(low, high, (240, 320, 3)).astype(np.uint8)
    words = described(1, scan().xyz, 0, SEEN_M, {'front': Image(1, 'front', pixels)})
    assert words.values['light.front'] == light and f'camera front {light}' in words.text
