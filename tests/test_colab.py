"""Colab's first cell installs only what is missing, and replaces nothing that is there."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

ROOT = Path(__file__).parents[1]


@pytest.fixture
def colab(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])  # which it adds to
    spec = importlib.util.spec_from_file_location("colab", ROOT / "docs" / "colab.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def platform(monkeypatch, colab, **changes):
    """A platform that has the course's packages, torch of its own build, and ``changes``."""
    versions = {name: "99.0" for name in colab.wanted()} | {"torch": "2.12.0+cu129"} | changes
    monkeypatch.setattr(colab, "installed_version", versions.get)
    there = [
        SimpleNamespace(name=name, version=own) for name, own in versions.items() if own is not None
    ]
    monkeypatch.setattr(colab.importlib.metadata, "distributions", lambda: there)


def test_nothing_is_asked_of_pip_where_all_is_there(colab, monkeypatch):
    platform(monkeypatch, colab)
    assert colab.install(lambda *words: pytest.fail("pip was called")) == []


def test_pip_is_held_to_what_is_there_and_asked_for_the_rest(colab, monkeypatch, capsys):
    platform(monkeypatch, colab, timm=None, tyro=None, numpy="1.25.0")
    asked = []

    def run(words):
        pins = Path(words[words.index("-c") + 1]).read_text().splitlines()
        asked.append((words, pins))
        return SimpleNamespace(returncode=0)

    missing = colab.install(run)
    (words, pins) = asked[0]
    assert sorted(one.split(">=")[0] for one in missing) == ["timm", "tyro"]
    assert words[-len(missing) :] == missing
    assert {"torch==2.12.0+cu129", "numpy==1.25.0"} <= set(pins)
    assert "numpy 1.25.0 is here and stays" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="pip could not add timm.* beside what this platform"):
        colab.install(lambda words: SimpleNamespace(returncode=1))


def test_it_wants_what_notebooks_import_and_no_second_jupyterlab(colab):
    names = set(colab.wanted())
    assert {"torch", "numpy", "ipywidgets", "scikit-image"} <= names
    assert not names & {"jupyterlab", "nbval"}


def test_binder_takes_the_same_packages_with_a_torch_for_cpus():
    usual = yaml.safe_load((ROOT / "environment.yml").read_text())
    binder = yaml.safe_load((ROOT / ".binder" / "environment.yml").read_text())
    *packages, pip = usual["dependencies"]
    *own, own_pip = binder["dependencies"]
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    torch = [line for line in lines if line.startswith("torch")]
    assert own == [*packages, torch[0].replace("torch", "pytorch-cpu"), torch[1]]
    assert own_pip["pip"] == [
        line.replace("-r ", "-r ../").replace("-e .", "-e ..") for line in pip["pip"]
    ]
