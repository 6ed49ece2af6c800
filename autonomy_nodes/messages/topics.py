"""Every topic of the stack in one table. Pure data without ROS, so that documentation and tests read it anywhere."""

import re
from dataclasses import dataclass, replace
from functools import cache


@dataclass(frozen=True)
class Topic:
    """One stream of messages.

    A node that it `triggers` runs a step with each message. One that has `joined` it waits for the message of the
    step's own stamp, up to 20 ms. One that has it as `prev` takes the newest that is there. One that has it in
    `each` or `since` takes every message: at once, or all since its last step.
    A name with {name} stands for one topic a sensor; `named` gives that.
    """

    name: str
    type: str
    frame: str
    qos: str  # a kind of nodes/qos.py: sensor, stream, vital, health, latched, events
    rate_hz: float
    given_by: str
    about: str
    triggers: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    prev: tuple[str, ...] = ()
    each: tuple[str, ...] = ()
    since: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()  # columns of a table: name:type as in numpy

    @property
    def raw(self) -> bool:
        """Whether it is a sweep or a picture as a sensor gives it: too heavy to be kept or told twice."""
        return self.given_by == 'vehicle' and self.type in RAW_TYPES

    @property
    def readers(self) -> set[str]:
        """All nodes that read it."""
        return {*self.triggers, *self.joined, *self.prev, *self.each, *self.since}

    def named(self, name: str) -> 'Topic':
        """Return the topic of one sensor."""
        return replace(self, name=self.name.format(name=name))


# from the vehicle and from people
LIDAR_RAW = Topic(
    'sensing/lidar/{name}/pointcloud_raw', 'sensor_msgs/msg/PointCloud2', 'sensor', 'sensor', 10.0, 'vehicle',
    'a sweep as the driver gives it, any layout', triggers=('lidar',), prev=('lidar',),
)
IMAGE_RAW = Topic(
    'sensing/camera/{name}/image_raw', 'sensor_msgs/msg/Image', 'sensor', 'sensor', 10.0, 'vehicle',
    'a picture as the driver gives it', triggers=('camera',),
)
IMAGE_COMPRESSED = Topic(
    'sensing/camera/{name}/image_raw/compressed', 'sensor_msgs/msg/CompressedImage', 'sensor', 'sensor', 10.0,
    'vehicle', 'a picture as JPEG or PNG', triggers=('camera',),
)
CAMERA_INFO = Topic(
    'sensing/camera/{name}/camera_info', 'sensor_msgs/msg/CameraInfo', 'sensor', 'sensor', 10.0, 'vehicle',
    'calibration of the raw picture; the truth about it', prev=('camera',),
)
IMU = Topic(
    'sensing/imu/imu_data', 'sensor_msgs/msg/Imu', 'sensor', 'sensor', 100.0, 'vehicle',
    'turn rate and acceleration', since=('localization',),
)
GNSS_POSE = Topic(
    'sensing/gnss/pose_with_covariance', 'geometry_msgs/msg/PoseWithCovarianceStamped', 'map', 'sensor', 10.0,
    'vehicle', 'satellite position in map', each=('localization',),
)
GNSS_FIX = Topic(
    'sensing/gnss/fix', 'sensor_msgs/msg/NavSatFix', 'WGS84', 'sensor', 10.0,
    'vehicle', 'satellite position, latitude and longitude', each=('localization',),
)
VELOCITY = Topic(
    'vehicle/status/velocity_status', 'autoware_vehicle_msgs/msg/VelocityReport', 'base_link', 'sensor', 50.0,
    'vehicle', 'speed by the wheels', prev=('lidar', 'drive_by_wire', 'operator'), since=('localization',),
)
STEERING = Topic(
    'vehicle/status/steering_status', 'autoware_vehicle_msgs/msg/SteeringReport', 'base_link', 'sensor', 50.0,
    'vehicle', 'angle of the front wheels', prev=('planning', 'control'),
)
CONTROL_MODE = Topic(
    'vehicle/status/control_mode', 'autoware_vehicle_msgs/msg/ControlModeReport', 'base_link', 'sensor', 10.0,
    'vehicle', 'who drives', prev=('planning', 'safety', 'control', 'operator'),
)
GEAR = Topic(
    'vehicle/status/gear_status', 'autoware_vehicle_msgs/msg/GearReport', 'base_link', 'sensor', 10.0,
    'vehicle', 'the gear that is in', prev=('control',),
)
ARTICULATION = Topic(
    'vehicle/status/articulation', 'sensor_msgs/msg/JointState', '', 'sensor', 50.0,
    'vehicle', 'angles of the trailer joints (optional)', prev=('lidar', 'planning'),
)
TRAFFIC_LIGHTS = Topic(
    'perception/traffic_light_recognition/traffic_signals', 'autoware_perception_msgs/msg/TrafficLightGroupArray', '',
    'stream', 10.0, 'vehicle', 'states of lights (optional)', prev=('prediction', 'planning'),
)
EXTERNAL_OBJECTS = Topic(
    'perception/object_recognition/detection/external/{name}', 'autoware_perception_msgs/msg/DetectedObjects',
    'base_link', 'sensor', 10.0, 'vehicle', 'objects of a radar or of V2X (optional)', since=('tracking',),
)
GOAL = Topic(
    'goal_pose', 'geometry_msgs/msg/PoseStamped', 'map', 'events', 0.0, 'people', 'where to go, as RViz sends it',
    prev=('map', 'prediction', 'planning'),
)
INITIAL_POSE = Topic(
    'initialpose', 'geometry_msgs/msg/PoseWithCovarianceStamped', 'map', 'events', 0.0, 'people',
    'where the vehicle is, as RViz sends it', each=('localization',),
)
TRUTH_LABELS = Topic(
    'ground_truth/objects', 'autoware_perception_msgs/msg/TrackedObjects', 'base_link', 'stream', 10.0, 'people',
    'what people labelled in the sweeps of a data set; for reports and evaluation alone',
)
TF_STATIC = Topic(
    '/tf_static', 'tf2_msgs/msg/TFMessage', '', 'latched', 0.0, 'vehicle', 'how sensors are mounted; the truth',
    each=('lidar', 'camera', 'localization', 'perception'),
)
TF = Topic('/tf', 'tf2_msgs/msg/TFMessage', '', 'events', 50.0, 'localization', 'map -> odom -> base_link')

