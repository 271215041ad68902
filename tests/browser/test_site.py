"""The pages of the site as a reader meets them: from files, without network, with a keyboard."""

import os
import re
import runpy
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[2]
WIDTHS = 390, 768, 1280, 1920
# One style sheet serves all pages: these hold whatever it colours.
DARK = {
    f"{name}.html"
    for name in ("README", "docs/index", "search", "notebooks/02_entropy_and_regularisers")
}
AXE = {"resultTypes": ["violations"], "preload": False}
CONTRAST = AXE | {"runOnly": ["color-contrast"]}
# The words of code have the colours of one style sheet, which is looked at on the pages in DARK; on
# the others they are plain text, since axe takes most of its time for them, and for mathematics.
PLAIN = """document.querySelectorAll('.highlight pre').forEach(
    code => { code.textContent = code.textContent })"""
PROSE = {"exclude": [["math"]]}
EVERY = "ENTREG_AUDIT" in os.environ  # every page of the course in the dark, too
PARTS = 2  # of the pages, for two workers


@pytest.fixture(scope="module")
def soups(pages):
    """Each page by its name, read."""
    files = sorted(file for file in pages.rglob("*.html") if "_static" not in file.parts)
    assert len(list(pages.glob("notebooks/*.html"))) == len(list(pages.glob("slides/*.html"))) == 13
    return {
        str(file.relative_to(pages)): BeautifulSoup(file.read_text("utf-8"), "html.parser")
        for file in files
    }


def test_every_figure_has_its_sentence_as_alternative_text(soups):
    texts = {name: [img.get("alt", "") for img in soup("img")] for name, soup in soups.items()}
    for name, alts in texts.items():
        assert all(re.match(r"\w.{20}", alt, re.DOTALL) for alt in alts), name
        assert "notebooks/" not in name or alts, f"{name} has no figure"
    for name, soup in soups.items():
        assert "VBox(" not in soup.get_text(), f"{name} shows a widget's name for its picture"


def test_links_lead_to_what_is_there(soups, pages):
    ids = {name: {tag["id"] for tag in soup.find_all(id=True)} for name, soup in soups.items()}
    dead = []
    for name, soup in soups.items():
        wanted = [tag.get("href") or tag.get("src") for tag in soup(["a", "link", "script", "img"])]
        for target in map(urlsplit, filter(None, wanted)):
            place = (pages / name).parent / unquote(target.path) if target.path else pages / name
            here = str(place.resolve().relative_to(pages.resolve())) if not target.scheme else ""
            gone = not target.scheme and not place.exists()
            lost = here in ids and target.fragment and target.fragment not in ids[here]
            if gone or (lost and not target.fragment.startswith("/")):
                dead.append((name, target.geturl()))
    assert not dead
    assert len({name for name in ids if name.startswith("notebooks/")}) == 13


def test_nothing_comes_from_a_server_and_mathematics_is_markup(soups):
    for name, soup in soups.items():
        loaded = soup.select("script[src], img[src], link[rel=stylesheet][href], iframe[src]")
        for tag in loaded:
            assert not urlsplit(tag.get("src") or tag.get("href")).scheme, (name, tag)
        for formula in soup("math"):
            assert "\\" not in formula.get_text() and formula.find(["mi", "mn"]), (name, formula)
        for text in soup.find_all(string=re.compile(r"\$[^$\n]+\$|\\(frac|log|lambda)")):
            assert text.find_parent(["pre", "code", "script", "style"]), (name, text)
    assert sum(len(soup("math")) for soup in soups.values()) > 300


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_pass_an_accessibility_audit_and_fit_a_telephone(
    chromium, soups, pages, shots, scheme, part
):
    pytest.importorskip("axe_playwright_python", reason="`make test-browser` installs it")
    from axe_playwright_python.sync_playwright import Axe

    faults = Counter()
    context = chromium.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900})
    context.on("requestfailed", lambda request: faults.update([f"failed: {request.url}"]))
    shown = [name for name in soups if name != "index.html"]
    if scheme == "dark":  # what differs is colours; `make test-browser` looks at all of the course
        shown = [n for n in shown if n.startswith(("docs", "R", "n")) and (EVERY or n in DARK)]
    for name in shown[part::PARTS]:
        page = context.new_page()
        page.on("pageerror", lambda error, name=name: faults.update([f"{name}: {error}"]))
        page.goto((pages / name).as_uri())
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                faults[f"{name} is wider than {width} pixels"] += 1
            shots(page, f"{name.replace('/', '_')}_{scheme}_{width}")
        page.set_viewport_size({"width": 1280, "height": 900})
        if name not in DARK:
            page.evaluate(PLAIN)
        part_of = None if name in DARK else PROSE
        audit = Axe().run(page, part_of, AXE if scheme == "light" else CONTRAST)
        for found in audit.response["violations"]:
            if found["impact"] in ("serious", "critical"):
                example = found["nodes"][0]["html"][:100]
                faults[f"{scheme} {name}: {found['id']}: {example}"] += len(found["nodes"])
        page.close()
    context.close()
    assert not faults


