"""`autonomy preflight` on computers that are made of files."""

import pytest

from autonomy_nodes.commands.main import main
from autonomy_nodes.evaluation.findings import MEND, NOTE
from autonomy_nodes.evaluation.preflight import GB, is_jetson, lines, preflight

MODES = '< POWER_MODEL ID=0 NAME=15W >\nCPU 1\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n< PM_CONFIG DEFAULT=0 >\n'
GPU, LIBRARY = 'sys/class/devfreq/17000000.gpu', 'usr/lib/aarch64-linux-gnu/libnvinfer.so'
FRAGMENTS = 'proc/sys/net/ipv4/ipfrag_high_thresh'
ORIN = {  # as it should be: JetPack 6
    'proc/device-tree/model': 'NVIDIA Jetson AGX Orin Developer Kit\0',
    'etc/nv_tegra_release': '# R36 (release), REVISION: 4.0, GCID: 1, BOARD: generic\n',
    'etc/nvpmodel.conf': MODES,
    'var/lib/nvpmodel/status': 'pmode:0002 fmode:quiet\n',
    'sys/devices/system/cpu/cpu0/cpufreq/scaling_governor': 'schedutil\n',
    'sys/class/devfreq/17000000.gpu/min_freq': '1300500000\n',
    'sys/class/devfreq/17000000.gpu/max_freq': '1300500000\n',
    'sys/class/thermal/thermal_zone0/temp': '51000\n',
    'sys/class/thermal/thermal_zone0/type': 'tj-thermal\n',
    'usr/lib/aarch64-linux-gnu/libnvinfer.so.10.3.0': '',
    'usr/lib/python3.10/dist-packages/tensorrt/__init__.py': '',
    'proc/meminfo': 'MemTotal: 64000000 kB\nMemAvailable: 48000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n',
    'proc/mounts': 'tmpfs /dev/shm tmpfs rw,nosuid,nodev 0 0\n',
    'proc/sys/net/core/rmem_max': '8388608\n',
    'proc/sys/net/ipv4/ipfrag_high_thresh': '134217728\n',
}


@pytest.fixture
def computer(tmp_path):
    """Make a computer of files; None takes one away."""

    def built(changes):
        for name, text in (ORIN | changes).items():
            if text is not None:
                path = tmp_path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        return tmp_path

    return built


def found_on(root, environ=None, free_gb=100.0):
    return preflight(root, environ or {}, round(free_gb * GB))


def test_a_computer_that_is_ready_has_no_findings(computer):
    root = computer({})
    assert found_on(root) == [] and is_jetson(root)
    assert lines([], jetson=True) == ['a Jetson; all is well']


@pytest.mark.parametrize(
    'changes, level, where, what, remedy',
    [
        ({'var/lib/nvpmodel/status': 'pmode:0000'}, MEND, 'nvpmodel', '15W caps', 'nvpmodel -m 2 (MAXN_SUPER)'),
        (
            {'sys/devices/system/cpu/cpu0/cpufreq/scaling_governor': 'powersave'},
            NOTE, 'clocks', '1 cores, such as cpu0', 'sudo jetson_clocks',
        ),
        ({f'{GPU}/min_freq': '306000000'}, NOTE, 'clocks', '17000000.gpu varies', 'jetson_clocks'),
        ({'sys/class/thermal/thermal_zone0/temp': '85001'}, NOTE, 'heat', 'tj-thermal is at 85 C', 'fan'),
        ({f'{LIBRARY}.10.3.0': None}, MEND, 'TensorRT', 'not installed', 'install -y tensorrt'),
        (
            {f'{LIBRARY}.10.3.0': None, f'{LIBRARY}.8.6.2': ''},
            MEND, 'TensorRT', 'version 8.6.2 is not that of JetPack (10.x)', 'autonomy engine build',
        ),
        (
            {'usr/lib/python3.10/dist-packages/tensorrt/__init__.py': None},
            MEND, 'TensorRT', 'Python package', 'python3-libnvinfer',
        ),
        ({'proc/meminfo': 'MemAvailable: 1900000 kB\n'}, MEND, 'memory', '1.9 GB are free', 'multi-user.target'),
        ({'proc/meminfo': 'MemAvailable: 3000000 kB\n'}, NOTE, 'memory', '3.1 GB are free', 'multi-user.target'),
        (
            {'proc/meminfo': 'MemAvailable: 9000000 kB\nSwapTotal: 4000000 kB\nSwapFree: 3000000 kB\n'},
            NOTE, 'memory', '1.0 GB lie in swap', 'swapoff',
        ),
        ({'proc/sys/net/core/rmem_max': '212992'}, NOTE, 'net.core.rmem_max', 'is 212992', '=4194304 | sudo tee'),
        ({FRAGMENTS: '4194304'}, NOTE, 'net.ipv4.ipfrag_high_thresh', 'thrown', '67108864'),
        (
            {'proc/mounts': 'shm /dev/shm tmpfs rw,nosuid,size=65536k 0 0\n'},
            MEND, '/dev/shm', 'holds 64 MiB; 8 processes take 512', '--ipc=host',
        ),
        ({'proc/mounts': 'overlay / overlay rw 0 0\n'}, MEND, '/dev/shm', 'is no memory', 'mount -t tmpfs'),
    ],
)  # fmt: skip
def test_each_fault_is_found_with_its_remedy(computer, changes, level, where, what, remedy):
    (finding,) = found_on(computer(changes))
    assert (finding.level, finding.where) == (level, where)
    assert what in finding.what and remedy in finding.remedy


