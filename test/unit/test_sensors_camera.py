from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomy_nodes.common.sensing import CameraModel, Image
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.sensors.camera import CameraConfig, Presence, Rectifier, intrinsics_difference_px, projected, scaled

START = 1_000 * SECOND_NS
TENTH = SECOND_NS // 10


def camera(model='plumb_bob', distortion=(0, 0, 0, 0, 0), width=640, height=480, focal=400.0):
    matrix = np.array([[focal, 0, width / 2 - 10], [0, focal, height / 2 + 5], [0, 0, 1]], float)
    projection = np.hstack([matrix, np.zeros((3, 1))])
    return CameraModel(START, 'cam', width, height, matrix, model, np.array(distortion, float), np.eye(3), projection)


BENT = {
    'plumb_bob': (-0.25, 0.06, 0.001, -0.002, 0.0),
    'rational_polynomial': (0.3, -0.05, 0.001, 0.001, 0.01, 0.55, -0.03, 0.02),
    'equidistant': (-0.02, 0.01, -0.003, 0.001),
}


def dotted(model, points):
    """A black picture with a white dot of 7 x 7 pixels where each point of the world is seen."""
    pixels = np.zeros((model.height, model.width, 3), np.uint8)
    for across, down in np.round(projected(model, points)).astype(int):
        pixels[down - 3 : down + 4, across - 3 : across + 4] = 255
    return Image(START, 'cam', pixels)


def dot_near(pixels, place):
    """The middle of what is white within 12 pixels of a place."""
    across, down = np.round(place).astype(int)
    part = pixels[down - 12 : down + 13, across - 12 : across + 13, 0].astype(float)
    rows, columns = np.nonzero(part > 127)
    return np.array([columns.mean() + across - 12, rows.mean() + down - 12])


@pytest.mark.parametrize('width_px', [0, 320, 500])
@pytest.mark.parametrize('model_name', BENT)
def test_points_are_seen_where_the_new_calibration_says(model_name, width_px):
    """Rays up to 27 degrees off, seen by the bent lens, come out where a pinhole with the new matrix sees them."""
    model = camera(model_name, BENT[model_name], width=1280, height=960, focal=800.0)
    points = np.array([[x, y, 1.0] for x in (-0.45, 0.0, 0.45) for y in (-0.3, 0.0, 0.3)])
    given_back = Rectifier('front', width_px).rectified(dotted(model, points), model)
    fitting, pixels = given_back.model, given_back.image.pixels
    assert pixels.shape == (fitting.height, fitting.width, 3)
    assert fitting.width == (width_px or 1280)
    assert (fitting.model, fitting.distortion.any(), fitting.stamp_ns) == ('plumb_bob', False, START)
    assert np.array_equal(fitting.projection[:, :3], fitting.matrix)
    for point in points:
        place = (fitting.matrix @ point)[:2]
        assert dot_near(pixels, place) == pytest.approx(place, abs=0.8)


def test_a_lens_without_distortion_at_full_size_changes_no_bit():
    model = camera()
    image = Image(START, 'cam', np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8))
    given_back = Rectifier('front', 0).rectified(image, model)
    assert given_back.image.pixels.tobytes() == image.pixels.tobytes()
    assert np.array_equal(given_back.model.matrix, model.matrix)


def test_a_picture_of_half_the_size_has_half_the_focal_length_and_its_centre_moves_about_a_corner():
    """The centre at 310 lies 310.5 pixels from the picture's edge; half of that is 155.25, less half a pixel."""
    matrix = scaled(camera(), 320, 240)
    assert matrix[0].tolist() == [200.0, 0.0, 154.75]
    assert matrix[1].tolist() == [0.0, 200.0, 122.25]


def test_shrinking_averages_fine_patterns_instead_of_skipping_pixels():
    pixels = np.zeros((480, 640, 3), np.uint8)
    pixels[:, ::2] = 255
    small = Rectifier('front', 160).rectified(Image(START, 'cam', pixels), camera()).image.pixels
    assert small[5:-5, 5:-5].min() > 110 and small[5:-5, 5:-5].max() < 145