def test_search_finds_a_page_and_folds_open(chromium, pages):
    page = chromium.new_page()
    page.goto((pages / "search.html").as_uri() + "?q=label+smoothing")
    page.wait_for_selector("#search-results li a")
    assert "regularisers" in page.inner_text("#search-results")
    page.goto((pages / "notebooks/02_entropy_and_regularisers.html").as_uri())
    fold = page.locator("details").first
    assert not fold.locator("p").first.is_visible()
    fold.locator("summary").press("Enter")
    assert fold.locator("p").first.is_visible()
    page.goto((pages / "notebooks/04_from_map_to_score.html").as_uri())
    page.locator("article .reference.internal[href^='0']").first.click()
    page.wait_for_url(lambda url: "/04_" not in url)
    assert page.locator("article h1").is_visible()
    page.close()


def test_paper_cuts_no_code(chromium, soups, pages):
    page = chromium.new_page(viewport={"width": 700, "height": 900})
    page.emulate_media(media="print")
    for name in soups:
        if name.startswith("notebooks/"):
            page.goto((pages / name).as_uri())
            cut = page.evaluate(
                "[...document.querySelectorAll('pre, .math, table')].filter(box => "
                "box.getBoundingClientRect().right > innerWidth + 1 "
                "|| (box.scrollWidth > box.clientWidth + 1)).map(box => box.innerText.slice(0, 60))"
            )
            assert not cut, (name, cut)
            assert not page.locator(".sidebar-drawer").is_visible()
    page.close()


def test_decks_go_on_by_keyboard_and_nothing_overflows_unseen(chromium, pages, shots):
    page = chromium.new_page(viewport={"width": 1280, "height": 720})
    for deck in sorted(pages.glob("slides/*.html")):
        page.goto(deck.as_uri())
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        slides = page.evaluate("Reveal.getTotalSlides()")
        assert slides > 10 and page.evaluate("Reveal.getHorizontalSlides().length") > 3
        hidden = page.evaluate(
            "Reveal.getSlides().filter(slide => slide.scrollWidth > slide.clientWidth + 1 && "
            "getComputedStyle(slide).overflowX == 'hidden').length"
        )
        assert hidden == 0
        page.keyboard.press("Space")
        assert page.evaluate("Reveal.getSlidePastCount()") == 1
        shots(page, f"deck_{deck.stem}")
    page.close()


COLAB = "https://colab.research.google.com/github/o/n/blob/main/notebooks/00.ipynb"
LAB = "main?urlpath=lab%2Ftree%2Fnotebooks%2F00.ipynb"
ELSEWHERE = f"https://mybinder.org/v2/git/https%3A%2F%2Fexample.org%2Fn/{LAB}"


@pytest.mark.parametrize(
    ("repository", "buttons"),
    [
        ("", {}),
        (
            "https://github.com/o/n.git",
            {"Colab": COLAB, "Binder": f"https://mybinder.org/v2/gh/o/n/{LAB}"},
        ),
        ("https://example.org/n", {"Binder": ELSEWHERE}),
    ],
)
def test_the_repositorys_address_gives_the_buttons(repository, buttons):
    for package in ("docutils", "latex2mathml"):
        pytest.importorskip(package, reason="`make test-browser` installs it")
    launch = runpy.run_path(str(ROOT / "docs" / "conf.py"))["launch"]
    assert launch("notebooks/00.ipynb", repository) == buttons
