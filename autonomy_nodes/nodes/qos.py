"""How each kind of topic travels. Publishers offer deadlines; subscribers request none.

A request against another vendor's publisher that offers none would silently yield nothing.
"""

from typing import Any

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy

from autonomy_nodes.messages.topics import Topic
from autonomy_nodes.nodes.inputs import PATIENCE

LEASE = Duration(seconds=0.5)
MANY = 100  # where every message counts, or several publishers share a topic
KINDS: dict[str, dict[str, Any]] = {
    'sensor': {'reliability': ReliabilityPolicy.BEST_EFFORT, 'depth': 5},
    'stream': {'reliability': ReliabilityPolicy.RELIABLE, 'depth': 2},
    'vital': {'reliability': ReliabilityPolicy.RELIABLE, 'depth': 1},
    'health': {
        'reliability': ReliabilityPolicy.RELIABLE, 'depth': 1, 'durability': DurabilityPolicy.TRANSIENT_LOCAL,
    },
    'latched': {
        'reliability': ReliabilityPolicy.RELIABLE, 'depth': 1, 'durability': DurabilityPolicy.TRANSIENT_LOCAL,
    },
    'events': {'reliability': ReliabilityPolicy.RELIABLE, 'depth': MANY},
}  # fmt: skip


def offered(topic: Topic) -> QoSProfile:
    """Return what a publisher of the topic offers."""
    profile = dict(KINDS[topic.qos])
    if topic.qos in ('stream', 'vital') and topic.rate_hz > 0.0:
        profile['deadline'] = Duration(seconds=PATIENCE / topic.rate_hz)
    if topic.qos == 'vital':  # a hung callback is invisible to automatic liveliness
        profile |= {'liveliness': LivelinessPolicy.MANUAL_BY_TOPIC, 'liveliness_lease_duration': LEASE}
    return QoSProfile(**profile)


def requested(topic: Topic, role: str) -> QoSProfile:
    """Return what a subscriber asks for; `role` names a field of `Topic`."""
    profile = dict(KINDS[topic.qos])
    if role in ('each', 'since', 'joined'):
        profile['depth'] = MANY if role != 'joined' else 5
    return QoSProfile(**profile)
