"""What the tests share: no packet leaves the machine, and each worker has a domain of its own."""

import os

_WORKER = os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw')
os.environ |= {
    'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
    'ROS_DOMAIN_ID': str(1 + (os.getpid() + 7 * int(_WORKER)) % 100),
    'RMW_IMPLEMENTATION': 'rmw_fastrtps_cpp',
}
