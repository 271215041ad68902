"""Which OpenCV failures are swapped, in which order, and what happens when pip fails."""

import importlib.metadata
import subprocess
from types import SimpleNamespace

import pytest

from entreg_utils import headless

LIBGL = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory\n"


class Pip:
    """Answers `import cv2` with an error text and notes what pip is asked to do."""

    def __init__(self, error, failing=None):
        self.error, self.failing, self.calls = error, failing, []

    def __call__(self, command, **options):
        if command[1] == "-c":
            return SimpleNamespace(returncode=1 if self.error else 0, stderr=self.error)
        verb = next(word for word in command if word in ("download", "uninstall", "install"))
        self.calls.append((verb, command[-1]))
        return subprocess.CompletedProcess(command, 1 if verb == self.failing else 0)


@pytest.fixture
def opencv(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "5.0.0.93")


def test_missing_library():
    assert headless.missing_library(LIBGL) == "libGL.so.1"
    assert headless.missing_library("ModuleNotFoundError: No module named 'cv2'") == ""


def test_swaps_at_the_same_version_after_fetching(opencv):
    pip = Pip(LIBGL)
    line = headless.swap_in_headless(pip)
    wanted = "opencv-python-headless==5.0.0.93"
    assert pip.calls == [
        ("download", wanted),
        ("uninstall", "opencv-python-headless"),
        ("install", wanted),
    ]
    assert line == (
        f"This system has no libGL.so.1, which opencv-python loads: took {wanted} instead.\n"
    )


@pytest.mark.parametrize("error", ["", "ModuleNotFoundError: No module named 'numpy'"])
def test_leaves_a_working_or_otherwise_broken_opencv_alone(opencv, error):
    pip = Pip(error)
    assert headless.swap_in_headless(pip) == ""
    assert pip.calls == []


def test_does_not_swap_the_headless_build_for_itself(monkeypatch):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    pip = Pip(LIBGL)
    assert headless.swap_in_headless(pip) == ""
    assert pip.calls == []


def test_a_failing_download_removes_nothing(opencv):
    pip = Pip(LIBGL, failing="download")
    with pytest.raises(RuntimeError, match=r"could not swap in .*no libGL.so.1.*then run "):
        headless.swap_in_headless(pip)
    assert [verb for verb, _ in pip.calls] == ["download"]
