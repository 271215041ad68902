"""Open doors: what a stranger brings in a few lines, through ``run`` and a two-process sweep."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from entreg_utils import experiments
from entreg_utils.experiments import Config, run
from tests.conftest import alike

SMALL = dict(num_train=60, batch_size=20, epochs=1, image_size=32)
# Each is what a user writes: at most six lines.
NETWORK = """
import torch
def network(classes):
    body = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2, 1), torch.nn.ReLU())
    return torch.nn.Sequential(body, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
                               torch.nn.Linear(8, classes))
"""
REGULARIZER = """
def spread(logits):
    return logits.var(dim=1)
"""
ERASING = """
def upper_half(images, targets, generator):
    images = images.clone()
    images[:, :, : images.shape[2] // 2] = 0.5
    return images, targets
"""
METRIC = """
def centre_light(model, view, prediction):
    return {"centre_light": prediction.maps[:, 2:6, 2:6].mean()}
"""
DATA = """
from entreg_utils import data
def few_fish(split, **options):
    return data.load("toy", split, num_images=40, image_size=32, cache=False)
"""
SOURCES = (NETWORK, REGULARIZER, ERASING, METRIC, DATA)
DOORS = {
    "none": SMALL | dict(width=4),
    "network": SMALL | dict(model="mine:network"),
    "regularizer": SMALL | dict(width=4, regularizer="mine:spread", strength=0.1),
    "erasing": SMALL | dict(width=4, method="mine:upper_half"),
    "metric": SMALL | dict(width=4, probes=["mine:centre_light"]),
    "data": dict(dataset="mine:few_fish", width=4, batch_size=20, epochs=1),
}


@pytest.fixture
def folder(tmp_path):
    """Photographs of two classes, eight of each to train on."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 4), ("test", 4)):
        for label, name in enumerate(("dark birds", "bright fish")):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for k in range(count):
                pixels = rng.integers(0, 100, (40, 50, 3)) + 120 * label
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{k}.png")
    return tmp_path / "photos"


def test_own_code_and_own_photographs_go_through_run_and_a_sweep(
    project, own_code, folder, monkeypatch
):
    assert all(len(source.strip().splitlines()) <= 6 for source in SOURCES)
    path = own_code("mine", "".join(SOURCES))
    photographs = dict(dataset=f"folder:{folder}", width=4, resize=36, crop=32, eval_size=32)
    doors = DOORS | {"folder": photographs | dict(batch_size=8, epochs=1)}
    configs = {door: Config(**settings) for door, settings in doors.items()}
    swept = dict(zip(doors, experiments.sweep(configs.values(), jobs=2), strict=True))
    for result in swept.values():
        assert {"accuracy", "entropy"} <= set(result.metrics)
    monkeypatch.setenv("ENTREG_RESULTS", str(project.parent / "here"))
    here = {door: run(config, progress=False) for door, config in configs.items()}
    for door, result in here.items():
        assert alike(result.weights_sha256, swept[door].weights_sha256)
    weights = {door: result.weights_sha256 for door, result in here.items()}
    assert len({weights[door] for door in ("none", "regularizer", "erasing")}) == 3
    assert weights["metric"] == weights["none"]  # it looks on
    assert "centre_light" in here["metric"].metrics
    assert "val_centre_light" in here["metric"].history
    # after a change of the source it is another run, and the old record stays
    before = configs["network"].name
    path.write_text(path.read_text() + "\n# changed\n")
    assert configs["network"].name != before


def test_other_photographs_in_a_folder_are_another_run(project, folder):
    config = Config(dataset=f"folder:{folder}", width=4, resize=36, crop=32, eval_size=32)
    config = replace(config, batch_size=8, epochs=1)
    before = run(config, progress=False)
    assert before.files.photographs and run(config).provenance == before.provenance  # stored
    Image.fromarray(np.full((40, 50, 3), 7, np.uint8)).save(folder / "train/dark birds/0.png")
    again = run(config, progress=False)
    assert again.files.photographs != before.files.photographs
    # whether they show several classes is known only when they are loaded
    several = replace(config, multilabel="softmax")
    with pytest.raises(ValueError, match="one class an image: train it with multilabel='none'"):
        run(several, progress=False)
    rows = [f"{path.relative_to(folder)},fish" for path in folder.rglob("*.png")]
    rows += [row.replace(",fish", ",bird") for row in rows[::2]]
    (folder / "labels.csv").write_text("\n".join(["image,class", *rows]))
    with pytest.raises(ValueError, match="several classes an image: train it with multilabel='so"):
        run(config, progress=False)
    assert 0 < run(several, progress=False).metrics["mean_ap"] <= 1


SCRIPT = """
from entreg_utils import experiments

def spread(logits):
    return logits.var(dim=1)

if __name__ == "__main__":
    settings = dict(num_train=60, batch_size=20, epochs=1, image_size=32, width=4)
    configs = [
        experiments.Config(regularizer=spread, strength=0.1, seed=seed, **settings)
        for seed in (0, 1)
    ]
    print(len({run.weights_sha256 for run in experiments.sweep(configs, jobs=2)}))
"""


def test_functions_of_a_script_reach_the_processes_of_a_sweep(project, tmp_path):
    (tmp_path / "study.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "study.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2"
