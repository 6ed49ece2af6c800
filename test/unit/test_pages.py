"""The pages in a browser: nothing overflows, nothing complains, pictures are drawn, a click goes to its moment."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from browser import SHOTS, WIDTHS, needs_browser, opened, pixels, shot, too_wide
from report_sample import write_sample

from autonomy_nodes.evaluation.compare import compare
from autonomy_nodes.evaluation.compare_page import write_comparison
from autonomy_nodes.evaluation.report import write_report

SWEEPS = 260
LONGEST_S, LARGEST_BYTES = 2.0, 25e6

pytestmark = needs_browser


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    folder = write_sample(tmp_path_factory.mktemp('pages') / 'one', SWEEPS)
    write_report(folder)
    return folder


def clock(page):
    return page.inner_text('#clock strong')


@pytest.mark.parametrize('width', WIDTHS)
def test_the_report_fits_complains_of_nothing_and_its_pictures_are_drawn(run, width):
    with opened(f'file://{run}/report.html#t=12', width) as (page, complaints):
        assert page.get_attribute('html', 'data-state') == 'ready'
        shot(page, f'report-{width}')
        assert too_wide(page) == []
        for canvas in ('#above', '#camera'):
            drawn = pixels(page, canvas)
            assert len(np.unique(drawn.reshape(-1, 4), axis=0)) > 50, f'{canvas} is blank'
        assert complaints == []


def test_a_click_on_a_plot_shows_that_moment_with_its_candidates_and_reason(run):
    with opened(f'file://{run}/report.html#t=2', 1280) as (page, complaints):
        before = clock(page), page.inner_text('#why .sentence'), page.inner_text('#marks'), pixels(page, '#above')
        plot = page.locator('#plots svg.plot').first
        box = plot.bounding_box()
        plot.click(position={'x': 74 + (box['width'] - 86) * 12.0 / 26.0, 'y': 10})
        after = clock(page), page.inner_text('#why .sentence'), page.inner_text('#marks'), pixels(page, '#above')
        assert before[0] == '2.00 s' and abs(float(after[0].split()[0]) - 12.0) < 0.3
        assert before[1].startswith('Keeps lane') and after[1].startswith('Stops for pedestrian 3333')
        assert before[2] != after[2] and before[3].shape == after[3].shape and (before[3] != after[3]).any()
        assert 'done at' in page.inner_text('#lineage') and complaints == []


def test_modes_faults_choices_and_reasons_stand_on_the_time_line(run):
    with opened(f'file://{run}/report.html', 1280) as (page, _):
        told = page.text_content('#plots')
        assert all(word in told for word in ('mode', 'faults', 'F22', 'chosen', 'decided by', 'contact', 'progress'))
        assert page.locator('#plots svg[aria-label="chosen over time"] rect').count() > 1


def test_heavy_layers_come_in_time_wherever_one_goes(run):
    with opened(f'file://{run}/report.html#t=1', 1280) as (page, _):
        page.evaluate('selectTime(25000)')  # waits for the packs of that moment
        assert page.evaluate('Boolean(moment().points && newest("terrain", LAST_TERRAIN_MS))')
        page.evaluate("""async () => {
            while (packs.done.size < packs.elements.length) await new Promise((go) => setTimeout(go, 20));
            await Promise.all(packs.done.values());
        }""")
        assert page.evaluate('state.scene.moments.every((each) => each.points)')


@pytest.mark.parametrize('width', WIDTHS)
def test_two_runs_stand_on_one_page(run, tmp_path_factory, width):
    other = write_sample(tmp_path_factory.mktemp('pages') / 'two', 120)
    page_path = write_comparison(run, other, compare(run, other), other / 'compare.html')
    with opened(f'file://{page_path}', width) as (page, complaints):
        shot(page, f'compare-{width}')
        assert too_wide(page) == [] and complaints == []
        assert len(np.unique(pixels(page, '#ways').reshape(-1, 4), axis=0)) > 20
        assert '120 of 260 stamps' in page.inner_text('#tiles')
        assert 'tracked objects in one run only' in page.inner_text('#differences')
        assert '26.00' not in page.inner_text('#figures') and '25.9' in page.inner_text('#figures')  # how long A was


def test_the_report_prints_on_paper_in_light_colours(run, tmp_path):
    with opened(f'file://{run}/report.html#t=12', 1280) as (page, _):
        page.evaluate("theme('dark')")
        page.emulate_media(media='print')
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert page.get_attribute('html', 'data-theme') == 'light'
        assert not page.is_visible('#play') and page.is_visible('#above')
        paper = page.pdf(path=tmp_path / 'report.pdf', format='A4', print_background=True)
        assert 2 <= len(re.findall(rb'/Type\s*/Page\b', paper)) <= 8


def test_the_report_of_a_long_drive_opens_at_once(tmp_path):
    """The moments of a page are bounded, so a sample of 600 stands for any drive; AUTONOMY_RUN names a run instead."""
    own = os.environ.get('AUTONOMY_RUN', '')
    folder = Path(own).absolute() if own else write_sample(tmp_path, 600, 2000)
    path = write_report(folder)
    SHOTS.mkdir(parents=True, exist_ok=True)
    with opened(f'file://{path}', 1280) as (page, _):
        load, drawn = page.evaluate("""[performance.getEntriesByType('navigation')[0].loadEventEnd,
            performance.getEntriesByName('drawn')[0].startTime]""")
    told = {'bytes': path.stat().st_size, 'load_s': round(load / 1000, 3), 'first_picture_s': round(drawn / 1000, 3)}
    (SHOTS / 'opening.json').write_text(json.dumps(told) + '\n')
    assert told['bytes'] < LARGEST_BYTES and max(told['load_s'], told['first_picture_s']) < LONGEST_S, told
