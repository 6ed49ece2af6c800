"""Listens to a running ROS graph for a while, as nobody of the stack: what there is, who gives it, every message.

Best effort and volatile: that fits whatever a publisher offers. What publishers offer is told apart.
"""

import time
from collections.abc import Callable, Collection
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from autonomy_nodes.nodes.publishing import ros_type

ANY = QoSProfile(reliability=ReliabilityPolicy.BEST_EFFORT, depth=20)
LATCHED = QoSProfile(
    reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL, depth=100
)
POLL_S = 0.5


def listen(
    seconds: float, wanted: Callable[[str, str], bool], latched: Collection[str],
    take: Callable[[str, str, int, bytes], None], enough: Callable[[], bool] = lambda: False,
) -> dict[str, list[tuple[str, str, bool, bool]]]:  # fmt: skip
    """Give `take(topic, type, receive_ns, data)` what is `wanted(topic, type)`; return {topic: its publishers}.

    A publisher is (node, type, reliable, latched). latched: topics of which what was said before counts too. enough:
    ends it early. Time that goes by while message types are loaded does not count.
    """
    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        node = rclpy.create_node('doctor', context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        heard: set[str] = set()
        end = time.monotonic() + seconds
        while time.monotonic() < end and not enough():
            began = time.monotonic()
            for name, kinds in node.get_topic_names_and_types():
                if name not in heard and wanted(name, kinds[0]):
                    heard.add(name)
                    _subscribe(node, name, kinds[0], latched, take)
            end += time.monotonic() - began
            poll = min(time.monotonic() + POLL_S, end)
            while time.monotonic() < poll:
                executor.spin_once(timeout_sec=0.05)
        return {name: _publishers(node, name) for name, _ in node.get_topic_names_and_types()}
    finally:
        context.try_shutdown()


def _subscribe(
    node: Any, name: str, kind: str, latched: Collection[str], take: Callable[[str, str, int, bytes], None]
) -> None:
    offers = _publishers(node, name)
    lasting = name in latched and all(reliable and lasts for _, _, reliable, lasts in offers)

    def heard(data: bytes) -> None:
        take(name, kind, node.get_clock().now().nanoseconds, bytes(data))

    node.create_subscription(ros_type(kind), name, heard, LATCHED if lasting and offers else ANY, raw=True)


def _publishers(node: Any, name: str) -> list[tuple[str, str, bool, bool]]:
    return [
        (
            end.node_name, end.topic_type, end.qos_profile.reliability == ReliabilityPolicy.RELIABLE,
            end.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL,
        )
        for end in node.get_publishers_info_by_topic(name)
    ]  # fmt: skip
