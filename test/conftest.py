"""What the tests share: no packet leaves the machine, and each worker has a domain of its own."""

import os

import pytest
from hypothesis import settings

_WORKER = os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw')
os.environ |= {
    'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
    'ROS_DOMAIN_ID': str(1 + (os.getpid() + 7 * int(_WORKER)) % 100),
    'RMW_IMPLEMENTATION': 'rmw_fastrtps_cpp',
}

# the same examples each time: what fails once fails again. HYPOTHESIS_PROFILE=search looks for others
settings.register_profile('repeat', derandomize=True, deadline=None)
settings.register_profile('search', deadline=None, max_examples=1000)
settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'repeat'))


@pytest.fixture
def one_thread():
    """torch on one thread, as where figures must repeat; then on as many as before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
