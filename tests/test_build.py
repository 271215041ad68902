"""The builder on notebooks of three lines, run in real kernels."""

import build
import convert
import nbformat
import pytest

GOOD = """\
# %% [markdown]
# # Title

# %%
print("one")
print("two")

# %% tags=["solution"]
# Exercise: one (1 minute).
#! answer = None
answer = 1

# %% tags=["check"]
print("right" if answer == 1 else "not yet")
"""
WIDGET = """\
# %%
import ipywidgets, matplotlib.pyplot as plt
from entreg_utils import widgets

dial = ipywidgets.IntSlider(description="dial")
display(widgets.Explorer(lambda dial: (plt.figure(), f"The dial is at {dial}."), dial=dial))
print("below")
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        (tmp_path / "src").mkdir(exist_ok=True)
        path = tmp_path / "src" / "01_one.py"
        path.write_text(text)
        return path

    return write


def test_builds_both_files_the_same_each_time(write, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "CELL_SECONDS", 30)
    source = write(GOOD)
    files = [tmp_path / "01_one.ipynb", tmp_path / "exercises" / "01_one.ipynb"]
    build.build(source, tmp_path, tmp_path)
    assert convert.out_of_step(source, tmp_path) == []
    first = [file.read_bytes() for file in files]
    build.build(source, tmp_path, tmp_path, students=False)
    assert [file.read_bytes() for file in files] == first
    notebook = nbformat.read(files[0], as_version=4)
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert outputs[0][0].text == "one\ntwo\n"  # two prints, one output
    assert outputs[2][0].text == "right\n"
    assert "version" not in notebook.metadata.language_info
    assert "execution" not in notebook.cells[1].metadata


def test_of_a_widget_the_picture_stays_with_its_sentence(write, tmp_path):
    build.build(write(WIDGET), tmp_path, tmp_path)
    notebook = nbformat.read(tmp_path / "01_one.ipynb", as_version=4)
    still, sentence, below = notebook.cells[0].outputs  # without controls: no kernel follows
    assert set(still.data) == {"image/png", "text/plain"} and "widgets" not in notebook.metadata
    assert still.metadata["image/png"] == {"alt": "The dial is at 0."}
    assert (sentence.text, below.text) == ("The dial is at 0.\n", "below\n")


LAST = 'print("right" if answer == 1 else "not yet")'
ROOT = "import entreg_utils.files as f\nprint(f.project_root())"
INTERACT = "import ipywidgets as w\nw.interact(lambda x: print(x), x=(0, 3));"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("# %%\n1 / 0\n", "ZeroDivisionError"),
        ("# %%\nimport warnings\nwarnings.warn('old')\n", "writes to stderr"),
        ("# %%\nobject()\n", "memory address"),
        (f"# %%\n{ROOT}\n", "path of this machine"),
        (f"# %%\n{INTERACT}\n", "has no picture"),
        ("# %%\nfor i in range(20_000):\n    print('x' * 80)\n", "over 1.5 MB"),
        (GOOD.replace(LAST, "answer + 1"), "TypeError"),  # in the student's copy alone
        ("# %%\nimport time\n\ntime.sleep(600)\n", "longer than 1 s, three times"),
    ],
)
def test_refuses_and_writes_nothing(write, tmp_path, monkeypatch, text, fault):
    monkeypatch.setattr(build, "CELL_SECONDS", 1 if "sleep" in text else 30)
    with pytest.raises(build.BuildError, match=fault):
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
