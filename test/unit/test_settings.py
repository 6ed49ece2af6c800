"""Settings files: what reaches a stage, and what is refused by name."""

from dataclasses import dataclass, field

import pytest

from autonomy_nodes.common.settings import SettingsError, check_settings, configured, read_settings
from autonomy_nodes.common.vehicle import Vehicle


@dataclass(frozen=True)
class Weights:
    comfort: float = 2.0


@dataclass(frozen=True)
class Config:
    horizon_s: float = 5.0
    cameras: tuple[str, ...] = ()
    offsets_m: tuple[float, ...] = (0.0,)
    weights: Weights = field(default_factory=Weights)
    vehicle: Vehicle = field(default_factory=Vehicle)

    def __post_init__(self):
        if self.horizon_s <= 0.0:
            raise ValueError(f'horizon_s={self.horizon_s} must be above 0')


@dataclass(frozen=True)
class Small:
    rate_hz: float = 1.0


KINDS = {'planning': Config, 'safety': Small}


def file(tmp_path, text, name='stack.yaml'):
    path = tmp_path / name
    path.write_text(text)
    return path


def checked(*paths, more=None):
    return check_settings(paths, KINDS, KINDS, more)


def test_nested_settings_lists_and_whole_numbers_reach_the_stage(tmp_path):
    path = file(
        tmp_path,
        """
planning:
  ros__parameters: {horizon_s: 6, cameras: [front, rear], offsets_m: [1, 2.5], weights: {comfort: 3}}
""",
    )
    config = checked(path)['planning']
    assert (config.horizon_s, config.cameras, config.offsets_m) == (6.0, ('front', 'rear'), (1.0, 2.5))
    assert config.weights == Weights(3.0)


def test_numbers_are_read_as_rcl_reads_them(tmp_path):
    path = file(tmp_path, 'planning: {ros__parameters: {horizon_s: 1e-1, offsets_m: [2E3, .5e+1]}}')
    config = checked(path)['planning']
    assert (config.horizon_s, config.offsets_m) == (0.1, (2000.0, 5.0))


def test_a_later_file_overrides_an_earlier_one_and_a_node_its_files_section_for_all(tmp_path):
    for_all = '/**: {ros__parameters: {vehicle: {width_m: 2.0}}}'
    first = file(tmp_path, f'{for_all}\nplanning: {{ros__parameters: {{vehicle: {{width_m: 2.2}}}}}}')
    second = file(tmp_path, 'planning: {ros__parameters: {horizon_s: 9.0}}', 'orin.yaml')
    config = checked(first, second)
    assert (config['planning'].vehicle.width_m, config['planning'].horizon_s) == (2.2, 9.0)
    assert config['safety'] == Small()  # a node without a vehicle in its settings is given one in vain


def test_mounts_may_have_any_name(tmp_path):
    text = """
/**:
  ros__parameters:
    vehicle:
      mounts:
        top: {frame: lidar_top, xyz_m: [1, 0, 2]}
"""
    mounts = checked(file(tmp_path, text))['planning'].vehicle.mounts
    assert mounts['top'].frame == 'lidar_top' and mounts['top'].xyz_m == (1.0, 0.0, 2.0)


@pytest.mark.parametrize(
    'text, told',
    [
        ('planing: {ros__parameters: {horizon_s: 5.0}}', "'planing' is no node"),
        ('planning: {ros__parameters: {horizon: 5.0}}', "unknown settings .'horizon'"),
        ('planning: {ros__parameters: {horizon_s: long}}', "horizon_s='long' is not float"),
        ('planning: {ros__parameters: {horizon_s: -1}}', 'horizon_s=-1.0 must be above 0'),
        ('planning: {ros__parameters: {weights: {comfrt: 1}}}', 'weights.comfrt'),
        ('planning: {ros__parameters: {cameras: [1]}}', 'cameras=.1,. must hold str only'),
        ('planning: {horizon_s: 5.0}', "must hold 'ros__parameters:'"),
        ('safety: {ros__parameters: {}}\n/**: {ros__parameters: {}}', 'must come first'),
        ('a: [', 'is not yaml'),
        ('- a', 'must hold sections'),
    ],
)
def test_what_rcl_would_ignore_is_refused_naming_file_and_key(tmp_path, text, told):
    path = file(tmp_path, text)
    with pytest.raises(SettingsError, match=told) as refused:
        checked(path)
    assert 'stack.yaml' in str(refused.value)


def test_of_two_files_the_one_with_the_wrong_key_is_named(tmp_path):
    right = file(tmp_path, 'safety: {ros__parameters: {rate_hz: 2.0}}', 'right.yaml')
    wrong = file(tmp_path, 'planning: {ros__parameters: {horizn_s: 2.0}}', 'wrong.yaml')
    with pytest.raises(SettingsError, match='wrong.yaml: node planning: unknown settings') as refused:
        checked(right, wrong)
    assert 'right.yaml' not in str(refused.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match='none.yaml: cannot be read'):
        read_settings([tmp_path / 'none.yaml'], KINDS)


def test_an_override_counts_more_than_the_files_and_must_name_a_node(tmp_path):
    path = file(tmp_path, 'safety: {ros__parameters: {rate_hz: 2.0}}')
    assert checked(path, more={'safety.rate_hz': 3})['safety'] == Small(3.0)
    with pytest.raises(SettingsError, match='names no node'):
        checked(path, more={'saftey.rate_hz': 3})


def test_a_part_keeps_the_defaults_that_the_whole_gives_it():
    @dataclass(frozen=True)
    class Whole:
        near: Weights = field(default_factory=lambda: Weights(7.0))
        names: dict[str, float] = field(default_factory=lambda: {'a': 1.0})

    assert configured(Whole, {}) == Whole()
    assert configured(Whole, {'names.b': 2}).names == {'b': 2.0}


def test_a_setting_without_default_must_be_given():
    @dataclass(frozen=True)
    class Needy:
        path: str

    with pytest.raises(SettingsError, match='path must be set'):
        configured(Needy, {})


def test_sections_may_name_a_namespace(tmp_path):
    text = '/**/planning: {ros__parameters: {horizon_s: 6.0}}\n/truck/safety: {ros__parameters: {rate_hz: 2.0}}'
    path = file(tmp_path, text)
    config = checked(path)
    assert (config['planning'].horizon_s, config['safety'].rate_hz) == (6.0, 2.0)
