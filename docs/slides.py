"""Cut the site's notebook pages into decks: ``python docs/slides.py SITE`` writes SITE/slides/.

A deck is a page of the site in reveal.js, so it works offline and keeps what the site mended:
mathematics, alternative texts, folds. Each ``##`` heading begins a column. Down the column go its
text and its cells, their code folded above the output, as much on a slide as fits; a ``###``
heading begins a new one. Nothing is cut off: what is higher than the screen scrolls in its slide.
"""

import copy
import shutil
import sys
from importlib.resources import as_file, files
from pathlib import Path

from bs4 import BeautifulSoup, Tag

MOST = 170  # words on one slide; a longer paragraph stands alone and scrolls
FIGURE = 110  # words whose room a figure takes
REVEAL = "reset.css", "reveal.css", "reveal.js", "theme/white.css", "theme/fonts"
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: slides</title>
<link rel="stylesheet" href="../_static/reveal/reset.css">
<link rel="stylesheet" href="../_static/reveal/reveal.css">
<link rel="stylesheet" href="../_static/reveal/theme/white.css">
<link rel="stylesheet" href="../_static/pygments.css">
<link rel="stylesheet" href="../_static/slides.css">
</head>
<body data-theme="light">
<main><div class="reveal"><div class="slides">
{slides}
</div></div></main>
<script src="../_static/reveal/reveal.js"></script>
<script src="../_static/slides.js"></script>
</body>
</html>
"""


def columns(article: Tag) -> list[tuple[Tag, list[Tag]]]:
    """Heading and blocks of the page's opening and of each ``##`` section, in order."""
    found = []

    def walk(section: Tag) -> None:
        for block in section.find_all(True, recursive=False):
            if block.name == "section":
                walk(block)
            elif block.name in ("h1", "h2"):
                found.append((block, []))
            elif found and block.name != "span":  # the anchors beside headings
                found[-1][1].append(block)

    walk(article)
    return found


def room(block: Tag) -> int:
    """How much of a slide a block fills, in words of text."""
    if block.name == "details":
        return 5  # folded: one line
    if "cell" not in block.get("class", []):
        return len(block.get_text().split())
    outputs = block.select(".cell_output")
    pictures = sum(len(output.find_all(["img", "table"])) for output in outputs)
    return 5 + FIGURE * pictures + sum(len(output.get_text().split()) for output in outputs)


def steps(heading: Tag, blocks: list[Tag]) -> list[list[Tag]]:
    """The blocks of one column as slides, each of which begins with a heading."""
    slides, filled = [[heading]], 0
    for block in blocks:
        title = block.name == "h3"
        heading = block if title else heading
        if filled and (title or filled + room(block) > MOST) and block.name != "details":
            slides.append([heading])
            filled = 0
        elif title:
            slides[-1] = [heading]
        if not title:
            slides[-1].append(fold(block) if "cell" in block.get("class", []) else block)
            filled += room(block)
    return slides


def fold(cell: Tag) -> Tag:
    """A cell whose code is folded away."""
    cell = copy.copy(cell)
    for code in cell.select(".cell_input"):
        details = BeautifulSoup("<details><summary>Code</summary></details>", "html.parser").details
        code.replace_with(details)
        details.append(code)
    return cell


def deck(page: Path) -> str:
    """The deck of one page of the site, as HTML."""
    article = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").find("article")
    for mark in article.select("a.headerlink, nav.launch"):
        mark.decompose()
    for link in article.select("a[href]"):
        if link["href"].startswith("#"):
            link["href"] = page.name + link["href"]
        if not link["href"].startswith(("http", "../", "mailto:")):
            link["href"] = f"../{page.parent.name}/{link['href']}"
    title, slides = article.h1.get_text(), []
    for heading, blocks in columns(article):
        own = ["".join(map(str, slide)) for slide in steps(heading, blocks)]
        slides.append(
            "<section>" + "".join(f"<section>{s}</section>\n" for s in own) + "</section>"
        )
    return PAGE.format(title=title, slides="\n".join(slides))


def main(site: Path) -> int:
    pages, out = sorted(site.glob("notebooks/[0-9]*.html")), site / "slides"
    out.mkdir(exist_ok=True)
    with as_file(files("sphinx_revealjs") / "_static" / "revealjs" / "dist") as dist:
        for name in REVEAL:
            target = site / "_static" / "reveal" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (dist / name).is_dir():
                shutil.copytree(dist / name, target, dirs_exist_ok=True)
            else:
                shutil.copyfile(dist / name, target)
    for page in pages:
        (out / page.name).write_text(deck(page), encoding="utf-8")
    print(f"{len(pages)} decks: {out}")
    return 0 if pages else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
