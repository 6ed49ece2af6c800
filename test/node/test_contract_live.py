"""The contract test with real processes over the middleware: the reference node keeps it; a breach ends with code 1."""

import json

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('autoware_vehicle_msgs', reason='the messages of interfaces/ are built by make')

from autonomy_nodes.commands.main import main

pytestmark = pytest.mark.live


def test_the_reference_node_keeps_the_contract_over_the_middleware(tmp_path, capfd):
    assert main(['contract', '--out', str(tmp_path), 'vehicle:=truck']) == 0, capfd.readouterr().out
    told = json.loads((tmp_path / 'contract.json').read_text())
    assert [clause['outcome'] for clause in told] == ['pass'] * 17
    assert '17 pass' in capfd.readouterr().out


def test_a_breach_is_told_with_its_remedy_and_ends_with_code_1(tmp_path, capfd):
    assert main(['contract', '--out', str(tmp_path), '--set', 'drive_by_wire.by_wire.heartbeat_valid_s=60.0']) == 1
    told = {clause['number']: clause for clause in json.loads((tmp_path / 'contract.json').read_text())}
    assert [number for number, clause in told.items() if clause['outcome'] == 'FAIL'] == ['V12']
    assert told['V12']['remedy'] in capfd.readouterr().out