def test_a_wider_fisheye_shows_more():
    model = camera('equidistant', BENT['equidistant'])
    image = Image(START, 'cam', np.full((480, 640, 3), 99, np.uint8))
    assert Rectifier('front', 0, wider=2.0).rectified(image, model).model.matrix[0, 0] == pytest.approx(200.0)


def plain(stamp_ns=START):
    return Image(stamp_ns, 'cam', np.zeros((480, 640, 3), np.uint8))


def test_without_calibration_there_is_no_picture():
    with pytest.raises(DataError, match='front: no camera_info'):
        Rectifier('front', 0).rectified(plain(), None)


def test_a_calibration_of_another_size_is_refused():
    with pytest.raises(DataError, match='picture is 640 x 480, camera_info 1280 x 480'):
        Rectifier('front', 0).rectified(plain(), camera(width=1280))


def test_a_calibration_that_changes_is_refused_until_the_node_starts_again():
    rectifier, model = Rectifier('front', 0), camera()
    rectifier.rectified(plain(), model)
    rectifier.rectified(plain(START + TENTH), replace(model, matrix=model.matrix + [[0, 0, 0.9], [0, 0, 0], [0, 0, 0]]))
    moved = replace(model, matrix=model.matrix + [[0, 0, 1.1], [0, 0, 0], [0, 0, 0]])
    with pytest.raises(DataError, match='changed by 1.1 px'):
        rectifier.rectified(plain(START + 2 * TENTH), moved)
    rectifier.rectified(plain(START + 3 * TENTH), model)


def test_a_zero_or_repeated_stamp_is_refused():
    rectifier = Rectifier('front', 0)
    rectifier.rectified(plain(), camera())
    with pytest.raises(DataError, match='duplicate'):
        rectifier.rectified(plain(), camera())
    with pytest.raises(DataError, match='zero stamp'):
        rectifier.rectified(plain(0), camera())


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_moving_the_centre_differs_by_just_that(across, down):
    model = camera()
    moved = replace(model, matrix=model.matrix + [[0, 0, across], [0, 0, down], [0, 0, 0]])
    assert intrinsics_difference_px(model, moved) == pytest.approx(np.hypot(across, down), abs=1e-9)


def test_another_lens_or_size_differs_without_bound():
    assert intrinsics_difference_px(camera(), camera(width=641)) == float('inf')
    assert intrinsics_difference_px(camera(), camera('equidistant', (0, 0, 0, 0))) == float('inf')
    assert intrinsics_difference_px(camera(), camera(distortion=(0.01, 0, 0, 0, 0))) > 1.0


def test_a_camera_is_missing_after_three_of_its_periods():
    presence = Presence()
    assert presence.silent_s(START) == 0.0
    assert presence.silent_s(START + 5 * TENTH) == 0.0
    assert presence.silent_s(START + 7 * TENTH) == pytest.approx(0.7)  # never came
    for tenth in (10, 11, 12):
        presence.arrived(START + tenth * TENTH)
    assert presence.silent_s(START + 15 * TENTH) == 0.0
    assert presence.silent_s(START + 16 * TENTH) == pytest.approx(0.4)
    assert presence.silent_s(START) == 0.0  # the clock went back


@pytest.mark.parametrize(
    'settings, words',
    [
        ({'width_px': 8}, 'width_px=8'),
        ({'cameras': ('a', 'a')}, 'each once'),
        ({'cameras': ('a',), 'widths_px': {'b': 640}}, "widths_px names \\['b'\\]"),
        ({'wider': 0.0}, 'wider=0.0'),
    ],
)
def test_nonsense_settings_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        CameraConfig(**settings)


def test_one_camera_may_have_its_own_width():
    config = CameraConfig(cameras=('a', 'b'), width_px=640, widths_px={'b': 320})
    assert (config.width_of('a'), config.width_of('b')) == (640, 320)


def test_opencv_runs_the_maps_the_same_way_each_time():
    model, image = camera('plumb_bob', BENT['plumb_bob']), plain()
    noise = np.random.default_rng(1).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    pictures = [Rectifier('front', 300).rectified(replace(image, pixels=noise), model).image.pixels for _ in range(2)]
    assert pictures[0].tobytes() == pictures[1].tobytes()
