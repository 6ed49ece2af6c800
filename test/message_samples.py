"""One message of every kind with what reads it: for tests that hold for all of them."""

import numpy as np
import samples

from autonomy_nodes.common.lanes import Light, TrafficLights
from autonomy_nodes.common.sensing import ControlMode, Fix, Gear, Imu, Steering, Transforms, WheelSpeed
from autonomy_nodes.common.status import Heartbeat, Level, Manoeuvre, Mode, Status, Words
from autonomy_nodes.common.types import Articulation, Command, Decision, Goal, Pose
from autonomy_nodes.messages import clouds, grids, images, motion, objects, roads, tables, trajectory, words

STAMP_NS = samples.STAMP_NS
VECTOR, TURNED = np.array([0.5, -1.0, 9.75]), np.diag([0.0, 0.0, 1.0, 1.0]) + np.diag([-1.0, 0, 0], 1)
TURNED = TURNED + np.diag([1.0, 0, 0], -1)  # 90 degrees to the left
PLACES = {
    ('map', 'odom'): np.eye(4),
    ('base_link', 'lidar'): TURNED + np.outer([1.0, 2.0, 3.0, 0.0], [0, 0, 0, 1.0]),
}
STATUS = Status(
    STAMP_NS, 'planning', Level.WARN, 'late', {'a/b': STAMP_NS}, {'a/b': 3}, {'mode': 'MRM'}, 1.25, {'b': 0.5}
)  # fmt: skip
SMALL = {  # name: (reader, value, writer); reading gives the value again
    'ego': (motion.read_ego, samples.ego(), motion.write_ego),
    'pose': (
        motion.read_pose,
        Pose(STAMP_NS, 'map', VECTOR, samples.NORTH, np.diag(np.arange(1.0, 7.0))),
        motion.write_pose,
    ),
    'goal': (motion.read_goal, Goal(STAMP_NS, 'map', (1.0, 2.0, 3.0), 0.5), motion.write_goal),
    'imu': (motion.read_imu, Imu(STAMP_NS, 'imu', VECTOR, VECTOR), motion.write_imu),
    'fix': (motion.read_fix, Fix(STAMP_NS, 'gnss', np.array([50.0, 8.0, 120.0]), np.eye(3)), motion.write_fix),
    'transforms': (motion.read_transforms, Transforms(STAMP_NS, PLACES), motion.write_transforms),
    'velocity': (motion.read_velocity, WheelSpeed(STAMP_NS, 4.0, 0.5, -0.25), motion.write_velocity),
    'steering': (motion.read_steering, Steering(STAMP_NS, 0.25), motion.write_steering),
    'control_mode': (motion.read_control_mode, ControlMode(STAMP_NS, 'AUTONOMOUS'), motion.write_control_mode),
    'gear': (motion.read_gear, Gear(STAMP_NS, 'DRIVE'), motion.write_gear),
    'gear_command': (motion.read_gear_command, Gear(STAMP_NS, 'PARK'), motion.write_gear_command),
    'articulation': (motion.read_articulation, Articulation(STAMP_NS, (0.5, -0.25)), motion.write_articulation),
    'command': (motion.read_command, Command(STAMP_NS, 4.0, -1.5, 0.125, 0.25), motion.write_command),
    'clock': (motion.read_clock, STAMP_NS, motion.write_clock),
    'status': (words.read_status, STATUS, words.write_status),
    'words': (words.read_words, Words(STAMP_NS, 'integrity', Level.OK, 'fine', {'sigma_m': '0.1'}), words.write_words),
    'decision': (words.read_decision, Decision(STAMP_NS, 'keep', 'free', 'stop', {'a': 'b'}), words.write_decision),
    'heartbeat': (words.read_heartbeat, Heartbeat(STAMP_NS, 'planning'), words.write_heartbeat),
    'route': (roads.read_route, samples.route(), roads.write_route),
    'lights': (
        roads.read_traffic_lights,
        TrafficLights(STAMP_NS, {7: Light.RED, -2: Light.GREEN}),
        roads.write_traffic_lights,
    ),
    'camera_info': (images.read_camera_info, samples.camera(), images.write_camera_info),
    'lane_pieces': (tables.read_lane_pieces, samples.lane_pieces(), tables.write_lane_pieces),
    'lane_match': (tables.read_lane_match, samples.lane_match(), tables.write_lane_match),
    'lane_observations': (tables.read_lane_observations, samples.lane_observations(), tables.write_lane_observations),
    'intents': (tables.read_intents, samples.intents(), tables.write_intents),
    'scene_modes': (tables.read_scene_modes, samples.scene_modes(), tables.write_scene_modes),
    'ego_proposals': (tables.read_ego_proposals, samples.ego_proposals(), tables.write_ego_proposals),
    'changes': (tables.read_changes, samples.changes(), tables.write_changes),
    'cloud': (clouds.read_cloud, samples.cloud(), clouds.write_cloud),
    'cloud_with_all': (clouds.read_cloud, samples.cloud(ring=True, times=True), clouds.write_cloud),
    'image': (images.read_image, samples.image(4, 6), images.write_image),
    'grid': (grids.read_grid, samples.grid(), grids.write_grid),
    'trajectory': (trajectory.read_trajectory, samples.drive(), trajectory.write_trajectory),
    'detected': (objects.read_detected, samples.objects(2), objects.write_detected),
    'tracked': (objects.read_tracked, samples.objects(2, tracked=True), objects.write_tracked),
    'predictions': (objects.read_predictions, samples.predictions(2, 2, 3), objects.write_predictions),
}
MRM = words.write_mrm_state(STAMP_NS, Mode.MRM, Manoeuvre.COMFORTABLE_STOP)
READERS = {name: (read, write(value)) for name, (read, value, write) in SMALL.items()} | {
    'marks': (tables.read_marks, tables.write_marks(STAMP_NS, samples.marks())),
    'mrm_state': (words.read_mrm_state, MRM),
    'compressed': (images.read_compressed, images.write_compressed(samples.image())),
}
