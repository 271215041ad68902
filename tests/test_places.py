"""The project in a folder of any name, and what git is told to leave alone there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from entreg_utils import data, files, predict, score
from entreg_utils.data import PHOTOGRAPHS
from entreg_utils.data.annotations import read
from entreg_utils.data.fetch import read_source
from entreg_utils.experiments import plans
from entreg_utils.models import reading
from entreg_utils.score.pairs import read_truth

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or not shutil.which("make"), reason="make and sh"
)
# Stands for the Python of .venv: writes down what it is asked, and where results would go.
PYTHON = """#!/bin/sh
[ "$1" = -c ] && exit 0
printf '%s|' "$ENTREG_RESULTS" "$@" >> "$LOG"; echo >> "$LOG"
"""


@pytest.fixture(params=["plain", 'Käthes "Kurs" $HOME `id` #1 (it\'s, %d)'])
def place(request, tmp_path):
    """A copy of the Makefile whose ``.venv`` is new, in a folder of an awkward name."""
    place = tmp_path / request.param
    (place / ".venv" / "bin").mkdir(parents=True)
    python = place / ".venv" / "bin" / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    for name in ("Makefile", "requirements.txt", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, place)
    (place / "notebooks" / "exercises").mkdir(parents=True)
    for name in ("00_a.ipynb", "exercises/01_b.ipynb"):
        (place / "notebooks" / name).write_text("")
    return place


def make(place, *words):
    """What ``python`` is asked by ``make``; each call a list that begins with ENTREG_RESULTS."""
    log = place.parent / "log"
    log.write_text("")
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    subprocess.run(["make", *words], cwd=place, env=kept | {"LOG": str(log)}, check=True)
    return [line.split("|")[:-1] for line in log.read_text().splitlines()]


def test_a_set_up_is_made_once_and_again_where_the_folder_was_moved(place):
    words = [words[1:4] for words in make(place, "setup")]
    assert ["-m", "pip", "install"] in words and ["-m", "entreg_utils", "doctor"] in words
    assert make(place, "setup") == []
    moved = place.rename(place.with_name(f"{place.name}2"))
    assert ["-m", "pip", "install"] in [words[1:4] for words in make(moved, "setup")]


def test_notebooks_are_built_and_compared_with_results_of_that_folder(place):
    make(place, "setup")
    (place / "results" / "check").mkdir(parents=True)
    (place / "results" / "check" / "old.json").touch()
    check = str(place / "results" / "check")
    assert [check, "notebooks/build.py", "--jobs", "2"] in make(place, "notebooks")
    assert not Path(check).exists()
    nbval = make(place, "test")[-1]
    assert nbval[0] == check and {"--nbval", "notebooks/00_a.ipynb"} <= set(nbval)
    (place / "lab").mkdir()
    (place / "lab" / "00_a.ipynb").write_text("mine")
    lab = make(place, "lab")[-1]
    assert (place / "lab" / "00_a.ipynb").read_text() == "mine"
    assert f"--ServerApp.root_dir={place}" in lab
    assert ("--allow-root" in lab) == (os.getuid() == 0)
    assert (place / "lab" / "exercises" / "01_b.ipynb").exists()


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_git_leaves_alone_what_is_fetched_and_made(tmp_path, kind):
    files = [file for name in PHOTOGRAPHS for file in read_source(name).files]
    names = {file.place(Path()).parts[0] for file in files} | {"VOC2012", "cache", "downloads"}
    known = {f"data/{name}" for name in names | {"weights"}}
    known |= {".venv", "lab", "results", "build", "site"}
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    (tmp_path / "data").mkdir()
    for name in known:
        if kind == "folder":
            (tmp_path / name).mkdir()
            (tmp_path / name / "a").touch()
        else:
            (tmp_path / name).symlink_to("/nowhere")
    shown = ["git", "-C", tmp_path, "status", "--porcelain", "--untracked-files=all"]
    assert subprocess.check_output(shown, text=True) == "?? .gitignore\n"


@pytest.mark.parametrize(
    "use",
    [
        lambda: data.load("toy", "val", root="~/cache", num_images=2),
        lambda: data.load("folder:~/photos", "train"),
        lambda: data.load("folder:photos", "train", root="~"),
        lambda: data.folder("~/photos", "train", boxes="~/b.csv", masks="~/m", labels="~/l.csv"),
        lambda: data.load("cub", "train", root="~"),
        lambda: data.PHOTOGRAPHS["voc"]("train", root="~"),
        lambda: predict.find(["~/photos"], files.expand("~/out")),
        lambda: predict.predict("~/photos", "toy", out="~/out"),
        lambda: predict.find_run("~/run.json"),
        lambda: score.score("~/maps", "~/boxes.csv"),
        lambda: read_truth("~/lists", masks="~/masks", images="~/photos", classes="~/c.csv"),
        lambda: read("~/boxes.csv"),
        lambda: plans.load("~/plan.toml"),
        lambda: reading.read("~/w.safetensors"),
        lambda: files.write_checked("~/a", b"content"),
    ],
)
def test_a_tilde_is_the_home_folder_wherever_a_path_is_taken(use, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    try:
        use()
    except (files.StorageError, ValueError) as error:
        assert str(tmp_path) in str(error) and "~" not in str(error)
    assert os.listdir() == []
