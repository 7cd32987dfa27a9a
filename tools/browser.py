"""The system's Chromium, driven by playwright, without a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
# None: no browser checks
CHROMIUM = (
    next(filter(None, map(shutil.which, BROWSERS)), None) if find_spec("playwright") else None
)


@contextmanager
def launch() -> Iterator:
    """A running browser (playwright's ``Browser``). Only where ``CHROMIUM`` is not None."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
