"""The handout for a class: no solution in it, whole, and never over what a student did."""

import json
import os
import subprocess
import sys

import convert
import handout
import nbformat
import pytest

SOURCE = """\
# %% [markdown]
# # Title
#
# [next](02_next.ipynb), [readme](../README.md#x), [code](maxsup.py), [web](https://a.org/b)

# %% tags=["solution"]
# Exercise: double (2 minutes).
#! answer = None
answer = "the solution"
"""


WITH = handout.WITH


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Sources of two notebooks, one without exercises, and one file, in place of the course's."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "01_one.py").write_text(SOURCE)
    (tmp_path / "src" / "02_next.py").write_text("# %% [markdown]\n# # [one](01_one.ipynb)\n")
    monkeypatch.setattr(handout, "HERE", tmp_path)
    monkeypatch.setattr(handout, "WITH", ("LICENSE",))
    return tmp_path / "class"


def test_notebooks_have_no_solution_and_no_link_to_one(small):
    assert handout.main([str(small)]) == 0
    one = nbformat.read(small / "01_one.ipynb", as_version=4)
    head, note, exercise, report = (cell.source for cell in one.cells)
    links = "[next](02_next.ipynb), readme, [code](notebooks/maxsup.py), "
    assert f"{links}[web](https://a.org/b)" in head and "[glossary](glossary.md)" in head
    assert note == convert.COPY_NOTE
    assert exercise == "# Exercise: double (2 minutes).\nanswer = None"
    assert 'checks.report("marks", name="", notebook="01")' in report
    text = (small / "01_one.ipynb").read_text()
    assert "the solution" not in text and "../" not in text
    assert "[one](01_one.ipynb)" in (small / "02_next.ipynb").read_text()
    assert "../" not in (small / "glossary.md").read_text()


def test_what_a_student_did_stays_and_the_rest_is_brought_up_to_date(small, capsys):
    handout.main([str(small)])
    done = small / "01_one.ipynb"
    done.write_text(done.read_text().replace("answer = None", "answer = 3"))
    (small / "marks").mkdir()
    (small / "marks" / "Ada_01.json").write_text("{}")
    (small / "LICENSE").write_text("old")
    (small / "02_next.ipynb").unlink()
    before = done.read_text()
    capsys.readouterr()
    assert handout.main([str(small)]) == 0
    assert "kept as they were, for they differ: 01_one.ipynb\n" in capsys.readouterr().out
    assert done.read_text() == before and (small / "marks" / "Ada_01.json").read_text() == "{}"
    assert (small / "LICENSE").read_bytes() == (handout.ROOT / "LICENSE").read_bytes()
    assert (small / "02_next.ipynb").is_file()


def test_another_folder_is_left_alone(small, capsys):
    own = small.parent / "own"
    own.mkdir()
    (own / "mine.txt").write_text("mine")
    for place in (own, own / "mine.txt"):
        assert handout.main([str(place)]) == 1
        assert "is there and is no handout: name a new or empty" in capsys.readouterr().err
    assert [*own.iterdir()] == [own / "mine.txt"]


def test_the_package_of_a_handout_is_whole(small, tmp_path, monkeypatch):
    """Stored runs and their networks are found, and a report is read, far from the checkout."""
    monkeypatch.setattr(handout, "WITH", WITH)
    handout.main([str(small)])
    code = """if True:
        import entreg_utils
        from entreg_utils import checks, experiments
        run = experiments.run(experiments.er(0.8))
        run.model()
        checks.hidden_share(0.4)
        checks.report("marks", name="Ada", notebook="05")
        print(entreg_utils.__file__, run.provenance["commit"] != "")
    """
    left_out = ("ENTREG_", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    kept["XDG_DATA_HOME"] = str(tmp_path / "share")
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=small, env=kept, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-1] == f"{small / 'entreg_utils' / '__init__.py'} True"
    assert json.loads((small / "marks" / "Ada_05.json").read_text())["name"] == "Ada"
    assert {"pyproject.toml", "setup.py", "requirements.txt"} <= {p.name for p in small.iterdir()}
    assert "results" not in told.stderr and not (tmp_path / "share").exists()


def test_make_asks_for_a_folder():
    environment = {name: value for name, value in os.environ.items() if name != "DIR"}
    told = subprocess.run(
        ["make", "-n", "handout", "DIR=a place"],
        cwd=handout.ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert 'notebooks/handout.py "$DIR"' in told.stdout
