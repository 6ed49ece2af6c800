import numpy as np
import pytest
from sim_worlds import plain, world

from autonomy_nodes.common.geometry import matrix_of_rpy
from autonomy_nodes.common.lanes import Line
from autonomy_nodes.sim.ground import Canvas, HeightField, stripes
from autonomy_nodes.sim.materials import Material, Semantic
from autonomy_nodes.sim.mesh import box, ellipsoid, tube
from autonomy_nodes.sim.raycast import NOBODY, Body, Rays
from autonomy_nodes.sim.world import Area, Paint, Solid


def at(x=0.0, y=0.0, z=0.0, yaw=0.0):
    return matrix_of_rpy(np.array([x, y, z]), np.array([0.0, 0.0, yaw]))


def ray(*direction):
    return (np.array([direction], float) / np.linalg.norm(direction)).astype(np.float32)


def down(count):
    return np.repeat(ray(0, 0, -1), count, axis=0)


def test_a_beam_that_points_down_meets_the_plain_where_geometry_says():
    angle = np.linspace(0.05, 1.2, 50)
    aims = np.stack([np.cos(angle), np.zeros(50), -np.sin(angle)], axis=-1).astype(np.float32)
    hits = Rays(world()).cast(np.array([0.0, 0.0, 2.0]), aims, limit_m=200.0)
    assert hits.ranges_m == pytest.approx(2.0 / np.sin(angle), rel=1e-4)
    assert hits.normals == pytest.approx(np.tile([0.0, 0.0, 1.0], (50, 1)), abs=1e-5)
    assert set(hits.semantics) == {Semantic.PAVED}


def test_a_beam_into_the_sky_or_beyond_the_limit_meets_nothing():
    aims = np.concatenate([ray(1, 0, 0.1), ray(1, 0, -0.1)])
    hits = Rays(world()).cast(np.array([0.0, 0.0, 2.0]), aims, limit_m=10.0)
    assert np.isinf(hits.ranges_m).all()
    assert set(hits.semantics) == {Semantic.NOTHING}


def test_a_box_is_met_at_its_face_and_its_label_and_colour_are_told():
    wall = Solid(Semantic.STRUCTURE, box(2.0, 6.0, 3.0, Material.WALL).shifted(x=11.0), tint=(0.9, 0.1, 0.2))
    hits = Rays(world(solids=(wall,))).cast(np.array([0.0, 0.0, 1.0]), np.concatenate([ray(1, 0, 0), ray(1, 0.2, 0)]))
    assert hits.ranges_m == pytest.approx([10.0, 10.0 * np.hypot(1.0, 0.2)], rel=1e-5)
    assert hits.normals == pytest.approx(np.tile([-1.0, 0.0, 0.0], (2, 1)), abs=1e-6)
    assert hits.semantics.tolist() == [Semantic.STRUCTURE] * 2
    assert hits.tints[0] == pytest.approx([0.9, 0.1, 0.2])
    assert hits.bodies.tolist() == [NOBODY] * 2


def test_the_nearer_of_two_movers_and_a_wall_is_met():
    wall = Solid(Semantic.STRUCTURE, box(1.0, 6.0, 3.0, Material.WALL).shifted(x=20.5))
    mesh = box(2.0, 2.0, 2.0, Material.BODY)
    rays, aim = Rays(world(solids=(wall,))), ray(1, 0, 0)
    bodies = [Body(7, mesh, at(x=15.0)), Body(8, mesh, at(x=10.0, yaw=np.pi / 4))]
    hits = rays.cast(np.array([0.0, 0.0, 1.0]), aim, bodies)
    assert hits.bodies.tolist() == [8]
    assert hits.ranges_m[0] == pytest.approx(10.0 - np.sqrt(2.0), rel=1e-5)  # the corner points at us
    assert rays.cast(np.array([0.0, 0.0, 1.0]), aim, bodies[:1]).bodies.tolist() == [7]
    assert rays.cast(np.array([0.0, 0.0, 1.0]), aim).ranges_m[0] == pytest.approx(20.0, rel=1e-5)


def test_rays_from_many_places_meet_a_mover_wherever_they_start():
    rng = np.random.default_rng(3)
    places = np.column_stack([rng.uniform(-50, 50, (4000, 2)), np.full(4000, 6.0)])
    body = Body(5, box(8.0, 6.0, 2.0, Material.BODY), at(x=10.0, y=-7.0))
    hits = Rays(world()).cast(places, down(4000), [body])
    above = (np.abs(places[:, 0] - 10.0) < 4.0) & (np.abs(places[:, 1] + 7.0) < 3.0)
    assert np.array_equal(hits.bodies == 5, above)
    assert hits.ranges_m == pytest.approx(np.where(above, 4.0, 6.0), rel=1e-5)


def test_a_mover_is_met_where_it_is_when_the_ray_is_sent():
    body = Body(3, box(2.0, 2.0, 2.0, Material.BODY), at(x=20.0), velocity_mps=np.array([10.0, 0.0, 0.0]))
    times = np.array([-0.05, 0.0, 0.05])
    hits = Rays(world()).cast(np.array([0.0, 0.0, 1.0]), np.repeat(ray(1, 0, 0), 3, axis=0), [body], times_s=times)
    assert hits.ranges_m == pytest.approx([18.5, 19.0, 19.5], rel=1e-5)


