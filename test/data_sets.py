"""One small drive, written in the public layouts of data sets: points that stand still, a box, a camera, a vehicle."""

import json
from dataclasses import dataclass, field

import cv2
import numpy as np

from autonomy_nodes.common.geometry import inverse, matrix_of, quaternion_of, quaternion_of_heading

MICROS = 1_600_000_000_000_000  # the first sweep
STEP_US, CAMERA_LATER_US = 100_000, 20_000
WIDTH, HEIGHT = 320, 180
MATRIX = np.array([[200.0, 0, 160], [0, 210, 90], [0, 0, 1]])
# camera: x right, y down, z ahead, and turned a little to the left
LOOK = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


def turned(shift, heading=0.0):
    return matrix_of(np.array(shift, float), quaternion_of_heading(heading))


@dataclass
class World:
    """What there is. points: (N, 3) in map. box: (4, 4) map from it at the first sweep; it moves 1 m a sweep."""

    base_from_lidar: np.ndarray = field(default_factory=lambda: turned([1.2, 0.1, 1.8], 0.4))
    box: np.ndarray = field(default_factory=lambda: turned([115.0, 58.0, 3.0], 0.7))
    size: tuple = (4.2, 1.9, 1.6)  # length, width, height
    points: np.ndarray = field(
        default_factory=lambda: np.random.default_rng(3).uniform([95, 40, 2], [125, 70, 5], (60, 3))
    )
    frames: int = 3

    @property
    def base_from_camera(self):
        look = np.eye(4)
        look[:3, :3] = LOOK
        return turned([1.5, 0.2, 1.4], 0.1) @ look

    def map_from_base(self, micros):
        seconds = (micros - MICROS) * 1e-6
        return turned([100.0 + 8.0 * seconds, 50.0 + 2.0 * seconds, 2.0], 0.3 + 0.2 * seconds)

    def micros(self, number):
        return MICROS + number * STEP_US

    def map_from_box(self, number):
        moved = self.box.copy()
        moved[0, 3] += number
        return moved

    def sweep(self, number, base_from_sensor=None):
        """(N, 4) float32 in the LiDAR's frame, intensity in the last column."""
        mount = self.base_from_lidar if base_from_sensor is None else base_from_sensor
        sensor_from_map = inverse(self.map_from_base(self.micros(number)) @ mount)
        xyz = self.points @ sensor_from_map[:3, :3].T + sensor_from_map[:3, 3]
        return np.column_stack([xyz, np.linspace(0, 1, len(xyz))]).astype('<f4')

    def pixels(self, number, later_us=0):
        """(N, 2) where the points lie in the picture, and (N,) how far ahead they are."""
        camera_from_map = inverse(self.map_from_base(self.micros(number) + later_us) @ self.base_from_camera)
        rays = (self.points @ camera_from_map[:3, :3].T + camera_from_map[:3, 3]) @ MATRIX.T
        return rays[:, :2] / rays[:, 2:], rays[:, 2]


def picture(number=0):
    return np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def write_picture(path, number):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture(number))


