"""Folders of simulated traffic: groups and folds, equal bytes, going on, and reading by what trains on recordings."""

import json

import numpy as np
import pytest

from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.formats.trajectories import groups, in_folds, read_scene
from autonomy_nodes.sim.flow.families import FAMILIES
from autonomy_nodes.training import traffic
from autonomy_nodes.training.forecast_samples import SamplesConfig, samples
from autonomy_nodes.training.motion_statistics import lines, motions
from autonomy_nodes.training.traffic import Order, origin, write_scene_pictures, write_traffic


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    folder, order = tmp_path_factory.mktemp('traffic') / 'one', Order(7, 12, ('signs', 'yard'))
    told = write_traffic(folder, order, 'abc', 1, lambda *_: None)
    return folder, order, told


def test_a_longer_order_begins_with_the_same_groups_and_every_fold_gets_some():
    short, long = Order(0, 240).groups(), Order(0, 500).groups()
    assert long[:24] == short
    assert {group.family for group in short} == set(FAMILIES) and {group.fold for group in short} == set(range(5))
    files = [file for group in long for file in group.files]
    assert len(files) == len(set(files)) == 500


def test_an_order_that_makes_no_sense_is_refused():
    for wrong in ({'seed': -1}, {'count': 0}, {'families': ('sky',)}, {'hardest': 2.0}):
        with pytest.raises(ValueError):
            Order(**{'seed': 0, 'count': 1, **wrong})


def test_the_folder_is_read_as_recordings_are(written):
    folder, order, told = written
    found = groups(folder)
    assert [(group.name, len(group.scenes)) for group in found] == [('signs-000000', 10), ('yard-000000', 2)]
    names = [name for fold in {group.fold for group in found} for name, _, _ in in_folds(folder, [fold])]
    assert len(names) == 12 and 'signs/signs-0000007' in names
    assert told == json.loads((folder / 'manifest.json').read_text())


def test_a_network_learns_from_it_and_its_motion_is_told(written):
    folder, *_ = written
    name, path, _ = next(iter(in_folds(folder, [])))
    scene = read_scene(path, name)
    found = list(samples(scene, SamplesConfig(each=20)))
    assert len(found) > 2 and found[0]['learned'].any() and found[0]['lanes.there'].any()
    assert any('speed_mps' in line for line in lines({'simulated': motions([scene])}))


def test_a_card_tells_from_what_scenes_were_made_and_of_recordings_their_groups(written, tmp_path):
    told = origin(written[0], ['b', 'a'])
    assert told['simulated']['count'] == 12 and told['simulated']['seed'] == 7 and 'groups' not in told
    assert origin(tmp_path, ['b', 'a', 'b']) == {'groups': ['a', 'b']}
    _simulated = pytest.importorskip('autonomy_nodes.training.export_forecast')._simulated
    assert _simulated({'data': told}) and _simulated({'data': told, 'began_with': {'data': told}})
    assert not _simulated({'data': {'groups': ['a']}}) and not _simulated({})
    assert not _simulated({'data': told, 'began_with': {'data': {'groups': ['a']}}})


def test_other_processes_and_a_run_that_was_cut_give_the_same_bytes(written, tmp_path):
    folder, order, _ = written
    other = tmp_path / 'two'
    write_traffic(other, order, 'abc', 2, lambda *_: None)
    for path in folder.glob('*/*.npz'):
        assert path.read_bytes() == (other / path.relative_to(folder)).read_bytes()
    (other / 'yard' / 'yard-0000007.npz').write_bytes(b'cut')
    lost = []
    write_traffic(other, order, 'abc', 1, lambda line, *_: lost.append(line))
    assert (other / 'yard' / 'yard-0000007.npz').read_bytes() == (folder / 'yard' / 'yard-0000007.npz').read_bytes()
    assert lost[0] == '1 of 2 groups are there'


def test_a_folder_of_another_order_is_left_alone(written):
    with pytest.raises(DataError, match='seed is 7'):
        write_traffic(written[0], Order(8, 12, ('signs', 'yard')), 'abc', 1, lambda *_: None)


def test_pictures_show_every_family_first(written):
    folder, order, _ = written
    found = write_scene_pictures(folder, order, 2)
    assert [path.stem for path in found] == ['signs-0000007', 'yard-0000007']
    assert found[0].read_bytes()[:4] == b'\x89PNG'


def test_difficulties_are_spread():
    drawn = [traffic.difficulty_of(seed, 0.8) for seed in range(400)]
    assert np.mean(drawn) == pytest.approx(0.4, abs=0.03) and max(drawn) <= 0.8
