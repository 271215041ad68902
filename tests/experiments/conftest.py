"""Real runs of a second: a small config on small splits, in folders of their own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from entreg_utils.data.world import SPLITS
from entreg_utils.experiments import Config, run

SHARED = Path(__file__).parents[2] / ".." / "shared"
CUB, WEIGHTS = SHARED / "data" / "CUB_200_2011", SHARED / "weights" / "mobilenet_v2_imagenet.npz"
LISTS = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "bounding_boxes.txt")

SMALL_SPLITS = {"val": 24, "test": 64}
TINY = dict(
    regularizer="kl_uniform", strength=1.0, num_train=60, batch_size=20, epochs=3, image_size=32
)

# What a child process runs: the same call, with `hook(step)` before each step of training.
CHILD = """
import json, os, signal, sys, time
from pathlib import Path
from entreg_utils.data.world import SPLITS
from entreg_utils.experiments import Config, run
from entreg_utils.training import loop

SPLITS.update(json.loads(sys.argv[2]))
plain, step = loop.regularised_loss, 0

def hooked(*arguments):
    global step
    step += 1
    hook(step)
    return plain(*arguments)

loop.regularised_loss = hooked
def hook(step):
    {hook}

print(run(Config(**json.loads(sys.argv[1])), progress=False).weights_sha256)
"""


@pytest.fixture
def one_thread():
    """Sums in one order, as in the child processes: bits can be compared."""
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
    for split, count in SMALL_SPLITS.items():
        monkeypatch.setitem(SPLITS, split, count)
    return tmp_path / "results"


@pytest.fixture
def cub(tmp_path, project):
    """Three classes of CUB with 12 + 12 photographs each, in a project of their own."""
    if not (CUB.exists() and WEIGHTS.exists()):
        pytest.skip("needs the part of CUB and the weights that are not part of the project")
    home = tmp_path / "project" / "data" / "CUB_200_2011"
    home.mkdir(parents=True)
    part = dict(line.split() for line in (CUB / LISTS[2]).read_text().splitlines())
    kept, seen = set(), {}
    for line in (CUB / LISTS[1]).read_text().splitlines():
        index, label = line.split()
        key = label, part[index]
        seen[key] = seen.get(key, 0) + 1
        if int(label) <= 3 and seen[key] <= 12:
            kept.add(index)
    for name in LISTS:
        lines = [line for line in (CUB / name).read_text().splitlines() if line.split()[0] in kept]
        (home / name).write_text("\n".join(lines) + "\n")
    classes = (CUB / "classes.txt").read_text().splitlines()[:3]
    (home / "classes.txt").write_text("\n".join(classes) + "\n")
    (home / "images").symlink_to((CUB / "images").resolve())
    return project


@pytest.fixture
def birds(cub):
    """A run of a second on the photographs of ``cub``."""
    return Config(
        dataset="cub",
        model="mobilenet_v2",
        weights=str(WEIGHTS),
        normalise="half",
        freeze_bn=True,
        resize=72,
        crop=64,
        eval_size=64,
        epochs=1,
        batch_size=7,
        learning_rate=1e-3,
    )


@pytest.fixture
def tiny():
    return Config(width=4, **TINY)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Folder with the record and the checkpoint of ``tiny``, trained once."""
    folder = tmp_path_factory.mktemp("trained")
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENTREG_ROOT", str(folder / "project"))
        patch.setenv("ENTREG_RESULTS", str(folder / "results"))
        for split, count in SMALL_SPLITS.items():
            patch.setitem(SPLITS, split, count)
        torch.set_num_threads(1)
        run(Config(width=4, **TINY), progress=False)
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
def child(tmp_path):
    """Start ``run(config)`` in another process, ``hook`` being what it does before each step."""
    started = []

    def start(config, hook="pass"):
        script = tmp_path / "child.py"
        script.write_text(CHILD.format(hook=hook))
        arguments = [json.dumps(config.to_dict()), json.dumps(SMALL_SPLITS)]
        root = str(Path(__file__).parents[2])
        process = subprocess.Popen(
            [sys.executable, str(script), *arguments],
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": root},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
