"""What the package says of itself: package.xml, setup.py and constraints agree with one another and with the code."""

import ast
import re
import sys
from pathlib import Path

import pytest

from autonomy_nodes.messages import topics

ROOT = Path(__file__).parents[2]
IMPORTED_AS = {'yaml': 'PyYAML', 'cv2': 'opencv-python-headless', 'cuda': 'cuda-bindings'}  # module: what pip calls it
GIVEN = {'autonomy_nodes', 'rclpy'}  # rclpy comes with ROS 2
JETPACK = {'tensorrt', 'pycuda'}  # of NVIDIA's own index or built there, so not pinned here


def normal(name):
    return re.sub(r'[-_.]+', '-', name).lower()


def requirements():
    """Return {'': requirements of the vehicle, extra: its requirements} as setup.py declares them."""
    found = {}
    for node in ast.parse((ROOT / 'setup.py').read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id in ('REQUIRES', 'EXTRAS'):
            value = ast.literal_eval(node.value)
            found |= value if isinstance(value, dict) else {'': value}
    return {extra: {normal(re.split('[<=>~!;]', line)[0].strip()) for line in lines} for extra, lines in found.items()}


def pins(path):
    lines = (line.split('#')[0].strip() for line in path.read_text().splitlines())
    return {normal(line.partition('==')[0]): line.partition('==')[2] for line in lines if line}


def imported(path):
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.split('.')[0] for name in names}


REQUIRED = requirements()
OF_OTHERS = ('ros-requirements', 'benchmark')  # the latter pins tools that stand in an environment of their own
CONSTRAINTS = [path for path in sorted((ROOT / 'constraints').glob('*.txt')) if path.stem not in OF_OTHERS]
SOURCES = sorted((ROOT / 'autonomy_nodes').rglob('*.py'))
ALONE = ('clerk.py', 'rivals.py', 'sampler.py')  # run by .venv-benchmark
BENCH = [path for path in SOURCES if path.parent.name == 'commonroad' and path.name in ALONE]
MODULES = set().union(*(imported(path) for path in SOURCES if path not in BENCH)) - GIVEN - sys.stdlib_module_names


@pytest.fixture(scope='module')
def manifest():
    parse = pytest.importorskip('catkin_pkg.package')
    return parse.parse_package(str(ROOT / 'package.xml'))


def test_package_xml_is_valid(manifest):
    warnings = []
    manifest.validate(warnings)
    assert warnings == []
    assert manifest.get_build_type() == 'ament_python'


def test_package_xml_and_setup_agree(manifest):
    text = (ROOT / 'setup.py').read_text()
    assert f"version='{manifest.version}'" in text
    assert f"NAME = '{manifest.name}'" in text
    assert manifest.version in (ROOT / 'CHANGELOG.rst').read_text()
    assert [license.file for license in manifest.licenses] == ['LICENSE'] and (ROOT / 'LICENSE').exists()


def test_package_xml_names_the_package_of_every_topic(manifest):
    needed = {topic.type.split('/')[0] for topic in topics.TABLE}
    assert needed <= {depend.name for depend in manifest.exec_depends}


@pytest.mark.parametrize('module', sorted(MODULES))
def test_every_import_is_declared_in_setup(module):
    if module.endswith(('_msgs', '_srvs', '_interfaces')) or module == 'ament_index_python':
        return
    declared = set().union(*REQUIRED.values())
    assert normal(IMPORTED_AS.get(module, module)) in declared, f'{module} is imported but not in setup.py'


@pytest.mark.parametrize('path', CONSTRAINTS, ids=lambda path: path.stem)
def test_constraints_pin_everything_that_setup_and_the_makefile_ask_for(path):
    asked = set().union(*REQUIRED.values()) | pins(ROOT / 'constraints' / 'ros-requirements.txt').keys()
    missing = {name for name in asked if not pins(path).get(name)} - JETPACK
    assert not missing


def test_torch_has_one_version():
    assert {pins(path)['torch'] for path in CONSTRAINTS} == {'2.13.0'}
    assert 'torch' not in REQUIRED['']


def test_a_vehicle_needs_nothing_without_a_wheel_for_aarch64():
    lines = (ROOT / 'test' / 'data' / 'aarch64_wheels.txt').read_text().splitlines()
    wheels = {normal(line.split('-')[0]): line for line in lines if not line.startswith('#')}
    assert all('aarch64' in name or name.endswith('-none-any.whl') for name in wheels.values())
    assert REQUIRED[''] <= wheels.keys()
    pinned = pins(ROOT / 'constraints' / 'jazzy-py310.txt')
    assert {name: line.split('-')[1] for name, line in wheels.items()} == {name: pinned[name] for name in wheels}


def test_no_package_index_is_named():
    files = [ROOT / 'Makefile', *(ROOT / 'constraints').glob('*'), *(ROOT / 'bootstrap').glob('*.py')]
    files += [*(ROOT / 'docker').iterdir(), ROOT / '.ci' / 'run']
    for path in files:
        assert not re.search(r'index-url|find-links|pypi\.\w+', path.read_text()), path
