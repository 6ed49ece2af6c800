"""A run as a simulated drive leaves it, made by hand: a car follows a bend, brakes for a person, goes on."""

from dataclasses import replace

import cv2
import numpy as np

from autonomy_nodes.common.geometry import matrix_of_rpy, quaternion_of_heading
from autonomy_nodes.common.grid import TERRAIN_LAYERS, Grid
from autonomy_nodes.common.lanes import LanePieces, Line
from autonomy_nodes.common.objects import Label, Objects, Predictions, SceneModes
from autonomy_nodes.common.sensing import CameraModel, Image, PointCloud, Steering, Transforms
from autonomy_nodes.common.status import Level, Status
from autonomy_nodes.common.types import Articulation, Command, Decision, EgoState, Trajectory
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.runlog import OUTPUTS, Run, RunLog, write_run
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import BagWriter
from autonomy_nodes.messages.clouds import write_cloud
from autonomy_nodes.messages.driving import write_articulation, write_command, write_steering
from autonomy_nodes.messages.grids import write_grid
from autonomy_nodes.messages.images import write_camera_info, write_image
from autonomy_nodes.messages.markers import Mark, write_markers
from autonomy_nodes.messages.motion import write_ego, write_transforms
from autonomy_nodes.messages.objects import write_predictions, write_tracked
from autonomy_nodes.messages.tables import write_lane_pieces, write_marks, write_scene_modes
from autonomy_nodes.messages.trajectory import write_trajectory
from autonomy_nodes.messages.words import write_decision

START_NS = 1_700_000_000_000_000_000
SWEEP_NS = 100_000_000
RADIUS_M = 90.0
FOCAL, WIDE, HIGH = 300.0, 640, 384
OPTICAL = matrix_of_rpy(np.array([1.6, 0.0, 1.5]), np.array([-np.pi / 2, 0.0, -np.pi / 2]))
MATRIX = np.array([[FOCAL, 0.0, WIDE / 2], [0.0, FOCAL, HIGH / 2], [0.0, 0.0, 1.0]])
MODEL = CameraModel(
    START_NS, 'camera_front_optical', WIDE, HIGH, MATRIX, 'plumb_bob', np.zeros(5), np.eye(3),
    np.column_stack([MATRIX, np.zeros(3)]),
)  # fmt: skip


def way(s_m):
    """Return (..., 3) x y heading on the bend, `s_m` along it: 60 m straight, then to the left."""
    s_m = np.asarray(s_m, float)
    turn = np.maximum(s_m - 60.0, 0.0) / RADIUS_M
    x = np.minimum(s_m, 60.0) + RADIUS_M * np.sin(turn)
    return np.stack([x, RADIUS_M * (1.0 - np.cos(turn)), turn], axis=-1)


def beside(s_m, left_m):
    pose = way(s_m)
    pose[..., 0] -= left_m * np.sin(pose[..., 2])
    pose[..., 1] += left_m * np.cos(pose[..., 2])
    return pose


def speed_at(second):
    """Return the speed: it brakes to a stop around second 14 and goes on."""
    return float(np.interp(second, [0, 5, 10, 14, 16, 21, 1e4], [2, 8, 8, 0, 0, 7, 7]))


