"""The bench of the node tests."""

import pytest


@pytest.fixture
def bench():
    rclpy = pytest.importorskip('rclpy')
    from bench import Bench

    rclpy.init()
    try:
        yield (made := Bench())
        made.close()
    finally:
        rclpy.shutdown()
