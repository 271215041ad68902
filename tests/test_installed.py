"""``import entreg_utils`` is light, and an installed copy (``pip install .``) is whole."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import entreg_utils as eu

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("entreg_utils", "data", "notebooks", "pyproject.toml", "setup.py", "README.md")
SOURCES += ("LICENSE", "requirements.txt", "constraints.txt")


def python(code, path, *options, **environment):
    """What ``code`` prints in a new process that imports from ``path``."""
    left_out = ("ENTREG_", "XDG_", "NUMBA_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    kept |= {"PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, env=kept, cwd="/", capture_output=True, text=True)


MAIN = "from entreg_utils import __main__ as cli; cli.main"


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("import entreg_utils as eu; dir(eu); eu.__version__", ""),
        (f"{MAIN}(['--help'])", ""),
        (f"{MAIN}(['doctor', '--quiet'])", "cv2 numpy"),  # versions are read, cv2 is tried
        ("from entreg_utils import metrics", "cv2 numba numpy scipy"),
    ],
)
def test_nothing_is_imported_that_is_not_needed(code, loaded):
    heavy = "cv2 matplotlib numba numpy pandas scipy seaborn timm torch torchvision tyro"
    told = f"import sys; print(*[name for name in {heavy.split()} if name in sys.modules])"
    answer = python(f"{code}\n{told}", ROOT)
    assert answer.stdout.splitlines()[-1] == loaded, answer.stderr


def test_rooms_and_verbs_are_there_when_they_are_asked_for():
    assert {"losses", "cam", "figures", "load", "build", "fit", "run"} <= set(dir(eu))
    assert eu.theory.__name__ == "entreg_utils.theory"
    assert (eu.load, eu.build) == (eu.data.load, eu.models.build)
    assert (eu.fit, eu.run) == (eu.training.fit, eu.experiments.run)
    with pytest.raises(AttributeError, match="module 'entreg_utils' has no attribute 'nothing'"):
        eu.nothing  # noqa: B018


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder of packages with ours in it, unpacked from its wheel; built from a copy, offline."""
    copy, site = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("site")
    for name in SOURCES:
        unwanted = shutil.ignore_patterns("__pycache__", "cache", "downloads", "exercises", "src")
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=unwanted)
        else:
            shutil.copy(ROOT / name, copy)
    build = "from setuptools import build_meta; build_meta.build_wheel('.')"
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True)
    (wheel,) = copy.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    return site


def test_all_that_is_read_is_in_the_package(site):
    inside = site / "entreg_utils" / "_project"
    whole = ("data/runs/*", "notebooks/*.ipynb", "data/*.json", "requirements.txt")
    for pattern in (*whole, "notebooks/maxsup.py"):
        there = {path.relative_to(ROOT) for path in ROOT.glob(pattern)}
        assert there and there == {path.relative_to(inside) for path in inside.glob(pattern)}
    assert {path.name for path in site.glob("entreg_utils/experiments/plans/*.toml")}


def test_it_reads_there_and_writes_in_the_users_folder(site, tmp_path):
    code = (
        "from entreg_utils import files\n"
        "print(files.shipped('data', 'registry.json').is_file(), files.checkout())\n"
        "for place in files.own('results'), files.results(), files.project_root(): print(place)\n"
    )
    home = str(tmp_path)
    first, *places = python(code, site, "-S", HOME=home).stdout.splitlines()
    assert first == "True None"
    assert all(place.startswith(f"{home}/.local/share/entreg_utils") for place in places)
    moved = python(code, site, HOME=home, ENTREG_ROOT="~/mine", ENTREG_RESULTS="~/out").stdout
    assert moved.splitlines() == [
        "True None",
        *(f"{home}/{place}" for place in ("mine/results", "out", "mine")),
    ]


def test_without_a_home_folder_it_says_so(site):
    code = (
        "import os; os.path.expanduser = lambda path: path\n"  # no HOME, an unknown user
        "from entreg_utils import files; files.own('results')"
    )
    answer = python(code, site, "-S")
    assert answer.stderr.splitlines()[-1] == (
        "entreg_utils.files.StorageError: there is no home folder for ~/.local/share: write it in "
        "full, or set HOME"
    )


def test_the_doctor_reports_on_it(site, tmp_path):
    code = (
        "import runpy, sys; sys.argv = ['entreg_utils', 'doctor']; "
        "runpy.run_module('entreg_utils', run_name='__main__')"
    )
    answer = python(code, site, "-S", HOME=str(tmp_path))
    assert answer.stderr == "" and answer.returncode == 1  # the packages are missing, ours is there
    assert f"ok    entreg_utils       imports from {site}/entreg_utils" in answer.stdout


@pytest.mark.parametrize("home", ["unwritable", "unknown"])
def test_metrics_work_where_nothing_can_be_written(site, tmp_path, home):
    """Neither beside the package nor at home: the compiled loops are not kept."""
    code = f"import os; os.chdir({str(tmp_path)!r})\n"
    if home == "unknown":  # no HOME, and a user whom the system does not know
        code += "os.path.expanduser = lambda path: path; os.access = lambda *_: False\n"
    blocked = site / "entreg_utils" / "metrics" / "__pycache__"
    blocked.write_text("")  # a file where the folder should be stops root as well
    try:
        answer = python(f"{code}from entreg_utils import metrics", site, HOME=os.devnull)
    finally:
        blocked.unlink()
    assert os.listdir(tmp_path) == []  # no folder called ~
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.count("there is no folder to keep compiled code in") == 1
    assert "point NUMBA_CACHE_DIR to one that can be written" in answer.stderr