def objects_at(stamp_ns, second, ids=True, noise=0.0):
    rng = np.random.default_rng(round(second * 10))
    rows = [
        (*beside(30.0 + 7.5 * second, 0.0), 4.6, 1.9, 1.6, Label.CAR, 7.5),
        (*beside(160.0 - 8.0 * second % 150.0, 3.6), 8.2, 2.5, 3.2, Label.TRUCK, -8.0),
        (*beside(100.0, 6.0 - 0.9 * min(max(second - 9.0, 0.0), 9.0)), 0.6, 0.6, 1.75, Label.PEDESTRIAN, 0.0),
        (*beside(45.0 + 4.0 * second, -2.2), 1.8, 0.6, 1.7, Label.BICYCLE, 4.0),
        (*beside(25.0, 7.5), 4.4, 1.8, 1.5, Label.CAR, 0.0),
        (*beside(70.0, -7.0), 1.2, 1.0, 0.9, Label.UNKNOWN, 0.0),
    ]
    table = np.array([row[:6] for row in rows])
    table[:, :2] += rng.normal(0.0, noise, (len(rows), 2)) if noise else 0.0
    velocity = np.array([[row[7] * np.cos(row[2]), row[7] * np.sin(row[2])] for row in rows])
    if second > 9.0:
        velocity[2] = 0.9 * np.sin(table[2, 2]), -0.9 * np.cos(table[2, 2])
    classes = np.zeros((len(rows), len(Label)))
    classes[range(len(rows)), [row[6] for row in rows]] = 1.0
    count = len(rows)
    names = np.arange(1, count + 1, dtype=np.uint8)[:, None] * np.full((1, 16), 17, np.uint8) if ids else None
    return Objects(
        stamp_ns, 'odom' if ids else 'base_link', np.column_stack([table[:, :2], table[:, 5] / 2.0]), table[:, 2],
        table[:, 3:6], np.full(count, 0.9), classes, velocity, np.zeros(count),
        np.tile(np.eye(3) * 0.04, (count, 1, 1)), np.tile(np.eye(2) * 0.1, (count, 1, 1)), names,
    )  # fmt: skip


def predictions_of(objects):
    steps = np.arange(0.0, 6.01, 0.5)
    speeds = np.linalg.norm(objects.velocities_mps, axis=1)
    turns = np.array([0.0, 0.05, -0.04])
    heading = np.arctan2(objects.velocities_mps[:, 1], objects.velocities_mps[:, 0])
    heading = heading[:, None, None] + turns[:, None] * steps  # (N, K, P)
    along = speeds[:, None, None] * steps * np.array([1.0, 0.8, 0.5])[:, None]
    x = objects.positions_m[:, 0, None, None] + along * np.cos(heading)
    y = objects.positions_m[:, 1, None, None] + along * np.sin(heading)
    return Predictions(objects, np.stack([x, y, heading], axis=-1), np.tile([0.62, 0.27, 0.11], (len(objects), 1)), 0.5)


def trajectory_of(stamp_ns, s_m, speed, braking=0.0, pull=0.0):
    times = np.arange(0.0, 8.01, 0.2)
    speeds = np.maximum(speed + (pull if not braking else -braking) * times, 0.0).clip(max=max(9.0, speed))
    distance = np.concatenate([[0.0], np.cumsum((speeds[1:] + speeds[:-1]) / 2.0 * np.diff(times))])
    pose = way(s_m + distance)
    poses = np.column_stack([pose[:, :2], np.zeros(len(times)), pose[:, 2]])
    bend = (s_m + distance > 60.0) / RADIUS_M
    return Trajectory(
        stamp_ns, times, poses, speeds, np.gradient(speeds, times), speeds * bend, np.arctan(2.7 * bend)
    )


def terrain_at(stamp_ns, place):
    origin = np.floor((place[:2] + 25.6 * np.array([np.cos(place[2]), np.sin(place[2])]) - 51.2) / 0.4) * 0.4
    middle = 0.4 * (np.arange(256) + 0.5)
    x, y = np.meshgrid(origin[0] + middle, origin[1] + middle, indexing='ij')
    straight = x < 60.0
    off = np.where(straight, y, RADIUS_M - np.hypot(x - 60.0, y - RADIUS_M))
    range_m = np.hypot(x - place[0], y - place[1])
    rng = np.random.default_rng(7)
    speckle = rng.random((256, 256))
    seen = (range_m < 55.0) & (speckle > range_m / 70.0) & ~((off > 9.5) & (range_m > 12.0))
    kind = np.where(np.abs(off - 1.8) < 4.2, 1.0, np.where(np.abs(off - 1.8) < 12.0, 2.0, 3.0))
    seen &= np.abs(off - 1.8) < 13.0
    kind[(np.abs(x - 52.0) < 1.0) & (np.abs(off + 4.8) < 1.2)] = 4.0
    layers = {name: np.full((256, 256), np.nan, np.float32) for name in TERRAIN_LAYERS}
    layers['class'] = np.where(seen, kind, 0.0).astype(np.float32)
    layers['observed'] = np.where(seen, np.where(speckle > 0.93, 0.5, 1.0), 0.0).astype(np.float32)
    ease = np.where(kind == 1.0, np.where(np.abs(off - 1.8) > 3.4, 0.5, 0.95), np.where(kind == 2.0, 0.3, 0.0))
    layers['traversability'] = np.where(seen, ease, np.nan).astype(np.float32)
    return Grid(stamp_ns, 'odom', 0.4, origin, layers)


