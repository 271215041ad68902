"""The builder on notebooks of three lines, run in real kernels."""

import build
import convert
import nbformat
import pytest

GOOD = """\
# %% [markdown]
# # Title

# %%
import ipywidgets, matplotlib.pyplot as plt
from entreg_utils import widgets

print("one")
print("two")
dial = ipywidgets.IntSlider(description="dial")
display(widgets.explorer(lambda dial: (plt.figure(), f"The dial is at {dial}."), dial=dial))
print("four")

# %% tags=["solution"]
# Exercise: one (1 minute).
#! answer = None
answer = 1

# %% tags=["check"]
print("right" if answer == 1 else "not yet")
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
    build.build(source, tmp_path, tmp_path)
    assert [file.read_bytes() for file in files] == first

    notebook = nbformat.read(files[0], as_version=4)
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert outputs[0][0].text == "one\ntwo\n"  # two prints, one output
    assert outputs[2][0].text == "right\n"
    still, sentence, below = outputs[0][
        1:
    ]  # of the widget: controls that no kernel follows are left out
    assert set(still.data) == {"image/png", "text/plain"} and "widgets" not in notebook.metadata
    assert still.metadata["image/png"] == {"alt": "The dial is at 0."}
    assert (sentence.text, below.text) == ("The dial is at 0.\n", "four\n")
    assert "version" not in notebook.metadata.language_info
    assert "execution" not in notebook.cells[1].metadata


LAST = 'print("right" if answer == 1 else "not yet")'
ROOT = "import entreg_utils.files as f\nprint(f.project_root())"
INTERACT = "import ipywidgets as w\nw.interact(lambda x: print(x), x=(0, 3));"


@pytest.mark.parametrize(
    ("text", "fault", "seconds"),
    [
        ("# %%\n1 / 0\n", "ZeroDivisionError", 30),
        ("# %%\nimport sys\nprint('x', file=sys.stderr)\n", "writes to stderr: x", 30),
        ("# %%\nimport warnings\nwarnings.warn('old')\n", "writes to stderr", 30),
        ("# %%\nobject()\n", "memory address", 30),
        (f"# %%\n{ROOT}\n", "path of this machine", 30),
        (f"# %%\n{INTERACT}\n", "has no picture", 30),
        ("# %%\nfor i in range(20_000):\n    print('x' * 80)\n", "over 1.5 MB", 30),
        (GOOD.replace(LAST, "answer + 1"), "TypeError", 30),  # in the student's copy alone
        ("# %%\nimport time\n\ntime.sleep(600)\n", "longer than 1 s, three times", 1),
    ],
)
def test_refuses_and_writes_nothing(write, tmp_path, monkeypatch, text, fault, seconds):
    monkeypatch.setattr(build, "CELL_SECONDS", seconds)
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
