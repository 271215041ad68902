"""Real runs of a second: a small config on small splits, in folders of their own."""

import io
import shutil
import sys

import numpy as np
import pytest
import torch

from entreg_utils.data.world import SPLITS
from entreg_utils.experiments import Config, run, store

SMALL_SPLITS = {"val": 24, "test": 64}
TINY = dict(regularizer="kl_uniform", strength=1.0, num_train=60, batch_size=20, epochs=3)
TINY |= dict(image_size=32, width=4)


def alike(first, second) -> bool:
    """Whether two trainings of one config gave the same: their records (provenance aside), files of
    weights, digests, arrays. To the bit; on a GPU, which adds in no fixed order, within rounding.
    """
    if isinstance(first, dict):
        first, second = ({**one, "provenance": None} for one in (first, second))
    if not torch.cuda.is_available():
        return bool(np.all(first == second))
    if isinstance(first, bytes):
        own, other = (
            torch.load(io.BytesIO(one[64:]), weights_only=True) for one in (first, second)
        )
        near = {"rtol": 0.01, "atol": 0.01}
        return all(torch.allclose(own[name] * 1.0, other[name] * 1.0, **near) for name in own)
    if isinstance(first, dict) and "history" in first:
        first, second = (one["history"]["loss"] for one in (first, second))
        return first == pytest.approx(second, rel=0.01)
    return np.shape(first) == np.shape(second)


@pytest.fixture
def one_thread():
    """Sums in one order, as in other processes: bits can be compared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def project(tmp_path, monkeypatch, one_thread):
    """An empty project and its empty results; gives the folder of the results."""
    monkeypatch.setenv("ENTREG_ROOT", str(tmp_path / "project"))
    monkeypatch.setenv("ENTREG_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("ENTREG_FRESH", raising=False)
    (tmp_path / "project" / "data" / "runs").mkdir(parents=True)  # else those of the checkout are
    for split, count in SMALL_SPLITS.items():
        monkeypatch.setitem(SPLITS, split, count)
    store._said.clear()
    store._files_once.cache_clear()
    return tmp_path / "results"


@pytest.fixture
def tiny():
    return Config(**TINY)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Folder with the record and the checkpoints of ``tiny``, trained once."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "project" / "data" / "runs").mkdir(parents=True)
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENTREG_ROOT", str(folder / "project"))
        patch.setenv("ENTREG_RESULTS", str(folder / "results"))
        for split, count in SMALL_SPLITS.items():
            patch.setitem(SPLITS, split, count)
        torch.set_num_threads(1)
        run(Config(**TINY), progress=False)
        torch.set_num_threads(threads)
    return folder / "results"


@pytest.fixture
def stored(project, trained, tiny):
    """The results with that run in them; gives the path of the record."""
    shutil.copytree(trained, project)
    return project / f"{tiny.name}.json"


@pytest.fixture
def training_forbidden(monkeypatch):
    from entreg_utils.training import loop

    def refuse(*_):
        raise AssertionError("a step was trained")

    monkeypatch.setattr(loop, "regularised_loss", refuse)


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    """``write(name, text)`` makes a module that this process and its children can import; after it
    has changed, they see it as new processes do."""
    folder = tmp_path / "code"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
    # a file that changes within a second would meet its old bytecode
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    written = set()

    def write(name, text):
        written.add(name)
        sys.modules.pop(name, None)
        path = folder / f"{name}.py"
        path.write_text(text)
        return path

    yield write
    for name in written:
        sys.modules.pop(name, None)
