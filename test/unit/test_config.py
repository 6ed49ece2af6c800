"""The files of config/: settings load with every vehicle, viewers show topics that exist, of the type they need."""

import json
import re
from pathlib import Path

import pytest
import yaml

from autonomy_nodes.common.grid import FAR_LAYERS, TERRAIN_LAYERS
from autonomy_nodes.common.settings import check_settings
from autonomy_nodes.messages import topics
from autonomy_nodes.nodes.launcher import resolved, settings_files
from autonomy_nodes.nodes.processes import LAUNCH_ARGUMENTS, TABLE, make
from autonomy_nodes.nodes.viewer_node import PICTURES, SCENE, WORDS

CONFIG = Path(__file__).parents[2] / 'config'
VEHICLES = sorted(path.stem for path in (CONFIG / 'vehicles').glob('*.yaml'))
NEEDS_NOTHING = [name for name in TABLE if name != 'sim']  # the simulator is an extra
SHOWN = {  # what a display of RViz can show
    'rviz_default_plugins/PointCloud2': 'sensor_msgs/msg/PointCloud2',
    'rviz_default_plugins/MarkerArray': 'visualization_msgs/msg/MarkerArray',
    'rviz_default_plugins/Odometry': 'nav_msgs/msg/Odometry',
    'rviz_default_plugins/Image': 'sensor_msgs/msg/Image',
    'rviz_default_plugins/SetGoal': 'geometry_msgs/msg/PoseStamped',
    'rviz_default_plugins/SetInitialPose': 'geometry_msgs/msg/PoseWithCovarianceStamped',
    'grid_map_rviz_plugin/GridMap': 'grid_map_msgs/msg/GridMap',
    'rviz_plugins/Trajectory': 'autoware_planning_msgs/msg/Trajectory',
    **{
        f'autoware_perception_rviz_plugin/{kind}': f'autoware_perception_msgs/msg/{kind}'
        for kind in ('DetectedObjects', 'TrackedObjects', 'PredictedObjects')
    },
}
IN_3D = {
    'sensor_msgs/msg/PointCloud2', 'grid_map_msgs/msg/GridMap', 'visualization_msgs/msg/MarkerArray',
    'autoware_perception_msgs/msg/PredictedObjects', 'autoware_planning_msgs/msg/Trajectory', 'nav_msgs/msg/Odometry',
}  # fmt: skip


def settings_with(vehicle, overlay):
    files = settings_files(resolved({'vehicle': vehicle, 'overlay': overlay}))
    return check_settings(files, {name: make(name).config_type for name in NEEDS_NOTHING}, TABLE)


@pytest.mark.parametrize('vehicle', VEHICLES)
def test_the_overlay_for_orin_loads_with_every_vehicle_and_changes_what_it_names(vehicle):
    plain, orin = settings_with(vehicle, ''), settings_with(vehicle, str(CONFIG / 'orin.yaml'))
    named = {node for node, section in yaml.safe_load((CONFIG / 'orin.yaml').read_text()).items() if section}
    assert {node for node in plain if plain[node] != orin[node]} == named
    assert orin['perception'].vehicle == plain['perception'].vehicle


def rviz():
    manager = yaml.safe_load((CONFIG / 'stack.rviz').read_text())['Visualization Manager']
    return manager, [item for item in (*manager['Displays'], *manager['Tools']) if 'Topic' in item]


def test_rviz_shows_topics_of_the_stack_with_the_type_of_the_display():
    for item in rviz()[1]:
        topic = topics.find(item['Topic']['Value'])
        assert topic is not None, item['Topic']['Value']
        assert topic.type == SHOWN[item['Class']], item['Name']


def test_rviz_asks_no_sensor_stream_to_be_reliable():
    for item in rviz()[1]:
        if topics.find(item['Topic']['Value']).qos == 'sensor':
            assert item['Topic']['Reliability Policy'] == 'Best Effort', item['Name']


def test_rviz_shows_layers_that_a_grid_has():
    layers = {'terrain': TERRAIN_LAYERS, 'terrain_far': FAR_LAYERS}
    for item in rviz()[0]['Displays']:
        name = item.get('Topic', {}).get('Value', '').rpartition('/')[2]
        if name in layers:
            assert {item['Color Layer'], item['Height Layer']} <= set(layers[name])


def test_rviz_shows_what_a_person_looks_for_first():
    shown = {item['Topic']['Value'].lstrip('/') for item in rviz()[1] if item.get('Enabled', True)}
    assert {topic.name for topic in (topics.CLOUD, topics.TERRAIN, topics.PREDICTIONS, topics.TRAJECTORY)} <= shown
    assert 'rviz_default_plugins/TF' in {item['Class'] for item in rviz()[0]['Displays']}


def test_the_buttons_of_rviz_send_the_start_and_the_goal():
    sent = {item['Class']: topics.find(item['Topic']['Value']) for item in rviz()[0]['Tools'] if 'Topic' in item}
    assert sent['rviz_default_plugins/SetGoal'] == topics.GOAL
    assert sent['rviz_default_plugins/SetInitialPose'] == topics.INITIAL_POSE


def test_foxglove_shows_topics_of_the_stack_and_its_layout_names_panels_that_there_are():
    layout = json.loads((CONFIG / 'foxglove.json').read_text())
    text = json.dumps(layout)
    panels = set(re.findall(r'"(?:first|second)": "([^"]+)"', text))
    assert panels == set(layout['configById'])
    scene = layout['configById']['3D!stack']
    for name in scene['topics']:
        assert topics.find(name).type in IN_3D, name
    assert topics.find(scene['publish']['poseTopic']) == topics.GOAL
    assert topics.find(scene['publish']['poseEstimateTopic']) == topics.INITIAL_POSE
    others = [path['value'] for path in layout['configById']['Plot!speed']['paths']]
    others += [layout['configById']['RawMessages!why']['topicPath']]
    others += [layout['configById']['Image!front']['imageMode']['imageTopic']]
    others += [layout['configById']['DiagnosticSummary!nodes']['topicToRender']]
    assert all(topics.find(path.split('.')[0]) for path in others)


def test_rviz_foxglove_and_the_live_viewer_show_the_same_at_start():
    ours = {topic.name for topic, _, _ in SCENE} | {PICTURES.named('front').name}
    panels = json.loads((CONFIG / 'foxglove.json').read_text())['configById']
    foxglove = {name for name, how in panels['3D!stack']['topics'].items() if how['visible']}
    foxglove |= {panels['Image!front']['imageMode']['imageTopic'], panels['RawMessages!why']['topicPath']}
    foxglove |= {panels['DiagnosticSummary!nodes']['topicToRender']}
    displays = [item for item in rviz()[0]['Displays'] if item['Enabled'] and 'Topic' in item]
    beside = {topics.CHANGE_MARKERS.name}  # in map, which the live viewer does not draw
    words = {topic.name.lstrip('/') for topic in WORDS}  # for which RViz has no display
    assert {item['Topic']['Value'].lstrip('/') for item in displays} == ours | beside
    assert {name.lstrip('/') for name in foxglove} == ours | beside | words


def test_every_file_of_config_that_is_named_to_people_exists():
    told = ' '.join(about for _, about, _ in LAUNCH_ARGUMENTS.values())
    named = re.findall(r'config/\S+\.(?:yaml|rviz|json|xml)', told)
    assert named and all((CONFIG.parent / name).exists() for name in named)
