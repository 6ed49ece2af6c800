"""A Chromium without a window, for tests that look at pages; they skip where it, or what drives it, is missing."""

import base64
import importlib.util
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

SHOTS = Path(__file__).parents[1] / 'out' / 'shots'
CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
LACKING = [f'no {name}: {remedy}' for missing, name, remedy in (
    (CHROMIUM is None, 'Chromium', 'docker/install.sh browser'),
    (importlib.util.find_spec('playwright') is None, 'playwright', "make setup WITH='sim test browser'"),
) if missing]  # fmt: skip
needs_browser = pytest.mark.skipif(bool(LACKING), reason='; '.join(LACKING) or 'a browser is here')
WIDTHS = (1280, 400)


@contextmanager
def opened(address, width, height=900):
    """Open a page that says when it is ready; yield it with what it complained of."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        chromium = player.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'] if os.geteuid() == 0 else [])
        page = chromium.new_page(viewport={'width': width, 'height': height})
        complaints = []
        page.on('console', lambda said: complaints.append(said.text) if said.type in ('error', 'warning') else None)
        page.on('pageerror', lambda error: complaints.append(str(error)))
        page.goto(address)
        page.wait_for_selector('html[data-state]', state='attached')
        try:
            yield page, complaints
        finally:
            chromium.close()


def shot(page, name):
    """Leave a picture of the whole page for people to look at."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f'{name}.png', full_page=True)


def too_wide(page):
    """Return what reaches beyond the right edge of the page, but for what scrolls by itself."""
    return page.evaluate('''() => [...document.querySelectorAll('body *')]
        .filter((each) => each.getBoundingClientRect().right > innerWidth + 0.5 && !each.closest('.scroll, svg'))
        .map((each) => `${each.tagName}.${each.className}#${each.id}`)''') + (
        ['the page itself'] if page.evaluate('document.documentElement.scrollWidth > innerWidth') else []
    )


def pixels(page, selector):
    """Return the pixels (H, W, 4) of a canvas."""
    told = page.evaluate('(selector) => document.querySelector(selector).toDataURL()', selector)
    data = np.frombuffer(base64.b64decode(told.partition(',')[2]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
