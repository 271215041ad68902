"""Open doors: what a stranger brings in a few lines, through ``run`` and a two-process sweep."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

from entreg_utils import experiments
from entreg_utils.experiments import Config
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
DOORS = {
    "network": (NETWORK, dict(model="mine:network", **SMALL)),
    "regularizer": (REGULARIZER, dict(regularizer="mine:spread", strength=0.1, width=4, **SMALL)),
    "erasing": (ERASING, dict(method="mine:upper_half", width=4, **SMALL)),
    "metric": (METRIC, dict(probes=["mine:centre_light"], width=4, **SMALL)),
    "data": (DATA, dict(dataset="mine:few_fish", width=4, batch_size=20, epochs=1)),
}


@pytest.mark.parametrize("door", DOORS)
def test_own_code_goes_through_run_and_a_sweep(door, project, tmp_path, monkeypatch):
    source, settings = DOORS[door]
    assert len(source.strip().splitlines()) <= 6
    (tmp_path / "mine.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    one = experiments.run(Config(**settings), progress=False)
    pair = experiments.sweep([Config(**settings, seed=seed) for seed in (0, 1)], jobs=2)
    assert alike(pair[0].weights_sha256, one.weights_sha256)
    assert pair[0].weights_sha256 != pair[1].weights_sha256
    plain = {k: v for k, v in settings.items() if not str(v).startswith(("mine:", "['mine:"))}
    if door == "metric":
        assert "centre_light" in pair[1].metrics and "val_centre_light" in pair[1].history
    elif door in ("regularizer", "erasing"):
        plain.pop("strength", None)
        other = experiments.run(Config(**plain), progress=False)
        assert other.weights_sha256 != one.weights_sha256
    # after a change of the source it is another run, and the old record stays
    before = Config(**settings).name
    (tmp_path / "mine.py").write_text(source + "\n# changed\n")
    assert Config(**settings).name != before


def test_a_folder_of_photographs_is_a_data_set(project, tmp_path):
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 4), ("test", 4)):
        for label, name in enumerate(("dark birds", "bright fish")):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for k in range(count):
                pixels = rng.integers(0, 100, (40, 50, 3)) + 120 * label
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{k}.png")
    settings = dict(
        dataset=f"folder:{tmp_path / 'photos'}", width=4, resize=36, crop=32, eval_size=32,
        batch_size=8, epochs=1,
    )  # fmt: skip
    runs = experiments.sweep([Config(**settings, seed=seed) for seed in (0, 1)], jobs=2)
    assert {"accuracy", "entropy"} <= set(runs[0].metrics)
    assert runs[0].weights_sha256 != runs[1].weights_sha256 and runs[0].files.photographs
    assert experiments.run(Config(**settings)).provenance == runs[0].provenance  # from the store
    first = next((tmp_path / "photos" / "train" / "dark birds").iterdir())
    Image.fromarray(np.full((40, 50, 3), 7, np.uint8)).save(first)
    again = experiments.run(Config(**settings), progress=False)  # other photographs: another run
    assert again.files.photographs != runs[0].files.photographs
    # whether they show several classes is known only when they are loaded
    with pytest.raises(ValueError, match="one class an image: train it with multilabel='none'"):
        experiments.run(Config(**settings, multilabel="softmax"), progress=False)
    rows = [
        f"{path.relative_to(tmp_path / 'photos')},fish"
        for path in (tmp_path / "photos").rglob("*.png")
    ]
    rows += [row.replace(",fish", ",bird") for row in rows[::2]]
    (tmp_path / "photos" / "labels.csv").write_text("\n".join(["image,class", *rows]))
    with pytest.raises(ValueError, match="several classes an image: train it with multilabel='so"):
        experiments.run(Config(**settings), progress=False)
    several = experiments.run(Config(**settings, multilabel="softmax"), progress=False)
    assert 0 < several.metrics["mean_ap"] <= 1


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
    (tmp_path / "study.py").write_text(textwrap.dedent(SCRIPT))
    done = subprocess.run(
        [sys.executable, "study.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2"
