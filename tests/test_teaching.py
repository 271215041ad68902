"""The lecturer's page: minutes add up, sections are called as they are, checks and slips exist."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from entreg_utils import analysis, checks
from entreg_utils.checks import critique
from entreg_utils.checks.check import SETTINGS, WORDS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
SOURCES = {p.stem: p.read_text("utf-8") for p in (ROOT / "notebooks" / "src").glob("*.py")}
LINK = re.compile(r"\[(\d\d)\]\(\.\./notebooks/(\w+)\.ipynb\)")
PLANS = re.findall(r"^##+ [^\n]*\((\d+) (?:minutes|points)\)\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S)
GAINS = pd.DataFrame(
    {"change": [0.07, 0.01], "low": [0.05, -0.02], "high": [0.09, 0.05], "half": [0.01, 0.07]},
    index=["fixed at 0.15", "carried"],
).assign(seeds=3)


def rows(text):
    """Of the tables in a text: the cells of each row."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_there_are_the_plans_and_schemes():
    assert [int(total) for total, _ in PLANS] == [90, 240] + [90] * 8 + [20, 20]


@pytest.mark.parametrize(("total", "text"), PLANS, ids=range(len(PLANS)))
def test_minutes_and_points_add_up(total, text):
    numbers = [int(row[0]) for row in rows(text) if row[0].isdigit()]
    assert sum(numbers) == int(total)


def test_sections_are_called_as_they_are():
    named = 0
    for row in rows(PAGE):
        for cell in row:
            parts = LINK.split(cell)
            for _, stem, after in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
                headings = re.findall(r"^# ##+ (.*)$", SOURCES[stem], re.M)
                for heading in re.findall(r"“([^”]+)”", after):
                    assert heading in headings, f"{stem} has no section {heading!r}"
                    named += 1
    assert named > 60


def test_links_to_notebooks_lead_somewhere_and_each_has_its_part():
    assert all(stem in SOURCES and stem[:2] == number for number, stem in LINK.findall(PAGE))
    heads = re.findall(r"^### (\d\d) · (.+)$", PAGE, re.M)
    assert [number for number, _ in heads] == sorted(stem[:2] for stem in SOURCES)
    for part in re.split(r"^### (?=\d\d · )", PAGE, flags=re.M)[1:]:
        own = part.partition("\n## ")[0]
        (source,) = (text for stem, text in SOURCES.items() if stem[:2] == own[:2])
        for heading in re.findall(r"“([^”]+)”", own):
            assert re.search(rf"^# ##+ {re.escape(heading)}$", source, re.M), (own[:2], heading)
        for what in ("**Aim.**", "**Ask.**", "**Show live.**"):
            assert own.count(what) == 1
        assert "**Slips.**" in own or "**Goes wrong.**" in own


def test_the_checks_and_their_slips_exist():
    for line in re.findall(r"\*\*Slips\.\*\* (.*?)(?=\n- \*\*)", PAGE, re.S):
        for name, slips in re.findall(r"`(\w+)`: ((?:[^`]|`(?!\w+`:))*)", line):
            assert name in checks.__all__
            for slip in re.findall(r"\*(\w+)\*", slips):
                assert slip in set(WORDS[name]) - {*SETTINGS}, f"{name} knows no {slip}"


def minutes(numbers):
    """Minutes to read, and of exercises, that some notebooks state."""
    own = [text.replace("\n# ", " ") for stem, text in SOURCES.items() if stem[:2] in numbers]
    read = [int(re.search(r"\*\*To read:\*\*\s+(\d+) minutes", text)[1]) for text in own]
    spent = [int(m) for text in own for m in re.findall(r"\((\d+) minutes?\b[^)]*\)", text)]
    return sum(read), sum(spent)


def test_the_weeks_hold_what_the_notebooks_state():
    weeks = [row for row in rows(PAGE) if len(row) == 5 and row[0] in "1234"]
    assert len(weeks) == 4
    for row in weeks:
        told, stated = [*map(int, row[2:4])], minutes([n for n, _ in LINK.findall(row[1])])
        assert told == pytest.approx(stated, rel=0.15), f"week {row[0]}: {stated}"


def test_the_memory_of_thirty_kernels_is_that_of_the_table():
    own, with_shared, peak = (
        [float(row[k]) for row in rows(PAGE) if LINK.match(row[0]) and len(row) == 4]
        for k in (1, 2, 3)
    )
    worst, shared = max(own), max(np.subtract(with_shared, own))
    assert f"30 × {worst:.2f} + {shared:.2f}, about {30 * worst + shared:.0f} GB" in PAGE
    assert f"30 × {max(peak):.2f}, about\n{30 * max(peak):.0f} GB" in PAGE


def test_the_answers_of_the_marking_scheme_are_worth_what_it_says(capsys):
    full, poor = (
        text for text in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "my_claim" in text
    )
    for text, missing in ((full, 0), (poor, 5)):
        names = {"gains": GAINS, "SEEDS": (0, 1, 2)}
        exec(text, names)  # as a student's cell
        table = critique.review(names["my_claim"])
        assert (table.verdict == "missing").sum() == missing and len(table) == 10
        checks.honest_claim(names["my_claim"], GAINS.loc["carried"])
    said = capsys.readouterr().out
    assert "complete, with the measured numbers" in said and "still missing" in said
    assert f"({(10 - missing) / 2} points: five of the ten items are said)" in PAGE


def test_what_the_full_answer_says_is_so():
    """Thresholds carried: both intervals hold zero; fixed: a gain; both sides below the box."""
    groups, _ = analysis.complete("cub30_epsilon", "epsilon")
    plain, treated = groups[0.0,], groups[0.3,]
    carried = analysis.change(plain, treated, "max_box_acc_carried")
    assert analysis.clear(carried) == 0 and carried["low"] < 0 < carried["high"]
    assert abs(carried["change"]) < carried["half"] > (carried["high"] - carried["low"]) / 2
    assert analysis.clear(analysis.change(plain, treated, "gt_known")) == 1
    for runs in (plain, treated):
        gap = analysis.change(runs, runs, "max_box_acc_carried", against="centre_box")
        assert analysis.clear(gap) == -1
        assert {run.config.crop for run in runs} == {160} and all(r.config.freeze_bn for r in runs)