def test_a_mover_that_turns_is_met_turned():
    wall = Body(3, box(10.0, 0.2, 2.0, Material.BODY), at(x=20.0, yaw=np.pi / 2), turn_rps=-0.5)
    times = np.array([0.0, 1.0])
    hits = Rays(world()).cast(np.array([0.0, 2.0, 1.0]), np.repeat(ray(1, 0, 0), 2, axis=0), [wall], times_s=times)
    assert hits.ranges_m == pytest.approx([19.9, 20.0 + 2.0 * np.tan(0.5) - 0.1 / np.cos(0.5)], rel=1e-5)
    assert hits.normals[1] == pytest.approx([-np.cos(0.5), np.sin(0.5), 0.0], abs=1e-5)


def test_paint_and_areas_are_what_a_beam_meets_on_the_ground():
    stripe = Paint(Line.DIVIDER, np.array([[-20.0, 1.0], [20.0, 1.0]]), width_m=0.2, on_m=4.0, off_m=6.0)
    meadow = Area(np.array([[-5.0, -9.0], [5.0, -9.0], [5.0, -3.0], [-5.0, -3.0]]), Material.GRASS)
    rays = Rays(world(paint=(stripe,), areas=(meadow,)))
    places = np.array([[2.0, 1.0, 5.0], [2.0, 1.15, 5.0], [6.0, 1.0, 5.0], [0.0, -5.0, 5.0]])
    hits = rays.cast(places, np.repeat(ray(0, 0, -1), 4, axis=0))
    assert hits.materials.tolist() == [Material.PAINT_WHITE, Material.ASPHALT, Material.ASPHALT, Material.GRASS]
    assert hits.semantics.tolist() == [Semantic.PAVED] * 3 + [Semantic.LOW_VEGETATION]


@pytest.mark.parametrize('turn', [0.0, 0.3, 0.8])
def test_a_stripe_is_as_wide_as_told_whichever_way_it_runs(turn):
    along = np.array([np.cos(turn), np.sin(turn)])
    rays = Rays(world(paint=(Paint(Line.SOLID, np.stack([-20 * along, 20 * along]), width_m=0.15),)))
    across = np.linspace(-0.5, 0.5, 201)[:, None] * np.array([-along[1], along[0]])
    places = (across[None] + np.linspace(-15, 15, 200)[:, None, None] * along).reshape(-1, 2)
    hits = rays.cast(
        np.column_stack([places, np.full(len(places), 5.0)]), np.repeat(ray(0, 0, -1), len(places), axis=0)
    )
    assert (hits.materials == Material.PAINT_WHITE).mean() == pytest.approx(0.15, abs=0.025)


def test_beams_meet_the_ground_at_the_height_that_it_tells():
    rng = np.random.default_rng(5)
    ground = HeightField(np.array([-20.0, -20.0]), 1.0, rng.normal(size=(41, 41)), np.zeros((40, 40), np.uint8))
    xy = rng.uniform(-19.5, 19.5, (500, 2))
    hits = Rays(world(ground=ground)).cast(
        np.column_stack([xy, np.full(500, 30.0)]), np.repeat(ray(0, 0, -1), 500, axis=0)
    )
    assert 30.0 - hits.ranges_m == pytest.approx(ground.height(xy), abs=1e-4)


def test_a_slope_has_its_height_and_normal():
    ground = plain(slope=0.1)
    assert ground.height(np.array([7.3, -3.1])) == pytest.approx(0.73)
    assert ground.normal(np.array([7.3, -3.1])) == pytest.approx(np.array([-0.1, 0.0, 1.0]) / np.sqrt(1.01))


@pytest.mark.parametrize(
    'mesh', [box(2, 3, 1, Material.WALL), ellipsoid((1, 2, 3), Material.ROCK), tube(np.eye(3), 0.1, Material.BARK)]
)
def test_solids_are_closed_and_turn_outwards(mesh):
    corners = mesh.vertices[mesh.faces]
    volume = np.einsum('ij,ij->i', corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6.0
    assert volume > 0.0
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert normals.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)  # as of every closed surface


def test_worn_paint_is_gone_in_its_share():
    canvas = Canvas(np.zeros(2), np.array([30.0, 30.0]))
    canvas.draw(np.array([[1.0, 1.0], [29.0, 1.0], [29.0, 29.0], [1.0, 29.0]]), Material.PAINT_WHITE, wear=0.3, seed=2)
    places = np.random.default_rng(0).uniform(2.0, 28.0, (20000, 2))
    left = canvas.look_up(places, np.zeros(20000, np.uint8)) == Material.PAINT_WHITE
    assert left.mean() == pytest.approx(0.7, abs=0.02)


def test_dashes_have_their_length_and_gap():
    dashes = stripes(np.array([[0.0, 0.0], [25.0, 0.0]]), 0.2, on_m=4.0, off_m=6.0)
    assert [(dash[:, 0].min(), dash[:, 0].max()) for dash in dashes] == [(0.0, 4.0), (10.0, 14.0), (20.0, 24.0)]
    assert {round(float(y), 9) for dash in dashes for y in dash[:, 1]} == {0.1, -0.1}