def rows(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.ascontiguousarray(values, '<f4').tofile(path)


def text(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(lines) + '\n')


def numbers(values):
    return ' '.join(f'{value:.17g}' for value in np.asarray(values).ravel())


def wxyz(matrix):
    x, y, z, w = quaternion_of(matrix[:3, :3])
    return [w, x, y, z]


def nuscenes(folder, world):
    tables = {name: [] for name in ('scene', 'sample', 'sample_data', 'calibrated_sensor', 'ego_pose', 'sensor')}
    tables |= {name: [] for name in ('sample_annotation', 'instance', 'category')}
    tables['scene'] = [{'token': 'scene', 'name': 'scene-0001'}]
    tables['category'] = [{'token': 'cat', 'name': 'vehicle.bus.rigid'}]
    tables['instance'] = [{'token': 'f' * 32, 'category_token': 'cat'}]
    for channel, mount in (('LIDAR_TOP', world.base_from_lidar), ('CAM_FRONT_LEFT', world.base_from_camera)):
        lens = MATRIX.tolist() if channel.startswith('CAM') else []
        tables['sensor'].append({'token': channel, 'channel': channel})
        tables['calibrated_sensor'].append(
            {
                'token': f'cs{channel}', 'sensor_token': channel, 'translation': mount[:3, 3].tolist(),
                'rotation': wxyz(mount), 'camera_intrinsic': lens,
            }
        )  # fmt: skip
    for number in range(world.frames):
        tables['sample'].append({'token': f's{number}', 'scene_token': 'scene', 'timestamp': world.micros(number)})
        box = world.map_from_box(number)
        tables['sample_annotation'].append(
            {
                'token': f'a{number}', 'sample_token': f's{number}', 'instance_token': 'f' * 32,
                'translation': box[:3, 3].tolist(), 'rotation': wxyz(box), 'num_lidar_pts': 7 + number,
                'size': [world.size[1], world.size[0], world.size[2]], 'prev': f'a{number - 1}' if number else '',
                'next': f'a{number + 1}' if number < world.frames - 1 else '',
            }
        )  # fmt: skip
        for channel, later_us, name in (
            ('LIDAR_TOP', 0, f'samples/LIDAR_TOP/{number}.pcd.bin'),
            ('CAM_FRONT_LEFT', CAMERA_LATER_US, f'samples/CAM_FRONT_LEFT/{number}.png'),
        ):
            micros = world.micros(number) + later_us
            pose = world.map_from_base(micros)
            tables['ego_pose'].append(
                {'token': f'{channel}{number}', 'translation': pose[:3, 3].tolist(), 'rotation': wxyz(pose)}
            )
            tables['sample_data'].append(
                {
                    'token': f'{channel}{number}', 'sample_token': f's{number}', 'ego_pose_token': f'{channel}{number}',
                    'calibrated_sensor_token': f'cs{channel}', 'timestamp': micros, 'is_key_frame': True,
                    'filename': name,
                }
            )  # fmt: skip
        beams = np.arange(len(world.points)) % 32
        rows(folder / f'samples/LIDAR_TOP/{number}.pcd.bin', np.column_stack([world.sweep(number), beams]))
        write_picture(folder / f'samples/CAM_FRONT_LEFT/{number}.png', number)
    for name, table in tables.items():
        text(folder / f'v1.0-mini/{name}.json', [json.dumps(table)])


def argoverse2(folder, world, write, stamped):
    """write(path without ending, columns); stamped(nanoseconds, xyz, intensity, laser) writes a sweep."""
    ego_from_base = turned([0.0, 0.0, -0.32])

    def columns(matrices):
        quaternions = np.array([wxyz(matrix) for matrix in matrices])
        shifts = np.array([matrix[:3, 3] for matrix in matrices])
        return {
            **{name: quaternions[:, row] for row, name in enumerate(('qw', 'qx', 'qy', 'qz'))},
            **{name: shifts[:, row] for row, name in enumerate(('tx_m', 'ty_m', 'tz_m'))},
        }

    sensors = {'ring_front_left': world.base_from_camera, 'up_lidar': world.base_from_lidar}
    write('calibration/egovehicle_SE3_sensor', {
        'sensor_name': list(sensors), **columns([ego_from_base @ matrix for matrix in sensors.values()])
    })  # fmt: skip
    lens = {'fx_px': [200.0], 'fy_px': [210.0], 'cx_px': [160.0], 'cy_px': [90.0], 'k1': [0.3]}
    write('calibration/intrinsics', {'sensor_name': ['ring_front_left'], **lens})
    base_from_ego = inverse(ego_from_base)
    moments = [world.micros(number) + later for number in range(world.frames) for later in (0, CAMERA_LATER_US)]
    poses = [world.map_from_base(micros) @ base_from_ego for micros in moments]
    write('city_SE3_egovehicle', {'timestamp_ns': np.array(moments) * 1000, **columns(poses)})
    boxes = [
        inverse(world.map_from_base(world.micros(number)) @ base_from_ego) @ world.map_from_box(number)
        for number in range(world.frames)
    ]
    length, width, height = world.size
    write('annotations', {
        'timestamp_ns': [world.micros(number) * 1000 for number in range(world.frames)],
        'track_uuid': ['1046f12a-152a-4e82-b61b-75468bcda8ae'] * world.frames, 'category': ['BUS'] * world.frames,
        'length_m': [length] * world.frames, 'width_m': [width] * world.frames, 'height_m': [height] * world.frames,
        'num_interior_pts': [7 + number for number in range(world.frames)], **columns(boxes),
    })  # fmt: skip
    for number in range(world.frames):
        xyz = world.sweep(number, base_from_ego)
        stamped(world.micros(number) * 1000, xyz[:, :3].astype(np.float16), (xyz[:, 3] * 255).astype(np.uint8))
        taken_ns = (world.micros(number) + CAMERA_LATER_US) * 1000
        write_picture(folder / f'sensors/cameras/ring_front_left/{taken_ns}.png', number)


def semantickitti(folder, world):
    base_from_velo = turned([0.76, 0.0, 1.73])
    camera_from_velo = inverse(world.base_from_camera) @ base_from_velo
    lines, camera_from_base = [], inverse(world.base_from_camera)
    for number in range(world.frames):
        rows(folder / f'velodyne/{number:06d}.bin', world.sweep(number, base_from_velo))
        write_picture(folder / f'image_2/{number:06d}.png', number)
        ids = np.arange(len(world.points), dtype='<u4') % 40 | (number + 1) << 16
        (folder / 'labels').mkdir(exist_ok=True)
        ids.tofile(folder / f'labels/{number:06d}.label')
        moved = inverse(world.map_from_base(MICROS)) @ world.map_from_base(world.micros(number))
        lines.append(numbers((camera_from_base @ moved @ inverse(camera_from_base))[:3]))
    text(folder / 'poses.txt', lines)
    text(folder / 'times.txt', [f'{number * 0.1:.6e}' for number in range(world.frames)])
    projection = np.hstack([MATRIX, np.zeros((3, 1))])
    text(folder / 'calib.txt', [f'P2: {numbers(projection)}', f'Tr: {numbers(camera_from_velo[:3])}'])


def rellis(folder, world):
    lidar_from_camera = inverse(world.base_from_lidar) @ world.base_from_camera
    turn, lines = quaternion_of(lidar_from_camera[:3, :3]), []
    for number in range(world.frames):
        rows(folder / f'os1_cloud_node_kitti_bin/{number:06d}.bin', world.sweep(number))
        seconds, millis = divmod(world.micros(number) // 1000, 1000)
        name = f'frame{number:06d}-{seconds}_{millis:03d}'
        write_picture(folder / f'pylon_camera_node/{name}.png', number)
        (folder / 'pylon_camera_node_label_id').mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f'pylon_camera_node_label_id/{name}.png'), picture(number)[:, :, 0])
        (folder / 'os1_cloud_node_semantickitti_label_id').mkdir(exist_ok=True)
        ids = np.full(len(world.points), number + 3, '<u4')
        ids.tofile(folder / f'os1_cloud_node_semantickitti_label_id/{number:06d}.label')
        lines.append(numbers((world.map_from_base(world.micros(number)) @ world.base_from_lidar)[:3]))
    text(folder / 'poses.txt', lines)
    text(folder / 'camera_info.txt', ['200 210 160 90'])
    q = ', '.join(f'{axis}: {value:.17g}' for axis, value in zip('xyzw', turn))
    t = ', '.join(f'{axis}: {value:.17g}' for axis, value in zip('xyz', lidar_from_camera[:3, 3]))
    text(folder / 'transforms.yaml', ['os1_cloud_node-pylon_camera_node:', f'  q: {{{q}}}', f'  t: {{{t}}}'])


