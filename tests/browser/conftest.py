"""A Chromium of this system under Playwright; where either is missing, these tests are skipped."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]
NAMES = "chromium", "chromium-browser", "google-chrome"
MISSING = "not installed: `make test-browser` installs what the browser tests need"


def needed(*names):
    """Skips where a package is missing."""
    for name in names:
        pytest.importorskip(name, reason=f"{name} is {MISSING}")


@pytest.fixture(scope="module")  # its event loop runs until the end: not under other files' tests
def chromium():
    needed("playwright")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the path")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Without its sandbox, which root may not use and a container mostly lacks.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """The folder of the built site, decks included; its build warned of nothing."""
    needed("sphinx", "myst_nb", "furo", "latex2mathml", "sphinx_revealjs")
    workers = "PYTEST_XDIST_WORKER" in os.environ  # which share one folder, and so one build
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if workers else base) / "site"
    with FileLock(f"{folder}.lock"):
        if not (folder / "html" / "slides").exists():
            build(folder)
    return folder / "html"


def build(folder):
    site = folder / "html"
    strict = "--quiet", "--fail-on-warning", "--keep-going"
    for words in (
        ["-m", "sphinx", *strict, "-c", "docs", "-d", folder / "doctrees", ".", site],
        ["docs/slides.py", site],
    ):
        made = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr


@pytest.fixture(scope="session")
def shots():
    """Keeps a picture of a page in the folder ``ENTREG_SHOTS``, where that is set."""
    folder = os.environ.get("ENTREG_SHOTS")

    def keep(page, name, **options):
        if folder:
            page.screenshot(path=Path(folder, f"{name}.png"), **options)

    return keep