@pytest.mark.parametrize('size, count', [('524287k', 1), ('524288k', 0), ('512m', 0), ('1g', 0)])
def test_shared_memory_must_hold_a_segment_for_each_process(computer, size, count):
    root = computer({'proc/mounts': f'tmpfs /dev/shm tmpfs rw,size={size},inode64 0 0\n'})
    assert len(found_on(root)) == count


def test_segments_that_killed_processes_left_are_told(computer):
    root = computer({'dev/shm/sem.other': 'x'})
    for number in range(9):
        with (root / f'dev/shm/fastrtps_{number}').open('wb') as file:
            file.truncate(64 * 2**20)  # takes no disk
    (finding,) = found_on(root)
    assert finding.what.startswith('576 MiB of segments') and 'fastdds shm clean' in finding.remedy


@pytest.mark.parametrize('free_gb, level', [(1.9, MEND), (9.9, NOTE)])
def test_a_disk_that_is_nearly_full_is_told(computer, free_gb, level):
    (finding,) = found_on(computer({}), free_gb=free_gb)
    assert (finding.level, finding.where) == (level, 'disk') and f'{free_gb} GB' in finding.what


@pytest.mark.parametrize(
    'environ, where, remedy',
    [
        ({'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp'}, 'RMW_IMPLEMENTATION', 'unset it'),
        ({'ROS_LOCALHOST_ONLY': '1'}, 'ROS_LOCALHOST_ONLY', 'ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST'),
        ({'FASTRTPS_DEFAULT_PROFILES_FILE': '/nowhere.xml'}, 'FASTRTPS_DEFAULT_PROFILES_FILE', 'unset FASTRTPS'),
    ],
)
def test_what_the_environment_says_about_the_middleware_is_looked_at(computer, environ, where, remedy):
    (finding,) = found_on(computer({}), environ)
    assert finding.where == where and remedy in finding.remedy


def test_a_computer_that_is_no_jetson_needs_no_tensorrt_and_no_power_mode(computer):
    changes = {'proc/device-tree/model': None, 'etc/nv_tegra_release': None, 'var/lib/nvpmodel/status': 'pmode:0000'}
    root = computer({**changes, 'usr/lib/aarch64-linux-gnu/libnvinfer.so.10.3.0': None})
    assert found_on(root) == [] and not is_jetson(root)


def test_an_empty_tree_says_nothing(tmp_path):
    assert found_on(tmp_path) == []


def test_what_must_be_mended_comes_first_and_makes_the_command_fail(computer, capsys):
    changes = {'proc/sys/net/core/rmem_max': '1', 'proc/mounts': 'overlay / overlay rw 0 0\n'}
    words = ['preflight', '--root', str(computer(changes))]
    assert main(words) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith('mend  /dev/shm:') and ' -> sudo mount' in told[0]
    assert told[-1].startswith('a Jetson; 1 to mend, ')
    assert main(['preflight', '--root', '/no/such/folder']) == 2