def cloud_at(stamp_ns, objects, place, count):
    rng = np.random.default_rng(3)
    angle, far = rng.uniform(-np.pi, np.pi, count), 4.0 + 46.0 * rng.random(count) ** 2
    ground = np.column_stack([far * np.cos(angle), far * np.sin(angle), np.zeros(count)])
    turn = np.array([[np.cos(place[2]), -np.sin(place[2])], [np.sin(place[2]), np.cos(place[2])]])
    local = (objects.positions_m[:, :2] - place[:2]) @ turn
    edge = np.repeat(local, 40, axis=0) + rng.normal(0.0, 0.7, (40 * len(local), 2))
    walls = np.column_stack([edge, rng.uniform(0.2, 1.6, len(edge))])
    return (
        PointCloud(stamp_ns, 'base_link', np.vstack([ground, walls]).astype(np.float32), np.zeros(count + len(walls))),
        PointCloud(stamp_ns, 'base_link', walls.astype(np.float32), np.zeros(len(walls))),
    )


def lines_at(stamp_ns, s_m, place):
    turn = np.array([[np.cos(place[2]), -np.sin(place[2])], [np.sin(place[2]), np.cos(place[2])]])
    offsets = {-1.8: Line.SOLID, 0.0: Line.CENTERLINE, 1.8: Line.DIVIDER, 3.6: Line.CENTERLINE, 5.4: Line.BOUNDARY}
    pieces, classes = [], []
    for left, kind in offsets.items():
        for start in np.arange(s_m - 19.0, s_m + 57.0, 19.0):
            xy = (beside(start + np.arange(20.0), left)[:, :2] - place[:2]) @ turn
            pieces.append(np.column_stack([xy, np.zeros(20)]))
            classes.append(kind)
    count = len(pieces)
    return LanePieces(
        stamp_ns, 'base_link', np.array(pieces, np.float32), np.array(classes, np.uint8), np.arange(count),
        np.ones(count), np.full(count, 19.0),
    )  # fmt: skip


