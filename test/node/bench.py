"""A peer beside nodes under test: sends messages, keeps what they answer."""

import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter

from autonomy_nodes.messages.topics import DIAGNOSTICS
from autonomy_nodes.messages.words import read_status
from autonomy_nodes.nodes.publishing import ros_type
from autonomy_nodes.nodes.qos import offered, requested
from autonomy_nodes.nodes.stage import StageNode


class Bench:
    """Runs nodes in this process; only a fault makes `until` wait long."""

    def __init__(self):
        self.peer, self.executor = rclpy.create_node('peer'), SingleThreadedExecutor()
        self.executor.add_node(self.peer)
        self.statuses, self.outs, self.nodes = [], {}, []
        self.listen(DIAGNOSTICS, lambda data: self.statuses.append(read_status(data)))

    def listen(self, topic, take):
        return self.peer.create_subscription(
            ros_type(topic.type), topic.name, take, requested(topic, 'each'), raw=True
        )

    def send(self, topic, data):
        if topic.name not in self.outs:
            self.outs[topic.name] = self.peer.create_publisher(ros_type(topic.type), topic.name, offered(topic))
            self.until(lambda: self.outs[topic.name].get_subscription_count() > 0)
        self.outs[topic.name].publish(data)

    def node(self, stage, **settings):
        """Make a node beside the peer; its clock stands still unless a test sets it."""
        given = [Parameter(name, value=value) for name, value in ({'use_sim_time': True} | settings).items()]
        node = StageNode(stage, parameter_overrides=given)
        self.executor.add_node(node)
        self.nodes.append(node)
        return node

    def until(self, done, meanwhile=lambda: None):
        end = time.monotonic() + 30.0
        while not done():
            assert time.monotonic() < end, f'waited in vain; heard {self.texts()}'
            meanwhile()
            self.executor.spin_once(timeout_sec=0.05)

    def texts(self, of=None):
        return [status.text for status in self.statuses if of in (None, status.node)]

    def close(self):
        for node in [*self.nodes, self.peer]:
            node.destroy_node()
