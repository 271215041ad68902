"""The builder on notebooks of three lines, run in real kernels."""

import build
import convert
import nbformat
import pytest

GOOD = """\
# %% [markdown]
# # Title

# %%
import ipywidgets as widgets

print("one")
print("two")
widgets.HTML("three")

# %% tags=["solution"]
# Exercise: one (1 minute).
#! answer = None
answer = 1

# %% tags=["check"]
print("right" if answer == 1 else "not yet")
"""


@pytest.fixture(autouse=True)
def short_cells(monkeypatch):
    monkeypatch.setattr(build, "CELL_SECONDS", 30)


def test_a_cell_that_never_ends_is_given_up(write, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "CELL_SECONDS", 1)
    source = write("# %%\nimport time\n\ntime.sleep(600)\n")
    with pytest.raises(build.BuildError, match="longer than 1 s, three times"):
        build.build(source, tmp_path, tmp_path)
    assert not list(tmp_path.glob("*.ipynb"))


@pytest.fixture
def write(tmp_path):
    def write(text):
        (tmp_path / "src").mkdir(exist_ok=True)
        path = tmp_path / "src" / "01_one.py"
        path.write_text(text)
        return path

    return write


def test_builds_both_files_the_same_each_time(write, tmp_path):
    source = write(GOOD)
    files = [tmp_path / "01_one.ipynb", tmp_path / "exercises" / "01_one.ipynb"]
    remarks = build.build(source, tmp_path, tmp_path)
    assert remarks[0] == "01_one.ipynb: 2 words, outside 1500 to 3000"
    assert convert.out_of_step(source, tmp_path) == []
    first = [file.read_bytes() for file in files]
    build.build(source, tmp_path, tmp_path)
    assert [file.read_bytes() for file in files] == first

    notebook = nbformat.read(files[0], as_version=4)
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert outputs[0][0].text == "one\ntwo\n"  # two prints, one output
    assert outputs[2][0].text == "right\n"
    state = notebook.metadata.widgets[build.STATE].state
    view = outputs[0][1].data["application/vnd.jupyter.widget-view+json"]
    assert state[view.model_id].state.value == "three"
    assert "version" not in notebook.metadata.language_info
    assert "execution" not in notebook.cells[1].metadata


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import sys\nprint('x', file=sys.stderr)", "writes to stderr: x"),
        ("import warnings\nwarnings.warn('old')", "writes to stderr"),
        ("object()", "memory address"),
        ("import entreg_utils.files as f\nprint(f.project_root())", "path of this machine"),
        ("import ipywidgets as w\nw.interact(lambda x: print(x), x=(0, 3));", "captures output"),
        ("for i in range(20_000):\n    print('x' * 80)", "over 1.5 MB"),
    ],
)
def test_refuses_and_writes_nothing(write, tmp_path, cell, fault):
    with pytest.raises(build.BuildError, match=fault):
        build.build(write(f"# %%\n{cell}\n"), tmp_path, tmp_path)
    assert list(tmp_path.rglob("*.ipynb")) == []


def test_refuses_a_students_copy_that_does_not_reach_its_end(write, tmp_path):
    text = GOOD.replace('print("right" if answer == 1 else "not yet")', "answer + 1")
    with pytest.raises(build.BuildError, match="TypeError"):
        build.build(write(text), tmp_path, tmp_path)
    assert list(tmp_path.rglob("*.ipynb")) == []


def test_command_line_names_what_is_wrong(write, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build, "HERE", tmp_path)
    write("# %%\nx = 1\n")
    assert build.main(["--check", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().out == "01_one.ipynb is not built\n"
    with pytest.raises(SystemExit):
        build.main(["07"])
    assert "for 07" in capsys.readouterr().err
