"""The committed notebooks: what their sources give, run in order, and within the rules.

A rule is a function from a notebook and its path to the faults it finds. What needs outputs, or the
solutions, passes over the student's copies, whose text is that of the solved notebooks.
"""

import ast
import itertools
import re
from pathlib import Path

import build
import convert
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"

SOURCES = sorted((FOLDER / "src").glob("*.py"))
BUILT = sorted([*FOLDER.glob("*.ipynb"), *FOLDER.glob("exercises/*.ipynb")])
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("d*/*.md")])  # data/ and docs/

WIDEST_CODE, WIDEST_LINE = 72, 79  # what print keeps of code, and a terminal of what is printed
HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.M)
DETAILS = re.compile(r"<details><summary>[^<\n]+</summary>\n\n(.+?)\n\n</details>", re.S)
WIDGET = "application/vnd.jupyter.widget-view+json"
# Numbers that no cell prints, and why they may stand in the text.
ALLOWED = {
    "": {"95 %": "the level of every interval of the course"},
    "02": {"99.9 %": "the end of the range that is drawn, as a cell's 0.999"},
    "04": {"63 %": "what a paper might say"},
    "06": {"0.0001": "the default of weight decay, asked for in a sentence of its own"},
    "08": {"2502.15798": "the name of a paper at arXiv"},
    "12": {"88 %": "what an exercise supposes"},
}