def picture_at(stamp_ns):
    pixels = np.zeros((HIGH, WIDE, 3), np.uint8)
    pixels[: HIGH // 2] = np.linspace((150, 180, 215), (214, 224, 232), HIGH // 2)[:, None]
    pixels[HIGH // 2 :] = np.linspace((150, 152, 140), (92, 96, 92), HIGH // 2)[:, None]
    road = np.array([[WIDE // 2 - 12, HIGH // 2], [WIDE // 2 + 12, HIGH // 2], [WIDE - 60, HIGH], [60, HIGH]])
    return Image(stamp_ns, 'camera_front_optical', cv2.fillPoly(pixels, [road], (84, 86, 92)))


def marks_of(stamp_ns, place, slow):
    rng = np.random.default_rng(12 if slow else 11)
    count = 60
    columns = {'candidate': np.arange(count), 'kind': np.arange(count) % 4}
    columns |= {axis: place[at] + rng.normal(0.0, 18.0, count) for at, axis in enumerate('xy')} | {'z': np.zeros(count)}
    for name, share in (('contact', 0.35 if slow else 0.1), ('drivable', 0.2), ('rules', 0.05), ('kinematics', 0.03)):
        columns[f'gate_{name}'] = (rng.random(count) > share).astype(float)
        columns[f'when_{name}'] = np.where(columns[f'gate_{name}'], 99.0, rng.uniform(0.2, 8.0, count))
    for name in ('progress', 'time_to_contact', 'headway', 'comfort', 'lane_keeping', 'consistency', 'terrain'):
        columns[f'term_{name}'] = rng.uniform(0.2, 1.0, count)
    gates = np.prod([columns[name] for name in columns if name.startswith('gate_')], axis=0)
    terms = np.mean([columns[name] for name in columns if name.startswith('term_')], axis=0)
    return write_marks(stamp_ns, {**columns, 'score': gates * terms})


def candidates_of(stamp_ns, s_m):
    lefts = (-1.0, -0.5, 0.5, 1.0, 3.6)
    ways = [beside(s_m + np.arange(0.0, far, 2.0), left) for far in (20.0, 35.0, 50.0) for left in lefts]
    lines = [Mark(np.column_stack([way[:, :2], np.zeros(len(way))])) for way in ways]
    return write_markers(stamp_ns, 'odom', lines)


def decision_at(stamp_ns, second):
    if 10.0 < second < 16.0:
        reason = 'Stops for pedestrian 3333: it crosses in 2.1 s; going on vetoed by contact at 2.3 s (mode 0, 62 %).'
        values = {'gate': 'contact', 'when_s': '2.3', 'candidate': '4'}
        return Decision(stamp_ns, 'stop before 96.5 m', reason, 'keep lane at 8 m/s', values)
    reason = 'Keeps lane behind car 1111: gap 28 m, wanted 14 m. Term progress decides (+0.08).'
    values = {'term': 'progress', 'gap_m': '28.1', 'candidate': '9'}
    return Decision(stamp_ns, 'keep lane at 8 m/s', reason, 'keep lane at 6 m/s', values)


def statuses_at(at, sweep, second):
    """Yield the statuses of one sweep, in the order of the steps, with what they read."""

    def step(node, values=None, text='running', level=Level.OK, **inputs):
        lineage = {getattr(topics, name).name: stamp for name, stamp in inputs.items()}
        return Status(at, node, level, text, lineage, dict.fromkeys(lineage, 0), values or {}, 2.0 + sweep % 5)

    late, stale = 20.0 < second < 21.5, 'camera front is stale'
    yield replace(step('lidar'), lineage={'sensing/lidar/top/pointcloud_raw': at, topics.VELOCITY.name: at - 7_000_000})
    yield step('localization', CLOUD=at, IMU=at - 3_000_000)
    words = {'text': stale, 'level': Level.WARN} if late else {}
    yield step('perception', **words, CLOUD=at, ODOMETRY=at, MAP_PRIOR=at - SWEEP_NS)
    yield step('tracking', OBJECTS=at, ODOMETRY=at)
    yield step('prediction', TRACKS=at, ODOMETRY=at, TERRAIN=at)
    yield step('planning', PREDICTIONS=at, ODOMETRY=at, TERRAIN=at, SCENE_MODES=at, STEERING=at - 12_000_000)
    mode = 'INIT' if second < 0.5 else 'DEGRADED' if late else 'MRM' if 24.0 < second < 25.0 else 'NOMINAL'
    level = {'DEGRADED': Level.WARN, 'MRM': Level.ERROR}.get(mode, Level.OK)
    text = {'DEGRADED': f'{mode}: perception: {stale}', 'MRM': f'{mode}: planning lost'}.get(mode, mode)
    values = {'mode': mode} | ({'fault': 'F22'} if mode == 'MRM' else {})
    judged = step('safety', values, text, level, PLANNED=at, CONTINGENCY=at, OBSTACLES=at)
    yield replace(judged, dropped={topics.PLANNED.name: sweep // 90})


def sweep_messages(at, sweep, s_m, points):
    """Yield (topic, bytes) of one sweep."""
    second, place, speed = sweep * 0.1, way(s_m), speed_at(sweep * 0.1)
    twist = np.array([speed, 0.0, 0.0, 0.0, 0.0, 0.0])
    ego = EgoState(at, np.array([*place[:2], 0.0]), quaternion_of_heading(place[2]), twist)
    objects, truth = objects_at(at, second, noise=0.12), objects_at(at, second)
    cloud, walls = cloud_at(at, objects, place, points)
    if sweep % 10 == 0:
        yield topics.CLOUD, write_cloud(cloud)
        yield topics.TERRAIN, write_grid(terrain_at(at, place))
        yield topics.IMAGE_RECT.named('front'), write_image(picture_at(at))
        yield topics.IMAGE_RECT_INFO.named('front'), write_camera_info(replace(MODEL, stamp_ns=at))
    slow = 10.0 < second < 14.0
    plan = trajectory_of(at, s_m, speed, 2.0 if slow else 0.0, 1.0)
    yield topics.ODOMETRY, write_ego(ego)
    yield topics.OBSTACLES, write_cloud(walls)
    yield topics.LOCAL_VECTORS, write_lane_pieces(lines_at(at, s_m, place))
    yield topics.TRACKS, write_tracked(objects)
    yield topics.PREDICTIONS, write_predictions(predictions_of(objects))
    yield topics.SCENE_MODES, write_scene_modes(SceneModes(at, np.array([0.62, 0.27, 0.11])))
    yield topics.MARKS, marks_of(at, place, 10.0 < second < 16.0)
    yield topics.CANDIDATES, candidates_of(at, s_m)
    yield topics.DECISION, write_decision(decision_at(at, second))
    yield topics.CONTINGENCY, write_trajectory(trajectory_of(at, s_m, speed, 2.5))
    yield topics.PLANNED, write_trajectory(plan)
    if second >= 0.5:
        yield topics.TRAJECTORY, write_trajectory(plan)
    yield topics.TRUTH, write_tracked(replace(truth, frame='map'))
    yield topics.TRUTH_EGO, write_ego(ego, frame='map')
    wheel_rad = float(plan.wheel_angles_rad[0])
    yield topics.STEERING, write_steering(Steering(at, 0.95 * wheel_rad))
    yield topics.CONTROL, write_command(Command(at, speed, float(plan.accelerations_mps2[0]), wheel_rad))
    yield topics.ARTICULATION, write_articulation(Articulation(at, (-0.25 * place[2],)))


def write_sample(folder, sweeps=12, points=400, body=None):
    """Write outputs.mcap, log.jsonl, timing.jsonl and run.json of `sweeps` sweeps."""
    with RunLog(folder) as log, BagWriter(folder / OUTPUTS) as bag:

        def put(topic, at, data):
            bag.write(topic.name, topic.type, at, data, latched=topic.qos == 'latched')

        where = write_transforms(Transforms(START_NS, {('base_link', MODEL.frame): OPTICAL}))
        put(topics.TF_STATIC, START_NS, where)
        s_m = 0.0
        for sweep in range(sweeps):
            at = START_NS + sweep * SWEEP_NS
            for topic, data in sweep_messages(at, sweep, s_m, points):
                put(topic, at, data)
            for status in statuses_at(at, sweep, sweep * 0.1):
                log.note(status)
            s_m += speed_at(sweep * 0.1) * 0.1
        ended = {'goal_reached': 'true', 'collisions': '0', 'progress_m': f'{s_m:.1f}'}
        log.note(Status(at, 'sim', Level.OK, 'ended', {}, {}, ended))
    told = {'scenario': 'bend_with_pedestrian', 'vehicle': 'car', 'command': 'autonomy drive bend', 'commit': 'abc123'}
    write_run(folder, Run(**told, wall_s=sweeps * 0.06, frames_in=sweeps, body=body or Vehicle()))
    return folder
