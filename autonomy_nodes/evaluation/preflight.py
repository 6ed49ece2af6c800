"""Whether a computer is ready to drive: power, clocks, TensorRT, memory, disk, the middleware; with remedies.

All is read below a given root folder, /proc and /sys included, so that a test can make a computer of its own. Of a file
that is not there nothing is said.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from autonomy_nodes.evaluation.findings import MEND, NOTE, Finding

GB, MIB = 1e9, 2**20
SEGMENT_MIB, PROCESSES = 64, 8  # config/fastdds.xml; processes of the stack, and drivers that use it too
LEAST_SHM_MIB = SEGMENT_MIB * PROCESSES
LEAST_MEMORY_GB, GOOD_MEMORY_GB = 2.0, 4.0  # grouped processes with networks take about 2
LEAST_DISK_GB, GOOD_DISK_GB = 2.0, 10.0
RMEM_BYTES, FRAGMENTS_BYTES = 4 * MIB, 64 * MIB
HOT_C = 85.0
MODE = re.compile(r'<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>')
TENSORRT = {'36': '10', '38': '10'}  # L4T release of JetPack 6 and 7: major version of its TensorRT
FULL = 'MAXN'


def preflight(root: Path, environ: Mapping[str, str], free_bytes: int) -> list[Finding]:
    """Return what is found, what must be mended first.

    root: '/' on a computer, a tree of files in a test. environ: of the process that starts the stack. free_bytes: on
    the disk where it records.
    """
    found = [finding for check in CHECKS for finding in check(root)]
    found += _disk(free_bytes) + _environment(environ)
    return sorted(found, key=lambda finding: finding.level != MEND)


def lines(found: list[Finding], jetson: bool) -> list[str]:
    """Return what is printed."""
    count = sum(finding.level == MEND for finding in found)
    kind = 'a Jetson' if jetson else 'no Jetson: power modes are not looked at'
    end = f'{count} to mend, {len(found) - count} notes' if found else 'all is well'
    return [*map(str, found), f'{kind}; {end}']


def is_jetson(root: Path) -> bool:
    """Return whether the computer is a Jetson, by its device tree or its release file."""
    return 'Jetson' in _text(root, 'proc/device-tree/model') or bool(_text(root, 'etc/nv_tegra_release'))


def _power(root: Path) -> list[Finding]:
    """The tool nvpmodel keeps the number of its mode in a file, and the modes in /etc/nvpmodel.conf."""
    number = re.search(r'pmode:(\d+)', _text(root, 'var/lib/nvpmodel/status'))
    modes = {int(id_): name for id_, name in MODE.findall(_text(root, 'etc/nvpmodel.conf'))}
    if not is_jetson(root) or number is None or int(number[1]) not in modes:
        return []
    name = modes[int(number[1])]
    best = [id_ for id_, each in sorted(modes.items()) if each.startswith(FULL)]
    if name.startswith(FULL) or not best:
        return []
    what = f'power mode {name} caps the clocks'
    return [Finding(MEND, 'nvpmodel', what, f'sudo nvpmodel -m {best[-1]} ({modes[best[-1]]}); it lasts')]


def _clocks(root: Path) -> list[Finding]:
    found = []
    cpus = root / 'sys/devices/system/cpu'  # intel_pstate says powersave and is quick all the same
    governors = {path.parent.parent.name: path for path in sorted(cpus.glob('cpu[0-9]*/cpufreq/scaling_governor'))}
    slow = [name for name, path in governors.items() if path.read_text().strip() == 'powersave']
    if slow and not (cpus / 'intel_pstate').exists():
        remedy = 'sudo jetson_clocks' if is_jetson(root) else 'sudo cpupower frequency-set -g performance'
        found.append(Finding(NOTE, 'clocks', f'{len(slow)} cores, such as {slow[0]}, save power', remedy))
    if is_jetson(root):
        pairs = [*root.glob('sys/class/devfreq/*gpu*'), *root.glob('sys/class/devfreq/*gv11b*')]
        loose = [path.name for path in sorted(pairs) if _number(path / 'min_freq') < _number(path / 'max_freq')]
        if loose:
            what = f'the clock of {loose[0]} varies, so the latency of networks does'
            found.append(Finding(NOTE, 'clocks', what, 'sudo jetson_clocks, after each start'))
    return found


def _heat(root: Path) -> list[Finding]:
    hot = {}
    for path in sorted(root.glob('sys/class/thermal/thermal_zone*')):
        degrees = _number(path / 'temp') / 1000.0
        if degrees > HOT_C:
            hot[(path / 'type').read_text().strip() if (path / 'type').exists() else path.name] = degrees
    remedy = 'clean the fan, cool the case, or choose a lower power mode'
    told = {name: f'{name} is at {degrees:.0f} C: clocks will fall' for name, degrees in hot.items()}
    return [Finding(NOTE, 'heat', what, remedy) for what in told.values()]


def _tensorrt(root: Path) -> list[Finding]:
    release = re.search(r'R(\d+)', _text(root, 'etc/nv_tegra_release'))
    libraries = sorted(root.glob('usr/lib/*-linux-gnu/libnvinfer.so.*'))
    if not is_jetson(root):
        return []
    if not libraries:
        return [Finding(MEND, 'TensorRT', 'libnvinfer is not installed', 'sudo apt-get install -y tensorrt')]
    found, version = [], libraries[-1].name.partition('.so.')[2]
    wanted = TENSORRT.get(release[1]) if release else None
    if wanted and version.split('.')[0] != wanted:
        what = f'version {version} is not that of JetPack ({wanted}.x)'
        remedy = 'install the tensorrt package of the same JetPack, then autonomy engine build'
        found.append(Finding(MEND, 'TensorRT', what, remedy))
    if not [*root.glob('usr/lib/python3*/dist-packages/tensorrt')]:
        remedy = 'sudo apt-get install -y python3-libnvinfer'
        found.append(Finding(MEND, 'TensorRT', 'its Python package is not installed', remedy))
    return found


def _memory(root: Path) -> list[Finding]:
    told = dict(re.findall(r'^(\w+):\s+(\d+) kB', _text(root, 'proc/meminfo'), re.MULTILINE))
    if 'MemAvailable' not in told:
        return []
    free_gb, found = int(told['MemAvailable']) * 1024 / GB, []
    if free_gb < GOOD_MEMORY_GB:
        level = MEND if free_gb < LEAST_MEMORY_GB else NOTE
        remedy = 'end other programs: a desktop takes 1 GB (sudo systemctl set-default multi-user.target)'
        found.append(Finding(level, 'memory', f'{free_gb:.1f} GB are free, {GOOD_MEMORY_GB:g} are good', remedy))
    swapped_gb = (int(told.get('SwapTotal', 0)) - int(told.get('SwapFree', 0))) * 1024 / GB
    if swapped_gb > 0.5:
        remedy = 'end other programs, then sudo swapoff -a && sudo swapon -a'
        found.append(Finding(NOTE, 'memory', f'{swapped_gb:.1f} GB lie in swap: what is read back comes late', remedy))
    return found


def _disk(free_bytes: int) -> list[Finding]:
    free_gb = free_bytes / GB
    if free_gb >= GOOD_DISK_GB:
        return []
    level = MEND if free_gb < LEAST_DISK_GB else NOTE
    remedy = 'free it, or lower recorder.clips.disk_mb; raw sensors take 1 to 2 GB a minute'
    return [Finding(level, 'disk', f'{free_gb:.1f} GB are free where recordings go', remedy)]


def _buffers(root: Path) -> list[Finding]:
    found = []
    for name, least, why in (
        ('net/core/rmem_max', RMEM_BYTES, 'sweeps from other computers are lost in bursts'),
        ('net/ipv4/ipfrag_high_thresh', FRAGMENTS_BYTES, 'parts of large messages from elsewhere are thrown away'),
    ):
        path = root / 'proc/sys' / name
        if path.exists() and _number(path) < least:
            key = name.replace('/', '.')
            remedy = f'echo {key}={least} | sudo tee /etc/sysctl.d/60-autonomy-{key}.conf && sudo sysctl --system'
            found.append(Finding(NOTE, key, f'is {_number(path):.0f}: {why}', remedy))
    return found


def _shared_memory(root: Path) -> list[Finding]:
    mounts = [line.split() for line in _text(root, 'proc/mounts').splitlines()]
    options = next((words[3] for words in mounts if len(words) > 3 and words[1] == '/dev/shm'), None)
    if options is None:
        if not mounts:
            return []
        remedy = 'sudo mount -t tmpfs -o size=1g tmpfs /dev/shm'
        return [Finding(MEND, '/dev/shm', 'is no memory: large messages are lost', remedy)]
    found, size = [], re.search(r'size=(\d+)([kmg]?)', options)
    if size:
        size_mib = int(size[1]) * {'': 1, 'k': 2**10, 'm': 2**20, 'g': 2**30}[size[2]] / MIB
        if size_mib < LEAST_SHM_MIB:
            what = f'holds {size_mib:.0f} MiB; {PROCESSES} processes take {LEAST_SHM_MIB}: large messages are lost'
            remedy = 'docker run --ipc=host or --shm-size=1g; elsewhere sudo mount -o remount,size=1g /dev/shm'
            found.append(Finding(MEND, '/dev/shm', what, remedy))
    left_mib = sum(path.stat().st_size for path in root.glob('dev/shm/fastrtps_*') if path.is_file()) / MIB
    if left_mib > LEAST_SHM_MIB:
        what = f'{left_mib:.0f} MiB of segments lie there, some of processes that were killed'
        found.append(Finding(NOTE, '/dev/shm', what, 'stop the stack, then fastdds shm clean'))
    return found


def _environment(environ: Mapping[str, str]) -> list[Finding]:
    found = []
    rmw = environ.get('RMW_IMPLEMENTATION', '')
    if rmw and not rmw.startswith('rmw_fastrtps'):
        what = f'is {rmw}, which config/fastdds.xml does not tune'
        found.append(Finding(NOTE, 'RMW_IMPLEMENTATION', what, 'unset it, or give that middleware 16 MiB messages too'))
    if environ.get('ROS_LOCALHOST_ONLY') == '1':
        what = 'is ignored by newer ROS 2: messages leave this computer'
        remedy = 'export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST'
        found.append(Finding(NOTE, 'ROS_LOCALHOST_ONLY', what, remedy))
    for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
        if environ.get(name) and not Path(environ[name]).exists():
            found.append(Finding(MEND, name, f'names {environ[name]}, which is not there', f'unset {name}'))
    return found


CHECKS: tuple[Callable[[Path], list[Finding]], ...] = (
    _power, _clocks, _heat, _tensorrt, _memory, _buffers, _shared_memory,
)  # fmt: skip


def _text(root: Path, name: str) -> str:
    try:
        return (root / name).read_text(errors='replace')
    except OSError:
        return ''


def _number(path: Path) -> float:
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return 0.0
