"""One publisher of a stage, and message classes by their names."""

from collections.abc import Callable, Set
from functools import cache
from importlib import import_module
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node

from autonomy_nodes.messages.topics import DIAGNOSTICS, Topic
from autonomy_nodes.nodes.qos import offered


@cache
def ros_type(name: str) -> Any:
    """Return a message or service class by its name, such as 'nav_msgs/msg/Odometry'."""
    package, kind, name = name.split('/')
    return getattr(import_module(f'{package}.{kind}'), name)


class RosPublisher:
    """Sends bytes while its stage is active."""

    def __init__(self, node: Node, topic: Topic, active: Callable[[], bool]) -> None:
        self._node, self._topic, self._active = node, topic, active
        self._made = node.create_publisher(ros_type(topic.type), topic.name, offered(topic))
        self._always = topic is DIAGNOSTICS  # an inactive node may say why it is

    def publish(self, data: bytes) -> None:
        """See `Publisher`."""
        if self._always or self._active():
            self._made.publish(data)

    def wanted(self) -> bool:
        """See `Publisher`."""
        return self._made.get_subscription_count() > 0

    def found_by(self, peers: Set[str]) -> bool:
        """Return whether all of these nodes that read the topic are connected."""
        awaited = peers & self._topic.readers
        there = self._node.get_subscriptions_info_by_topic(self._topic.name) if awaited else ()
        return awaited <= {end.node_name for end in there}

    def settled(self) -> None:
        """Wait until what was sent has been received, a second at most."""
        self._made.wait_for_all_acked(Duration(seconds=1))

    def close(self) -> None:
        """Destroy the ROS publisher."""
        self._node.destroy_publisher(self._made)
