"""Our field lists are the released ones: each type hash is locked, and a built package has the same."""

import importlib.util
import json
import os
from pathlib import Path

import pytest
from rosbags.typesys import get_types_from_msg

from autonomy_nodes.messages.store import STORES, interfaces_folder, store_of

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / 'test' / 'data' / 'type_hashes.txt').read_text()
LINES = [line.split() for line in TEXT.splitlines() if line[0] != '#']
LOCKED = {name: value for name, value in LINES if ':' not in name}
KILTED = LOCKED | {name.removeprefix('kilted:'): value for name, value in LINES if ':' in name}
TEXTS = {f'{path.parts[-3]}/msg/{path.stem}': path for path in (ROOT / 'interfaces').glob('*/msg/*.msg')}


def test_every_text_is_locked():
    assert TEXTS.keys() == LOCKED.keys()


@pytest.mark.parametrize('name', LOCKED)
def test_a_text_has_the_released_hash(name):
    assert store_of('jazzy').hash_rihs01(name) == f'RIHS01_{LOCKED[name]}'


@pytest.mark.parametrize('name', KILTED)
def test_a_text_has_the_hash_released_for_kilted(name):
    assert store_of('kilted').hash_rihs01(name) == f'RIHS01_{KILTED[name]}'


def test_only_traffic_lights_differ_between_distributions():
    differ = {name for name, value in KILTED.items() if LOCKED[name] != value}
    assert differ == {f'autoware_perception_msgs/msg/TrafficLightGroup{end}' for end in ('', 'Array')}


@pytest.mark.parametrize('name', LOCKED)
def test_a_text_can_be_registered_alone(name):
    assert name in get_types_from_msg(TEXTS[name].read_text(), name)


def test_a_changed_field_changes_the_hash():
    store = store_of.__wrapped__('jazzy')
    name = 'autoware_planning_msgs/msg/TrajectoryPoint'
    store.fielddefs.pop(name)
    store.types.pop(name)
    store.register(get_types_from_msg(TEXTS[name].read_text().replace('heading_rate_rps', 'yaw_rate_rps'), name))
    assert store.hash_rihs01(name) != f'RIHS01_{LOCKED[name]}'


@pytest.mark.parametrize('package', sorted({name.split('/')[0] for name in LOCKED}))
def test_a_built_package_has_the_same_hashes_and_constants(package):
    pytest.importorskip('rclpy', reason='without ROS nothing is built')
    found = importlib.util.find_spec(package)
    assert found, f'{package} is not installed: run make setup'
    locked = KILTED if os.environ.get('ROS_DISTRO') == 'kilted' else LOCKED
    folder = Path(found.submodule_search_locations[0])
    share = next(parent / 'share' / package for parent in folder.parents if (parent / 'share').is_dir())
    place = folder if (folder / '.built_from').exists() else share
    for name in (name for name in locked if name.startswith(f'{package}/')):
        description = place / 'msg' / f'{name.rpartition("/")[2]}.json'
        if not description.exists():
            pytest.skip('ROS 2 Humble has no type hashes')
        hashes = {each['type_name']: each['hash_string'] for each in json.loads(description.read_text())['type_hashes']}
        assert hashes[name] == f'RIHS01_{locked[name]}'
        made = getattr(importlib.import_module(f'{package}.msg'), name.rpartition('/')[2])
        for constant, _, value in store_of('jazzy').fielddefs[name][0]:
            assert getattr(made, constant) == value


def test_every_distribution_has_a_store():
    assert STORES.keys() >= {'humble', 'jazzy', 'kilted'}
    assert interfaces_folder() == ROOT / 'interfaces'
