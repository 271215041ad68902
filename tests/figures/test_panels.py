"""Photographs on this machine: found where records and files fit, and an empty answer elsewhere."""

import types

import numpy as np
import pytest
import torch

from entreg_utils import data, models
from entreg_utils.analysis import compare as comparisons
from entreg_utils.data import Sample
from entreg_utils.experiments import Config
from entreg_utils.figures import panels
from entreg_utils.files import StorageError

PLAN = "cub30_epsilon"


class Photographs:
    """Four photographs of different shapes, with images at the size of evaluation."""

    images = torch.randint(0, 255, (4, 3, 32, 32), dtype=torch.uint8)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        image = torch.rand(3, 20 + index, 30)
        return Sample(image, 0, torch.tensor([[1, 2, 10, 11]]), None, None, f"{index}")


def stored_run(epsilon, seed=0, **changes):
    config = Config(
        dataset="cub",
        model="mobilenet_v2",
        classes=30,
        eval_size=32,
        regularizer="label_smoothing" if epsilon else "none",
        strength=epsilon,
        seed=seed,
        **changes,
    )
    maps = np.stack([np.zeros((3, 2, 2)), np.arange(12.0).reshape(3, 2, 2)])
    net = types.SimpleNamespace(cpu=lambda: models.build("toy", 3, width=2).eval())
    return types.SimpleNamespace(
        config=config,
        panel=[0, 3, 2],
        maps=maps,
        metrics={"box_threshold": 0.4},
        model=lambda: net.cpu(),
    )


@pytest.fixture
def here(monkeypatch, tmp_path):
    """Two stored runs and their photographs; the results are empty."""
    runs = [stored_run(0.0), stored_run(0.3), stored_run(0.3, seed=1)]
    asked = {}

    def load(name, split, **options):
        asked.update(options, name=name, split=split)
        return Photographs()

    monkeypatch.setattr(comparisons, "stored", lambda plan: runs)
    monkeypatch.setattr(data, "load", load)
    monkeypatch.setenv("ENTREG_RESULTS", str(tmp_path))
    return types.SimpleNamespace(runs=runs, asked=asked, results=tmp_path)


def test_examples_are_the_panel_at_the_last_epoch(here):
    rows = panels.examples(PLAN, images=2, root="there")
    assert [[one.network for one in row] for row in rows] == [["ε = 0", "ε = 0.3"]] * 2
    assert rows[1][0].image.shape == (3, 23, 30)  # photograph 3, at its own size
    np.testing.assert_array_equal(rows[1][1].raw, [[4, 5], [6, 7]])
    assert rows[0][0].threshold == 0.4
    assert rows[0][0].boxes.tolist() == [[1, 2, 10, 11]]
    assert here.asked["root"] == "there" and here.asked["classes"] == 30


def test_what_is_missing_is_an_empty_answer(here, monkeypatch):
    assert panels.examples(PLAN, (0.0, 0.6)) == []  # not stored
    assert panels.examples(PLAN, seed=1) == []  # half of the pair

    def nothing(*args, **options):
        raise StorageError("there is no CUB")

    monkeypatch.setattr(data, "load", nothing)
    assert panels.examples(PLAN) == []
    assert panels.stage_maps(PLAN) is None


def test_another_tree_than_that_of_the_records(here, monkeypatch):
    here.runs[0].panel[1] = 4  # beyond the four photographs that are there
    assert panels.examples(PLAN) == []


def test_cropped_views_are_left_out(here):
    here.runs[1] = stored_run(0.3, eval_view="centre_crop")
    assert panels.examples(PLAN) == []


def test_stages_need_both_checkpoints(here):
    assert panels.stage_maps(PLAN) is None
    for run in here.runs[:2]:
        assert panels.stage_maps(PLAN) is None
        (here.results / f"{run.config.name}.pt").touch()
    images, features = panels.stage_maps(PLAN, images=2)
    assert torch.equal(images, Photographs.images[[0, 3]].float() / 255)
    assert list(features) == ["ε = 0", "ε = 0.3"]
    assert features["ε = 0"]["stage2"].shape == (2, 6, 8, 8)