# from the stack
CLOUD = Topic(
    'sensing/lidar/concatenated/pointcloud', 'sensor_msgs/msg/PointCloud2', 'base_link', 'sensor', 10.0, 'lidar',
    'all LiDARs, deskewed and cropped, in base_link at the stamp', triggers=('localization', 'perception'),
)
IMAGE_RECT = Topic(
    'sensing/camera/{name}/image_rect_color', 'sensor_msgs/msg/Image', 'camera', 'sensor', 10.0, 'camera',
    'undistorted, resized picture; starts perception where no sweep comes', triggers=('perception',),
    prev=('perception',),
)
IMAGE_RECT_INFO = Topic(
    'sensing/camera/{name}/rect/camera_info', 'sensor_msgs/msg/CameraInfo', 'camera', 'sensor', 10.0, 'camera',
    'calibration of the rectified picture; where no sweep comes odometry has its stamp', triggers=('localization',),
    prev=('perception',),
)
ODOMETRY = Topic(
    'localization/kinematic_state', 'nav_msgs/msg/Odometry', 'odom', 'stream', 10.0, 'localization',
    'pose and twist, one a sweep, with its stamp', triggers=('map',),
    joined=('perception', 'tracking', 'prediction', 'planning', 'map_update'), prev=('lidar',),
)
ODOMETRY_PREDICTED = Topic(
    'localization/kinematic_state_predicted', 'nav_msgs/msg/Odometry', 'odom', 'stream', 50.0, 'localization',
    'pose and twist, carried forward to now', prev=('safety', 'control'),
)
POSE = Topic(
    'localization/pose', 'geometry_msgs/msg/PoseWithCovarianceStamped', 'map', 'stream', 10.0, 'localization',
    'pose in map, while one is known', joined=('map', 'map_update', 'planning'),
)
INTEGRITY = Topic(
    'localization/integrity', 'diagnostic_msgs/msg/DiagnosticArray', '', 'health', 10.0, 'localization',
    'how far the pose can be trusted', prev=('safety',),
)
LOCAL_VECTORS = Topic(
    'map/local_vectors', 'sensor_msgs/msg/PointCloud2', 'base_link', 'stream', 10.0, 'map',
    'map lines near the vehicle: a row a piece, 20 points wide', joined=('prediction', 'planning', 'map_update'),
    fields=(
        'x:f4', 'y:f4', 'z:f4', 'class:u1', 'id_low:u4', 'id_high:u4', 'confidence:f4', 'valid_length:f4', 'rule:u1',
        'rule_low:u4', 'rule_high:u4',
    ),
)
LANE_MATCH = Topic(
    'map/lane_match', 'sensor_msgs/msg/PointCloud2', 'base_link', 'stream', 10.0, 'map', 'in which lane the vehicle is',
    joined=('planning', 'map_update'),
    fields=(
        'id_low:u4', 'id_high:u4', 's:f4', 'd:f4', 'heading_error:f4', 'probability:f4', 'sigma:f4', 'speed_limit:f4',
    ),
)
MAP_PRIOR = Topic(
    'map/bev_prior', 'grid_map_msgs/msg/GridMap', 'odom', 'stream', 10.0, 'map',
    'the map as a raster, and how surely it lies there',
    prev=('perception',),
)
MAP_HEALTH = Topic(
    'map/health', 'diagnostic_msgs/msg/DiagnosticArray', '', 'health', 10.0, 'map', 'how far the map can be trusted',
    prev=('safety',),
)
ROUTE = Topic(
    'planning/route', 'autoware_planning_msgs/msg/LaneletRoute', 'map', 'latched', 0.0, 'map', 'lanelets to the goal',
    prev=('prediction', 'planning'),
)
TERRAIN = Topic(
    'perception/terrain', 'grid_map_msgs/msg/GridMap', 'odom', 'stream', 10.0, 'perception',
    'ground, obstacles and what is not known, 0.4 m cells', joined=('prediction', 'planning'), prev=('safety',),
)
TERRAIN_FAR = Topic(
    'perception/terrain_far', 'grid_map_msgs/msg/GridMap', 'odom', 'stream', 10.0, 'perception',
    'the same in 0.8 m cells, to 150 m ahead', joined=('planning',),
)
FAR_RING = Topic(
    'perception/far_ring', 'grid_map_msgs/msg/GridMap', 'base_link', 'stream', 10.0, 'perception',
    'what the network, if it has a far ring, tells of this sweep to 150 m ahead: ground, chances of obstacle and free',
)
OBJECTS = Topic(
    'perception/object_recognition/detection/objects', 'autoware_perception_msgs/msg/DetectedObjects', 'base_link',
    'stream', 10.0, 'perception', 'objects of this sweep but for things that surely stand', triggers=('tracking',),
)
CLUSTERS = Topic(
    'perception/object_recognition/detection/clustering/objects', 'autoware_perception_msgs/msg/DetectedObjects',
    'base_link', 'stream', 10.0, 'perception', 'all objects of the geometric channel alone',
)
OBSTACLES = Topic(
    'perception/obstacle_segmentation/pointcloud', 'sensor_msgs/msg/PointCloud2', 'base_link', 'stream', 10.0,
    'perception', 'points that are not ground', prev=('safety',),
)
LANE_OBSERVATIONS = Topic(
    'perception/lane_observations', 'sensor_msgs/msg/PointCloud2', 'base_link', 'stream', 10.0, 'perception',
    'paint seen, with `lane_model` lines, poles and signs; rows of class 255 tell how far ground was seen',
    triggers=('map_update',),
    fields=('x:f4', 'y:f4', 'z:f4', 'class:u1', 'line:u4', 'confidence:f4'),
)
ENVIRONMENT = Topic(
    'perception/environment', 'diagnostic_msgs/msg/DiagnosticArray', '', 'health', 10.0, 'perception',
    'how far the sensors see, by what perception works, and how fast one may drive by that', joined=('planning',),
    prev=('safety',),
)
TRACKS = Topic(
    'perception/object_recognition/tracking/objects', 'autoware_perception_msgs/msg/TrackedObjects', 'odom', 'stream',
    10.0, 'tracking', 'objects over time, with stable ids', triggers=('prediction',), prev=('safety',),
)
PREDICTIONS = Topic(
    'perception/object_recognition/objects', 'autoware_perception_msgs/msg/PredictedObjects', 'odom', 'stream', 10.0,
    'prediction', 'what each will probably do', triggers=('planning',),
)
SCENE_MODES = Topic(
    'perception/object_recognition/scene_modes', 'sensor_msgs/msg/PointCloud2', 'odom', 'stream', 10.0, 'prediction',
    'joint futures; path k of every object belongs to mode k', joined=('planning',),
    fields=('mode:u4', 'probability:f4'),
)
INTENTS = Topic(
    'prediction/intents', 'sensor_msgs/msg/PointCloud2', 'odom', 'stream', 10.0, 'prediction',
    'what each object of the predictions is about to do, and how far off its likeliest path it may be',
    fields=(
        'object:u4', 'keep:f4', 'left:f4', 'right:f4', 'turn:f4', 'yield:f4', 'stop:f4', 'cross:f4', 'along_2s:f4',
        'across_2s:f4', 'along_4s:f4', 'across_4s:f4', 'along_6s:f4', 'across_6s:f4', 'along_8s:f4', 'across_8s:f4',
    ),
)
EGO_PROPOSALS = Topic(
    'prediction/ego_proposals', 'sensor_msgs/msg/PointCloud2', 'odom', 'stream', 10.0, 'prediction',
    'what a driver like ours would do', joined=('planning',),
    fields=(
        'proposal:u4', 'step:u4', 'x:f4', 'y:f4', 'z:f4', 'heading:f4', 'speed:f4', 'probability:f4', 'time:f4',
    ),
)
PLANNED = Topic(
    'planning/planner/trajectory', 'autoware_planning_msgs/msg/Trajectory', 'odom', 'stream', 10.0, 'planning',
    'the candidate that scored best', triggers=('safety',), prev=('sim', 'player'),
)
CONTINGENCY = Topic(
    'planning/planner/contingency', 'autoware_planning_msgs/msg/Trajectory', 'odom', 'stream', 10.0, 'planning',
    'a stop on ground that is known, with the same stamp', joined=('safety',),
)
MARKS = Topic(
    'planning/planner/marks', 'sensor_msgs/msg/PointCloud2', 'odom', 'stream', 10.0, 'planning',
    'every candidate with its gates (0 or 1), terms (0 to 1) and score; x y z where it ends',
    fields=('candidate:u4', 'kind:u1', 'x:f4', 'y:f4', 'z:f4', 'score:f4', '*:f4'),
)
DECISION = Topic(
    'planning/planner/decision', 'diagnostic_msgs/msg/DiagnosticArray', '', 'stream', 10.0, 'planning',
    'why, in words',
)
CANDIDATES = Topic(
    'planning/planner/candidates', 'visualization_msgs/msg/MarkerArray', 'odom', 'stream', 10.0, 'planning',
    'the best 16, only while somebody listens',
)
CHANGES = Topic(
    'map/changes', 'sensor_msgs/msg/PointCloud2', 'map', 'stream', 1.0, 'map_update',
    'elements that seem to have changed',
    fields=(
        'x:f4', 'y:f4', 'z:f4', 'id_low:u4', 'id_high:u4', 'kind:u1', 'class:u1', 'log_odds:f4', 'probability:f4',
        'traversals:u4', 'frames:u4',
    ),
)
CHANGE_MARKERS = Topic(
    'map/change_markers', 'visualization_msgs/msg/MarkerArray', 'map', 'stream', 1.0, 'map_update',
    'the same, to look at',
)
TRAJECTORY = Topic(
    'planning/trajectory', 'autoware_planning_msgs/msg/Trajectory', 'odom', 'vital', 10.0, 'safety',
    'the trajectory to drive, valid until its stamp + 0.5 s', triggers=('control',), prev=('sim',),
)
MRM_STATE = Topic(
    'system/fail_safe/mrm_state', 'autoware_adapi_v1_msgs/msg/MrmState', '', 'stream', 20.0, 'safety',
    'which minimal risk manoeuvre is driven',
)
HEARTBEAT = Topic(
    'system/heartbeat', 'std_msgs/msg/Header', '', 'vital', 10.0, 'all', 'a sign of life; frame_id is the node',
    each=('safety', 'sim', 'player', 'drive_by_wire'),
)
DIAGNOSTICS = Topic(
    '/diagnostics', 'diagnostic_msgs/msg/DiagnosticArray', '', 'events', 10.0, 'all',
    'how each step went, the stamps that fed it, what was dropped', each=('safety', 'operator'),
)
CONTROL = Topic(
    'control/command/control_cmd', 'autoware_control_msgs/msg/Control', 'base_link', 'stream', 20.0, 'control',
    'steering angle and acceleration', prev=('sim',), each=('drive_by_wire',),
)
GEAR_COMMAND = Topic(
    'control/command/gear_cmd', 'autoware_vehicle_msgs/msg/GearCommand', '', 'stream', 20.0, 'control',
    'forward, reverse or park', each=('drive_by_wire',),
)
TWIST = Topic(
    'control/command/twist', 'geometry_msgs/msg/TwistStamped', 'base_link', 'stream', 20.0, 'control',
    'the same command as speed and turn rate',
)
ACKERMANN = Topic(
    'control/command/ackermann', 'ackermann_msgs/msg/AckermannDriveStamped', 'base_link', 'stream', 20.0, 'control',
    'the same command as speed and wheel angle',
)
ACTUATION = Topic(
    'vehicle/actuation/control_cmd', 'autoware_control_msgs/msg/Control', 'base_link', 'stream', 50.0, 'drive_by_wire',
    'what the simulated drive by wire lets through to the actuators', prev=('sim',),
)
TRUTH = Topic(
    'simulation/ground_truth/objects', 'autoware_perception_msgs/msg/TrackedObjects', 'map', 'stream', 10.0, 'sim',
    'where everybody truly is',
)
TRUTH_EGO = Topic(
    'simulation/ground_truth/kinematic_state', 'nav_msgs/msg/Odometry', 'map', 'stream', 10.0, 'sim',
    'where the vehicle truly is',
)
CLOCK = Topic('/clock', 'rosgraph_msgs/msg/Clock', '', 'stream', 50.0, 'sim', 'time of the simulation or of a replay')

TABLE = tuple(topic for topic in list(globals().values()) if isinstance(topic, Topic))
RAW_TYPES = {LIDAR_RAW.type, IMAGE_RAW.type, IMAGE_COMPRESSED.type}


@cache  # asked for with every message of a recording
def find(name: str) -> Topic | None:
    """Return the topic of this name, that of a sensor with its name filled in; None where the stack has none."""
    for topic in TABLE:
        pattern = re.escape(topic.name.lstrip('/')).replace(r'\{name\}', r'(\w+)')
        if match := re.fullmatch(pattern, name.lstrip('/')):
            return topic.named(match[1]) if match.groups() else topic
    return None


def sensor_names(topic: Topic, names: list[str]) -> tuple[str, ...]:
    """Return the sensors of which `names` (of topics) hold this topic, sorted."""
    pattern = re.escape(topic.name.lstrip('/')).replace(r'\{name\}', r'(\w+)')
    return tuple(sorted(match[1] for name in names if (match := re.fullmatch(pattern, name.lstrip('/')))))
