import json
import tarfile
from dataclasses import fields, replace

import numpy as np
import pytest

from autonomy_nodes.common.types import DataError
from autonomy_nodes.training import shards
from autonomy_nodes.training.examples import MASKS, Example
from autonomy_nodes.training.places import PlaceSettings, examples
from autonomy_nodes.training.shards import Order, packed, read_shard, unpacked, write_shards

SETTINGS = PlaceSettings(views=2, recipe='track')


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(shards, 'PLACES', 1)


def quiet(line, done, of):
    """Say nothing."""


def test_an_example_comes_back_as_it_was_up_to_small_steps():
    given = next(iter(examples(1, SETTINGS)))
    found = unpacked(packed(given))
    near = np.abs(given.points[:, :3]).max(axis=1) < shards.REACH_M
    np.testing.assert_allclose(found.points[:, :3], given.points[near, :3], atol=0.0013)
    np.testing.assert_allclose(found.points[:, 3], given.points[near, 3], atol=0.002)
    np.testing.assert_allclose(found.ground_m, given.ground_m, atol=0.0006)
    np.testing.assert_allclose(found.top_m, given.top_m, atol=0.008)
    for name in ('boxes', 'kinds', 'hits', 'shares', 'terrain', 'blocked', 'sensor_m'):
        np.testing.assert_array_equal(getattr(found, name), getattr(given, name))
    np.testing.assert_array_equal(found.bodies, given.bodies[near])
    for field in fields(Example):
        one, other = (getattr(example, field.name) for example in (found, given))
        if field.name == 'photos':
            assert one == other == ()
            continue
        if field.name == 'lanes':
            assert one is None  # files do not hold lines of the road
            continue
        assert (one is other is None) or one.dtype == other.dtype, field.name


def test_what_an_example_does_not_know_comes_back_too():
    rng = np.random.default_rng(0)
    given = next(iter(examples(1, SETTINGS)))
    masks = {name: rng.random(given.blocked.shape) < 0.5 for name in MASKS}
    found = unpacked(packed(replace(given, **masks)))
    for name, mask in masks.items():
        np.testing.assert_array_equal(getattr(found, name), mask)
    assert unpacked(packed(given)).objects_asked is None


def test_equal_orders_give_equal_bytes_and_the_first_files_are_the_same_however_many(tmp_path):
    one = write_shards(tmp_path / 'a', Order(7, 3, SETTINGS), 'c', 1, quiet)
    two = write_shards(tmp_path / 'b', Order(7, 4, SETTINGS), 'c', 1, quiet)
    assert list(one['files']) == ['examples-00000.tar', 'examples-00001.tar']
    assert one['files']['examples-00000.tar'] == two['files']['examples-00000.tar']
    assert [entry['examples'] for entry in one['files'].values()] == [2, 1]
    assert len(list(read_shard(tmp_path / 'a' / 'examples-00001.tar'))) == 1
    with tarfile.open(tmp_path / 'a' / 'examples-00000.tar') as shard:
        assert shard.getnames() == ['0000007-0.npz', '0000007-1.npz']


def test_a_run_goes_on_where_it_was_cut_and_mends_what_is_broken(tmp_path):
    order, lines = Order(3, 4, SETTINGS), []
    whole = write_shards(tmp_path, order, 'c', 1, quiet)
    (tmp_path / 'examples-00001.tar').write_bytes(b'broken')
    again = write_shards(tmp_path, order, 'c', 1, lambda line, done, of: lines.append(line))
    assert again == whole == json.loads((tmp_path / 'manifest.json').read_text())
    assert lines[0] == '1 of 2 files are there' and len(lines) == 2
    assert 'examples a second' not in lines[0] and 'a second' in lines[1]


def test_another_order_into_the_same_folder_is_refused(tmp_path):
    write_shards(tmp_path, Order(3, 1, SETTINGS), 'c', 1, quiet)
    with pytest.raises(DataError, match='seed is 3, not 4'):
        write_shards(tmp_path, Order(4, 1, SETTINGS), 'c', 1, quiet)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / 'mine.txt').write_text('x')
    with pytest.raises(DataError, match='is not empty'):
        write_shards(tmp_path, Order(3, 1, SETTINGS), 'c', 1, quiet)


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / 'x.tar').write_bytes(b'broken')
    with pytest.raises(DataError, match=r'x\.tar'):
        list(read_shard(tmp_path / 'x.tar'))
