import threading

import numpy as np
import pytest
import samples

from autonomy_nodes.common.sensing import Transforms
from autonomy_nodes.evaluation.survey import of_running
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.clouds import write_cloud
from autonomy_nodes.messages.motion import write_transforms


def counted(survey):
    return sum(stream.count for stream in survey.of_kind(topics.LIDAR_RAW))


def test_the_doctor_hears_a_running_graph_and_what_its_publishers_offer():
    rclpy = pytest.importorskip('rclpy')
    from rclpy.executors import SingleThreadedExecutor

    from autonomy_nodes.nodes.publishing import ros_type
    from autonomy_nodes.nodes.qos import offered

    context = rclpy.Context()
    rclpy.init(context=context)
    driver = rclpy.create_node('driver', context=context)
    lidar, static = topics.LIDAR_RAW.named('top'), topics.TF_STATIC
    sweeps = driver.create_publisher(ros_type(lidar.type), lidar.name, offered(lidar))
    mounts = driver.create_publisher(ros_type(static.type), static.name, offered(static))
    mounts.publish(write_transforms(Transforms(samples.STAMP_NS, {('base_link', 'lidar_top'): np.eye(4)})))

    def send():
        now_ns = driver.get_clock().now().nanoseconds
        sweeps.publish(write_cloud(samples.cloud(500, frame='lidar_top', stamp_ns=now_ns)))

    driver.create_timer(0.1, send)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(driver)
    done = threading.Event()

    def spin():
        while not done.is_set():
            executor.spin_once(timeout_sec=0.1)

    spinning = threading.Thread(target=spin, daemon=True)
    spinning.start()
    try:
        survey = of_running(60.0, lambda heard: counted(heard) > 1 and bool(heard.mounts))
    finally:
        done.set()
        spinning.join(5.0)
        context.try_shutdown()
    assert survey.live and counted(survey) > 1
    assert survey.mounts and ('base_link', 'lidar_top') in survey.mounts[0].matrices
    (offer,) = survey.offers[lidar.name]
    assert (offer.node, offer.reliable) == ('driver', False) and survey.offers['tf_static'][0].latched