def prose(notebook) -> str:
    """The markdown cells, without what stands in fences."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return re.sub(r"^```.*?^```", "", "\n\n".join(texts), flags=re.S | re.M)


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def headings(notebook, path):
    levels = [len(marks) for marks, _ in HEADING.findall(prose(notebook))]
    if levels.count(1) != 1 or levels[0] != 1:
        yield f"has {levels.count(1)} titles; one, at the top"
    for (_, title), (before, now) in zip(
        HEADING.findall(prose(notebook))[1:], itertools.pairwise(levels), strict=True
    ):
        if now > before + 1:
            yield f"skips a level of headings before {title!r}"


def opening(notebook, path):
    first = next(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for what, pattern in {
        "title": rf"\A# {path.name[:2]} · \S",
        "prerequisites": r"\*\*Before:\*\* +\S",
        "minutes to read": r"\*\*To read:\*\*\s+\d+\s+minutes\b",
        "seconds to run": r"\*\*To run:\*\*\s+(\d+\s+(seconds|minutes)|a\s+minute)\b",
    }.items():
        if not re.search(pattern, first):
            yield f"its first cell lacks the {what}"
    aims = len(re.findall(r"^\d\. \S", first, re.M))
    if not 3 <= aims <= 5:
        yield f"its first cell has {aims} objectives, not 3 to 5"


def cells(notebook, path):
    for index, cell in enumerate(code(notebook), 1):
        lines = cell.source.splitlines()
        if len(lines) > convert.MOST_LINES:
            yield f"code cell {index} has {len(lines)} lines, over {convert.MOST_LINES}"
        for line in lines:
            if len(line) > WIDEST_CODE:
                yield f"code cell {index}: {len(line)} wide, over {WIDEST_CODE}: {line.strip()}"


def printed_lines(notebook, path):
    for index, cell in enumerate(code(notebook), 1):
        for output in cell.get("outputs", ()):
            data = output.get("data", {})  # its text is a stand-in where it has a richer form
            rich = {"text/html", "image/png", WIDGET} & {*data}
            text = ("" if rich else data.get("text/plain", "")) + output.get("text", "")
            for start in re.findall(r"\S*[^\W\d]-\n\s*[^\W\d]\w*", text):
                yield f"code cell {index} ends a line inside {''.join(start.split())}"
            for line in text.splitlines():
                if len(line) > WIDEST_LINE:
                    yield f"code cell {index} prints {len(line)} wide, over {WIDEST_LINE}: {line}"


def figures(notebook, path):
    for index, cell in enumerate(code(notebook), 1):
        outputs = cell.get("outputs", [])
        for output, following in itertools.zip_longest(outputs, outputs[1:], fillvalue={}):
            data = output.get("data", {})
            if "image/png" not in data and WIDGET not in data:
                continue
            sentence = output.metadata.get("image/png", {}).get("alt", "").split()
            if "image/png" not in data or not sentence:
                yield f"code cell {index} shows a picture without a text in its place"
            elif following.get("text", "").split()[: len(sentence)] != sentence:
                yield f"code cell {index} has a figure without its sentence below"


def slug(title: str) -> set[str]:
    """The anchors of a heading: GitHub's, and Jupyter's."""
    plain = re.sub(r"[^\w\- ]", "", title.lower())
    return {plain.replace(" ", "-"), title.replace(" ", "-")}


def anchors(path: Path) -> set[str]:
    text = path.read_text("utf-8")
    text = prose(nbformat.reads(text, as_version=4)) if path.suffix == ".ipynb" else text
    named = re.findall(r"(?:id|name)=\"([^\"]+)\"|^\(([\w-]+)\)=$", text, re.M)
    slugs = [slug(title) for _, title in HEADING.findall(text)]
    return set().union(*named, *slugs)


def links(notebook, path):
    yield from dead(prose(notebook), path)


def dead(text: str, path: Path):
    """Links to files, places or numbered sections that are not there."""
    for target, section in re.findall(r"\]\(([^)\s]+)\)(?:, section (\d+))?", text):
        file, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        aim = path.parent / file if file else path
        if not aim.exists():
            yield f"links to {target}, which is not there"
        elif anchor and anchor not in anchors(aim):
            yield f"links to {target}, a place that {aim.name} has not"
        elif section and not any(own.startswith(f"{section}.") for own in anchors(aim)):
            yield f"names section {section} of {aim.name}, which is not there"


def promises(notebook, path):
    for found in re.findall(r"not there yet|\bTODO\b|coming soon|to be written", prose(notebook)):
        yield f"says {found!r}"


def folded(notebook, path):
    text = prose(notebook).partition("\n## Quiz\n")[0]
    if prose(notebook).count("<details") != len(DETAILS.findall(prose(notebook))):
        yield "an answer is not folded: <details><summary>Answer</summary>, blank line, text"
    for part in re.split(r"(?=\*\*Predict\b)", text)[1:]:
        if not DETAILS.search(part):
            yield f"has no folded answer after {' '.join(part.split()[:12])} ..."


def quiz(notebook, path):
    _, found, text = prose(notebook).partition("\n## Quiz\n")
    text = re.split(r"^##? ", text, flags=re.M)[0]
    questions = re.split(r"^\*\*(\d)\.\*\*", text, flags=re.M)[1:]
    if questions[::2] != [*"12345"]:
        yield "has no '## Quiz' with questions 1 to 5"
    for number, question in zip(questions[::2], questions[1::2], strict=True):
        answers = DETAILS.findall(question)
        if len(answers) != 1 or len(answers[0].split()) < 6:
            yield f"question {number} of its quiz has no explained answer, folded"


def code_exercise(notebook, path):
    if path.name.startswith("00") or path.parent.name == "exercises":
        return
    for cell, check in itertools.pairwise(code(notebook)):
        tags = cell.metadata.get("tags", ()), check.metadata.get("tags", ())
        if "solution" in tags[0] and "check" in tags[1]:
            made = {node.name for node in ast.parse(cell.source).body if hasattr(node, "name")}
            used = {n.id for n in ast.walk(ast.parse(check.source)) if isinstance(n, ast.Name)}
            if made & used:
                return
    yield "no exercise asks for a function that its check runs"


def numbers(notebook, path):
    """Decimals, percentages and thousands of the text that neither an output nor the code holds.

    That a number is printed somewhere in the notebook is all that is asked: a change of a record
    that changes an output is noticed, a number that agrees by accident is not.
    """
    if path.parent.name == "exercises":
        return
    shown = [cell.source for cell in code(notebook)]
    for output in (output for cell in code(notebook) for output in cell.get("outputs", ())):
        data = output.get("data", {})
        shown += [output.get("text", ""), *(str(data.get(f"text/{k}")) for k in ("plain", "html"))]
    number = r"\d+(?:[,_]\d{3})*(?:\.\d+)?(?:e-?\d+)?"
    held = {float(re.sub("[,_]", "", found)) for found in re.findall(number, "\n".join(shown))}
    allowed = ALLOWED[""] | ALLOWED.get(path.name[:2], {})
    text = re.sub(r"\]\([^)]*\)", "]", prose(notebook))
    share = r"\s?%|\sper cent"
    told = rf"(?<![\w.,])(\d+\.\d+|\d{{1,3}}(?:,\d{{3}})+|\d+(?={share}))({share})?(?!\w)"
    seen = set()
    for digits, cent in re.findall(told, text):
        value, name = float(digits.replace(",", "")), f"{digits} %" if cent else digits
        seen.add(name)
        near = {value, value / 100} if cent else {value}
        if name not in allowed and not any(abs(own - one) < 1e-12 for own in held for one in near):
            yield f"says {name}, which no cell prints or sets"
    for name in {*ALLOWED.get(path.name[:2], ())} - seen:
        yield f"no longer says {name}: take it out of ALLOWED"


RULES = [headings, opening, cells, printed_lines, figures, links, promises, folded, quiz]
RULES += [code_exercise, numbers]


def faults(notebook, path, rules=RULES) -> list[str]:
    return [f"{rule.__name__}: {fault}" for rule in rules for fault in rule(notebook, path)]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_in_step_with_the_source(source):
    assert convert.out_of_step(source, FOLDER) == convert.orphans(FOLDER) == []


@pytest.mark.parametrize("path", BUILT, ids=lambda path: str(path.relative_to(FOLDER)))
def test_clean_and_small_and_within_the_rules(path):
    assert path.stat().st_size <= build.MOST_BYTES
    notebook = nbformat.read(path, as_version=4)
    build.tidy(notebook, path.name)  # raises where an output is refused
    assert faults(nbformat.read(path, as_version=4), path) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_the_pages_lead_somewhere(path):
    assert [*dead(path.read_text("utf-8"), path)] == []


ANSWER = "<details><summary>Answer</summary>\n\nBecause it is seen in the figure.\n\n</details>"
QUIZ = "## Quiz\n\n" + "\n\n".join(f"**{n}.** Why?\n\n{ANSWER}" for n in range(1, 6))
PAGE = {
    "opening": "# 01 · One\n\n1. a\n2. b\n3. c\n\n**Before:** x. **To read:** 5 minutes.\n"
    "**To run:** 9 seconds.",
    "body": '## 1. A\n\n[b](#1-a), [c](01_one.ipynb#d)<a id="d"></a>\n'
    "[e](01_one.ipynb), section 1\n\n"
    f"**Predict:** more?\n\n{ANSWER}\n\nIt is 0.25.",
    "code": "value = 1 / 4\nprint(value)",
    "printed": "0.25\n",
    "shown": {"image/png": "", "text/plain": "A line."},
    "alt": "A line.",
    "below": "A\nline.\n",
    "solution": "def own(x):\n    return x",
    "end": QUIZ,
}


def page(path, **changes):
    parts = PAGE | changes
    picture = new_output(
        "display_data", parts["shown"], metadata={"image/png": {"alt": parts["alt"]}}
    )
    below = [new_output("stream", text=parts["below"])]
    printed = [new_output("stream", text=parts["printed"])]
    notebook = new_notebook(
        cells=[
            new_markdown_cell(parts["opening"]),
            new_markdown_cell(parts["body"]),
            new_code_cell(parts["code"], outputs=printed),
            new_code_cell("figures.show(line)", outputs=[picture, *below]),
            new_code_cell(parts["solution"], metadata={"tags": ["solution"]}),
            new_code_cell("checks.own(own)", metadata={"tags": ["check"]}),
            new_markdown_cell(parts["end"]),
        ]
    )
    nbformat.write(notebook, path)
    return notebook


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"body": "# Two"}, ["headings: has 2 titles; one, at the top"]),
        ({"body": "### A"}, ["headings: skips a level of headings before 'A'"]),
        ({"opening": "# One"}, [f"opening: its first cell {what}" for what in (
            "lacks the title", "lacks the prerequisites", "lacks the minutes to read",
            "lacks the seconds to run", "has 0 objectives, not 3 to 5")]),
        ({"code": "x\n" * 41}, ["cells: code cell 1 has 41 lines, over 40"]),
        ({"code": "x" * 73}, [f"cells: code cell 1: 73 wide, over 72: {'x' * 73}"]),
        ({"printed": "x" * 80, "code": "0.25"},
         [f"printed_lines: code cell 1 prints 80 wide, over 79: {'x' * 80}"]),
        ({"printed": "0.25 of GT-\n  known"},
         ["printed_lines: code cell 1 ends a line inside GT-known"]),
        ({"alt": ""}, ["figures: code cell 2 shows a picture without a text in its place"]),
        ({"below": "A dot."}, ["figures: code cell 2 has a figure without its sentence below"]),
        ({"body": "[x](gone.md), [y](#gone)"}, ["links: links to gone.md, which is not there",
         "links: links to #gone, a place that 01_one.ipynb has not"]),
        ({"body": "[x](01_one.ipynb), section 1"},
         ["links: names section 1 of 01_one.ipynb, which is not there"]),
        ({"body": "It is not there yet."}, ["promises: says 'not there yet'"]),
        ({"body": "**Predict** it."}, ["folded: has no folded answer after **Predict** it. ..."]),
        ({"body": "<details open>x</details>"},
         ["folded: an answer is not folded: <details><summary>Answer</summary>, blank line, text"]),
        ({"end": QUIZ.replace("## Q", "### Q")}, ["quiz: has no '## Quiz' with questions 1 to 5"]),
        ({"end": QUIZ.replace("Because it is seen in the figure", "Yes")},
         [f"quiz: question {n} of its quiz has no explained answer, folded" for n in range(1, 6)]),
        ({"solution": "own = 1"}, [
            "code_exercise: no exercise asks for a function that its check runs"]),
        ({"body": "It is 0.26."}, ["numbers: says 0.26, which no cell prints or sets"]),
        ({"body": "95 %, 25 % of 2,600, 26 per cent"},
         [f"numbers: says {n}, which no cell prints or sets" for n in ("2,600", "26 %")]),
    ],
)  # fmt: skip
def test_each_rule_finds_its_fault_and_nothing_in_a_good_page(
    changes, found, tmp_path, monkeypatch
):
    monkeypatch.setitem(ALLOWED, "01", {})
    path = tmp_path / "01_one.ipynb"
    assert faults(page(path, **changes), path) == found


def test_a_number_that_is_allowed_and_no_longer_said_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(ALLOWED, "01", {"0.3": "a reason"})
    path = tmp_path / "01_one.ipynb"
    (fault,) = faults(page(path), path)
    assert fault == "numbers: no longer says 0.3: take it out of ALLOWED"
    assert faults(page(path, body="0.3"), path) == []