def orfd(folder, world):
    """The level frame of ORFD has x to the right and y ahead; it stands where the LiDAR does, which is turned in it."""
    level_from_lidar = turned([0, 0, 0], 0.5)
    base_from_level = world.base_from_lidar @ inverse(level_from_lidar)
    camera_from_level = inverse(world.base_from_camera) @ base_from_level
    for number in range(world.frames):
        name = world.micros(number) // 1000
        rows(folder / f'lidar_data/{name}.bin', np.column_stack([world.sweep(number), np.ones(len(world.points))]))
        write_picture(folder / f'image_data/{name}.png', number)
        for kind, values in (('dense_depth', np.full((HEIGHT, WIDTH), 256 * (number + 1), np.uint16)),):
            (folder / kind).mkdir(exist_ok=True)
            values[0] = 0
            cv2.imwrite(str(folder / f'{kind}/{name}.png'), values)
        text(folder / f'calib/{name}.txt', [
            f'cam_K: {numbers(MATRIX)}', f'cam_RT: {numbers(camera_from_level)}',
            f'lidar_R: {numbers(level_from_lidar[:3, :3])}', 'lidar_T: 0 0 0',
        ])  # fmt: skip


def waymo_kitti(folder, world):
    camera_from_base = inverse(world.base_from_camera)
    projection = np.hstack([MATRIX, np.zeros((3, 1))])
    for number in range(world.frames):
        name = f'0007{number:03d}'
        sweep = world.sweep(number, np.eye(4))
        rows(folder / f'training/velodyne/{name}.bin', np.column_stack([sweep, sweep[:, :2]]))
        write_picture(folder / f'training/image_0/{name}.png', number)
        lines = [f'P{row}: {numbers(projection)}' for row in range(5)] + ['R0_rect: 1 0 0 0 1 0 0 0 1']
        lines += [f'Tr_velo_to_cam_{row}: {numbers(camera_from_base[:3])}' for row in range(5)]
        text(folder / f'training/calib/{name}.txt', lines)
        pose = world.map_from_base(world.micros(number))
        text(folder / f'training/pose/{name}.txt', [numbers(row) for row in pose])
        box = camera_from_base @ inverse(pose) @ world.map_from_box(number)
        bottom = box[:3, 3] + camera_from_base[:3, :3] @ [0, 0, -world.size[2] / 2]
        turn = np.arctan2(-box[2, 0], box[0, 0])
        length, width, height = world.size
        sizes = numbers([height, width, length])
        row = f'Pedestrian 0 0 -1.5 10 20 30 40 {sizes} {numbers(bottom)} {numbers([turn])} track'
        text(folder / f'training/label_all/{name}.txt', [row])
