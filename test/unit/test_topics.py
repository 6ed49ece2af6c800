"""The table of topics: names are found again, and it holds together."""

from autonomy_nodes.messages import topics
from autonomy_nodes.messages.topics import TABLE, find, sensor_names
from autonomy_nodes.nodes.processes import TABLE as NODES


def test_a_topic_of_a_sensor_is_found_by_its_full_name_with_or_without_slash():
    for name in ('/sensing/lidar/top/pointcloud_raw', 'sensing/lidar/top/pointcloud_raw'):
        assert find(name) == topics.LIDAR_RAW.named('top')
    assert find('/sensing/lidar/top/points') is None
    assert find('/sensing/lidar/a/b/pointcloud_raw') is None


def test_every_topic_finds_itself():
    for topic in TABLE:
        assert find(topic.named('x').name) == topic.named('x')


def test_the_sensors_of_a_recording_are_named_in_order():
    names = ['/sensing/lidar/top/pointcloud_raw', '/sensing/lidar/left/pointcloud_raw', '/tf']
    assert sensor_names(topics.LIDAR_RAW, names) == ('left', 'top')


def test_names_are_unique_and_nodes_known():
    assert len({topic.name for topic in TABLE}) == len(TABLE)
    for topic in TABLE:
        nodes = {*topic.triggers, *topic.joined, *topic.prev, *topic.each, *topic.since}
        assert nodes <= set(NODES), topic.name
        assert topic.given_by in {*NODES, 'vehicle', 'people', 'all'}, topic.name
