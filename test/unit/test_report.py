"""The page of a report: one file that needs nothing else, whatever the run left."""

import base64
import json
import re
import zlib

import pytest
from report_sample import START_NS, SWEEP_NS, sweep_messages, write_sample

from autonomy_nodes.common.status import Level, Status
from autonomy_nodes.evaluation.report import write_report
from autonomy_nodes.evaluation.runlog import OUTPUTS, RunLog
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import BagWriter

SWEEPS = 12


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    folder = write_sample(tmp_path_factory.mktemp('run'), SWEEPS)
    write_report(folder)
    return folder


def part(page, name):
    return re.search(rf'<script type="[^"]+" id="{name}">(.*?)</script>', page, re.DOTALL)[1]


def unpacked(text):
    return json.loads(zlib.decompress(base64.b64decode(text))) if text else None


def scene_of(folder):
    page = (folder / 'report.html').read_text()
    scene = unpacked(part(page, 'scene'))
    for pack in re.findall(r'<script type="text/plain" class="pack">(.*?)</script>', page):
        for place, layers in unpacked(pack).items():
            scene['moments'][int(place)] |= layers
    return scene


def summary_of(folder):
    return json.loads(part((folder / 'report.html').read_text(), 'summary'))


def test_the_page_loads_nothing_from_anywhere(run):
    page = (run / 'report.html').read_text()
    head, script = page.split('id="scene"')[0], page.rsplit('<script>', 1)[1]
    assert not re.search(r'//[\w-]+\.\w', head)
    assert set(re.findall(r'https?://[^\s\'"]+', script)) == {'http://www.w3.org/2000/svg'}  # a name
    assert not re.search(r'<(?:link|iframe|object|embed)\b|\ssrc=|@import|url\(', page)
    assert "default-src 'none'" in page
    assert '{{' not in page.replace(part(page, 'scene'), '')


def test_every_sweep_is_a_moment_with_its_layers(run):
    scene = scene_of(run)
    assert [each['t'] for each in scene['moments']] == [100 * sweep for sweep in range(SWEEPS)]
    last = scene['moments'][-1]
    wanted = 'ego mode log lineage spans points paths modes stop objects drive decision marks candidates truth joints'
    assert set(wanted.split()) <= set(last)
    assert last['stamp'] == str(START_NS + 11 * SWEEP_NS)
    assert last['mode'] == 'NOMINAL' and scene['moments'][2]['mode'] == 'INIT'
    assert [at for at, each in enumerate(scene['moments']) if 'terrain' in each] == [0, 10]
    assert [at for at, each in enumerate(scene['moments']) if 'sweep' in each] == [0, 10]
    assert [at for at, each in enumerate(scene['moments']) if 'lines' in each] == [0, 5, 10]


def test_a_plan_that_was_not_sent_is_told_apart(run):
    moments = scene_of(run)['moments']
    assert [('plan' in each, 'drive' in each) for each in moments] == 5 * [(True, False)] + 7 * [(False, True)]


def test_objects_truth_and_boxes_in_the_picture_agree(run):
    scene = scene_of(run)
    first = scene['moments'][0]
    assert first['objects'][0][0] == '11111111'
    for seen, true in zip(first['objects'], first['truth']):
        assert abs(seen[2] - true[2]) < 80 and abs(seen[3] - true[3]) < 80  # six sigma of the sample's noise
    picture = scene['pictures'][0]
    assert (picture['camera'], picture['placed'], picture['width']) == ('front', True, 560)
    assert '11111111' in [box['name'] for box in picture['boxes']]


def test_the_plots_and_figures_stand_in_the_page(run):
    summary = summary_of(run)
    names = [(plot['name'], [line['name'] for line in plot['lines']]) for plot in summary['series']]
    assert names[0] == ('Speed', ['measured', 'commanded', 'planned, 1 s ahead'])
    assert names[-1][0] == 'Sweep to trajectory'
    assert summary['figures'] == json.loads((run / 'report.json').read_text())
    assert (summary['figures']['frames.in'], summary['figures']['frames.out']) == (SWEEPS, SWEEPS - 5)
    assert summary['modes'] == [[0, 'INIT'], [500, 'NOMINAL']]


def test_the_same_run_gives_the_same_page(run):
    before = (run / 'report.html').read_bytes()
    write_report(run)
    assert (run / 'report.html').read_bytes() == before


def test_words_of_a_run_cannot_become_part_of_the_page(tmp_path):
    nasty = '</script><script>alert(1)</script>'
    with RunLog(tmp_path) as log:
        log.note(Status(START_NS, 'lidar', Level.WARN, nasty))
    (tmp_path / 'run.json').write_text(json.dumps({'scenario': '<b>{{scene}}</b>'}))
    page = write_report(tmp_path).read_text()
    assert 'alert(1)</script>' not in page
    assert '<title>&lt;b&gt;{{scene}}&lt;/b&gt;</title>' in page
    assert summary_of(tmp_path)['alerts'][0][4] == nasty


def test_a_run_without_a_bag_shows_its_figures(tmp_path):
    with RunLog(tmp_path) as log:
        log.note(Status(START_NS, 'safety', Level.OK, 'NOMINAL', {}, {}, {'mode': 'NOMINAL'}))
    write_report(tmp_path)
    assert scene_of(tmp_path) is None
    assert summary_of(tmp_path)['modes'] == [[0, 'NOMINAL']]


def test_messages_that_cannot_be_read_are_left_out_and_counted(tmp_path):
    with BagWriter(tmp_path / OUTPUTS) as bag, RunLog(tmp_path):
        for topic, data in sweep_messages(START_NS, 0, 0.0, 10):
            cut = topic in (topics.TERRAIN, topics.DECISION)
            bag.write(topic.name, topic.type, START_NS, data[: len(data) // 2] if cut else data)
    write_report(tmp_path)
    assert summary_of(tmp_path)['unreadable'] == 2
    moment = scene_of(tmp_path)['moments'][0]
    assert 'terrain' not in moment and 'decision' not in moment and 'objects' in moment


def test_a_long_drive_is_thinned_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr('autonomy_nodes.evaluation.report_bag.MOST_MOMENTS', 5)
    write_sample(tmp_path, SWEEPS, 10)
    write_report(tmp_path)
    assert summary_of(tmp_path)['every'] == 3
    moments = scene_of(tmp_path)['moments']
    assert [each['t'] for each in moments] == [0, 300, 600, 900]
    assert moments[3]['sweep']['later'] == 100  # the second sweep of the bag is that of 1.0 s


def test_a_bag_without_odometry_has_no_moments(tmp_path):
    with BagWriter(tmp_path / OUTPUTS) as bag, RunLog(tmp_path):
        for topic, data in sweep_messages(START_NS, 0, 0.0, 10):
            if topic is not topics.ODOMETRY:
                bag.write(topic.name, topic.type, START_NS, data)
    write_report(tmp_path)
    assert scene_of(tmp_path)['moments'] == []
