"""The system's Chromium, driven by playwright, without a network."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
# None: no browser checks
CHROMIUM = (
    next(filter(None, map(shutil.which, BROWSERS)), None) if find_spec("playwright") else None
)
FONTCONFIG = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>{fonts}</dir>
</fontconfig>
"""


@contextmanager
def launch(fonts: Path | None = None) -> Iterator:
    """A running browser (playwright's ``Browser``), for which the fonts in the folder ``fonts``
    are installed beside the system's (on Linux). Only where ``CHROMIUM`` is not None."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        environment = dict(os.environ)
        if fonts is not None:
            path = Path(folder, "fonts.conf")
            path.write_text(FONTCONFIG.format(fonts=fonts), encoding="utf-8")
            environment["FONTCONFIG_FILE"] = str(path)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, env=environment)
        try:
            yield browser
        finally:
            browser.close()
