"""With the shipped profile of Fast DDS large best-effort messages reach other processes; without it they are lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy')
ROOT = Path(__file__).parents[2]
PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
COUNT, SIZE = 20, 2_000_000  # a LiDAR sweep; all of them fit into one segment, so that a slow reader loses none
BOTH = f"""
import array, sys, time, rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
rclpy.init()
node, got = rclpy.create_node(sys.argv[1]), []
profile = QoSProfile(depth={COUNT}, reliability=ReliabilityPolicy.BEST_EFFORT)
end = time.monotonic() + 30.0
"""
READER = (
    BOTH
    + f"""
node.create_subscription(Image, 'large', lambda message: got.append(len(message.data)), profile)
print('ready', flush=True)
last = None
while time.monotonic() < end and len(got) < {COUNT} and not (last and time.monotonic() - last > 4.0):
    before = len(got)
    rclpy.spin_once(node, timeout_sec=0.1)
    last = time.monotonic() if len(got) > before or (last is None and node.count_publishers('large')) else last
print(sum(size == {SIZE} for size in got))
"""
)
WRITER = (
    BOTH
    + f"""
publisher = node.create_publisher(Image, 'large', profile)
while publisher.get_subscription_count() == 0 and time.monotonic() < end:
    time.sleep(0.05)
time.sleep(0.5)
message = Image(data=array.array('B', bytes({SIZE})))
for _ in range({COUNT}):
    publisher.publish(message)
    time.sleep(0.05)
time.sleep(3.0)
"""
)


def arrived(profile):
    """Return how many of the messages reach another process."""
    variables = {name: value for name, value in os.environ.items() if name not in PROFILES}
    variables |= dict.fromkeys(PROFILES, str(profile)) if profile else {}
    start = {'env': variables, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True}
    with subprocess.Popen([sys.executable, '-c', READER, 'reader'], **start) as reader:
        assert reader.stdout.readline().strip() == 'ready'
        with subprocess.Popen([sys.executable, '-c', WRITER, 'writer'], **start) as writer:
            told, errors = reader.communicate(timeout=60)
            _, more = writer.communicate(timeout=60)
    assert 'XMLPARSER' not in errors + more, errors + more
    return int(told.split()[-1])


@pytest.mark.live
def test_large_best_effort_messages_arrive_with_our_profile():
    assert arrived(ROOT / 'config' / 'fastdds.xml') == COUNT


@pytest.mark.live
def test_they_are_lost_without_it():
    assert arrived(None) < COUNT  # should this fail, Fast DDS has learnt it and the profile can go
