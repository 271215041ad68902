"""Runs on photographs: networks and splits of a config, what is measured, both checkpoints."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from entreg_utils.experiments.preparation import build, splits

from entreg_utils import data, models
from entreg_utils.experiments import Config, preparation, run, store
from entreg_utils.training import TrainingError, View, evaluate, loop, predict

SHARED = Path(__file__).parents[2] / ".." / "shared"
WEIGHTS = SHARED / "weights" / "mobilenet_v2_imagenet.npz"

# A data set of several classes an image, which `data.load("voc")` gives in its place.
VOC = Config(
    dataset="voc",
    model="toy",
    multilabel="softmax",
    resize=40,
    crop=32,
    eval_size=32,
    epochs=3,
    batch_size=8,
    learning_rate=0.05,
)


class Several:
    """Images of one or two of three classes, each a bright third of the image."""

    multilabel, num_classes, source = True, 3, "made by a test"

    def __init__(self, split, size):
        generator = torch.Generator().manual_seed({"train": 0, "val": 1, "test": 2}[split])
        count = {"train": 24, "val": 8, "test": 12}[split]
        first = torch.arange(count) % 3
        second = (first + torch.randint(0, 2, (count,), generator=generator)) % 3
        self.labels = torch.zeros(count, 3)
        self.labels[torch.arange(count), first] = 1
        self.labels[torch.arange(count), second] = 1
        self.pairs, self.size = self.labels.nonzero(), size
        images = torch.randint(0, 90, (count, 3, size, size), generator=generator)
        for image, c in self.pairs.tolist():
            images[image, c][self._third(c, size)] += 150
        self.images = images.to(torch.uint8)

    def __len__(self):
        return len(self.labels)

    @staticmethod
    def _third(c, size):
        return slice(c * size // 3, (c + 1) * size // 3), slice(0, size)

    def boxes_at(self, size):
        return None

    def masks_at(self, size):
        masks = np.zeros((len(self.pairs), size, size), bool)
        for mask, c in zip(masks, self.pairs[:, 1].tolist(), strict=True):
            mask[self._third(c, size)] = True
        return [(mask, None) for mask in masks]


@pytest.fixture
def voc(project, monkeypatch):
    """``data.load("voc", ...)`` gives :class:`Several`; gives the folder of the results."""

    def load(split, root=None, size=None):
        return Several(split, size)

    monkeypatch.setitem(data.DATASETS, "voc", load)
    return project


BIRDS = Config(
    dataset="cub",
    model="mobilenet_v2",
    weights=str(WEIGHTS),
    normalise="half",
    freeze_bn=True,
    regularizer="kl_uniform",
    strength=0.1,
    resize=72,
    crop=64,
    eval_size=64,
    epochs=2,
    batch_size=7,
    learning_rate=1e-3,
    head_factor=10.0,
    method="adl",
)


def killed_after(epoch, config):
    """Run until the given epoch is whole and then kill; what is left is a partial file."""
    plain = loop.save

    def stop(path, parts, rest):
        plain(path, parts, rest)
        if len(rest["history"]) == epoch:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            run(config, progress=False)


# ---- networks


def test_the_head_has_a_class_for_each_of_the_data_or_as_many_as_asked_for(voc):
    assert build(VOC).head.out_features == 3
    assert build(VOC, num_classes=7).head.out_features == 7
    assert build(Config(head_outputs=20, width=4)).head.out_features == 20
    birds = Config(dataset="cub", model="toy", head_outputs=5)
    assert build(birds, num_classes=4).head.out_features == 5
    with pytest.raises(ValueError, match="head_outputs=5 is less than the 200 classes of cub"):
        build(birds, num_classes=200)


def test_options_reach_the_network(tmp_path):
    torch.manual_seed(5)  # not the config's own seed
    source = models.build("resnet18", 4)
    torch.save(source.state_dict(), tmp_path / "w.pth")
    config = Config(
        model="resnet18",
        weights=str(tmp_path / "w.pth"),
        large_map=True,
        normalise="half",
        freeze_bn=True,
    )
    model = build(config)
    assert model.stride == 8 and model.mean.tolist() == [0.5] * 3 and model.batchnorm_frozen
    own, given = model.state_dict(), source.state_dict()
    assert all(torch.equal(own[n], given[n]) for n in own if not n.startswith("head."))
    assert own["head.weight"].shape[0] == 8  # of the embedded world
    bare = build(config, with_weights=False).state_dict()
    assert not torch.equal(bare["body.conv1.weight"], given["body.conv1.weight"])


# ---- data


def test_splits_have_the_sizes_of_the_config(voc):
    assert [split.size for split in splits(VOC)] == [40, 32, 32]
    middle = replace(VOC, eval_view="centre_crop", eval_size=224)
    assert [split.size for split in splits(middle)] == [40, 40, 40]


def test_options_of_a_data_set_are_passed_on(monkeypatch):
    calls = []

    def load(name, split, **options):
        calls.append((name, split, options))
        return SimpleNamespace(num_classes=2)

    monkeypatch.setattr(preparation.data, "load", load)
    splits(Config(dataset="cub", model="resnet18", classes=30, lists="evaluation"))
    own = {"classes": 30, "lists": "evaluation"}
    assert calls == [
        ("cub", "train", {"size": 256} | own),
        ("cub", "val", {"size": 224} | own),
        ("cub", "test", {"size": 224} | own),
    ]
    calls.clear()
    splits(Config(dataset="pets", model="resnet18"))
    assert calls[0] == ("pets", "train", {"size": 256})


# ---- a whole run of several classes


def test_a_run_of_several_classes_keeps_both_checkpoints_and_chooses_on_validation(voc):
    result = run(VOC, progress=False)
    history, metrics = result.history, result.metrics
    assert {"val_mpxap", "val_mean_ap", "val_entropy", "train_mean_ap"} <= set(history)
    assert not any(name.startswith("test_") for name in history)  # looked at once, at the end
    chosen = int(history["val_mpxap"].argmax()) + 1
    digest = result.selection.pop("weights_sha256")
    assert result.selection == {"criterion": "val_mpxap", "epoch": chosen}
    assert metrics["val_mpxap"] == history["val_mpxap"].iloc[-1]
    assert metrics["val_mpxap_best"] == history["val_mpxap"].max()
    assert {"mpxap", "mpxap_best", "mean_ap", "constant_map"} <= set(metrics)
    assert "constant_map_best" not in metrics
    assert metrics["constant_map"] == pytest.approx(1 / 3, abs=0.01)  # each mask is a third
    result.selection["weights_sha256"] = digest
    test = View(splits(VOC)[2], multilabel="softmax")
    for which, name in (("last", "mpxap"), ("best", "mpxap_best")):
        scores = evaluate(predict(result.model(which), test, batch=64), test)
        assert round(scores["mpxap"], 5) == metrics[name]
    # the panel holds the first image of each class, and its map is that class's own
    pairs = test.pairs.tolist()
    assert result.panel == [next(i for i, c in pairs if c == k) for k in range(3)]
    maps = predict(result.model(), test, batch=64).maps
    for k, image in enumerate(result.panel):
        own = maps[pairs.index([image, k])]
        assert np.abs(result.maps[-1][k] - own).max() <= np.ptp(own) / 255
    assert result.provenance["source"] == "made by a test"
    with pytest.raises(ValueError, match="no 'first' checkpoint: kept are last, best"):
        result.model("first")


def test_a_log_of_one_line_an_epoch_stays_beside_the_record(voc):
    run(VOC, progress=False)
    log = (voc / f"{VOC.name}.jsonl").read_text().splitlines()
    record = store.find(VOC)
    assert [json.loads(line)["val_mpxap"] for line in log] == record["history"]["val_mpxap"]
    assert {path.suffix for path in voc.iterdir()} == {".json", ".jsonl", ".lock", ".pt"}


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_a_killed_run_of_several_classes_equals_an_unbroken_one(voc, monkeypatch, tmp_path, kind):
    config = replace(VOC, multilabel=kind, method="cutmix", erase_beta=1.0, erase_probability=1.0)
    config = replace(config, regularizer="kl_uniform", strength=0.1)
    run(config, progress=False)
    whole = store.find(config)
    monkeypatch.setenv("ENTREG_RESULTS", str(tmp_path / "again"))
    killed_after(2, config)
    assert store.find(config) is None
    run(config, progress=False)
    resumed = store.find(config)
    for record in (whole, resumed):
        del record["provenance"]
    assert whole == resumed


@pytest.mark.parametrize("which", ["last", "best"])
def test_a_checkpoint_that_is_gone_is_trained_again(voc, which, capsys):
    result = run(VOC, progress=False)
    path = voc / f"{VOC.name}{'.best' if which == 'best' else ''}.pt"
    before = path.read_bytes()
    path.unlink()
    result.model(which)
    assert f"{path.name} is not stored: training this run again" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_too_little_memory_in_evaluation_is_one_sentence_and_keeps_the_epochs(voc, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    killed_after(2, VOC)
    with monkeypatch.context() as patch:
        patch.setattr("entreg_utils.cam.class_activation_map", full)
        with pytest.raises(TrainingError, match="too little memory for a pass in evaluation"):
            run(VOC, progress=False)
    assert (voc / f"{VOC.name}.partial").exists()
    assert len(run(VOC, progress=False).history) == 3


# ---- real photographs


def test_birds_are_trained_resumed_and_scored(cub, monkeypatch, tmp_path):
    result = run(BIRDS, progress=False)
    whole, metrics = store.find(BIRDS), result.metrics
    assert whole["config"]["weights"] == WEIGHTS.name
    assert result.provenance["weights"]["file"] == WEIGHTS.name
    assert result.provenance["source"].startswith("official split")
    assert result.selection["criterion"] == "val_max_box_acc"
    wanted = {"max_box_acc", "max_box_acc_carried", "top1_loc", "top5_loc", "centre_box"}
    assert wanted <= set(metrics) and {"max_box_acc_best", "top1_loc_best"} <= set(metrics)
    assert metrics["top1_loc"] <= min(metrics["accuracy"], metrics["gt_known"])
    assert metrics["max_box_acc_carried"] <= metrics["max_box_acc"]
    assert result.maps.shape == (2, 3, 4, 4)
    test = View(splits(BIRDS)[2])
    scores = evaluate(predict(result.model(), test, batch=64), test)
    assert {name: round(value, 5) for name, value in scores.items()} == {
        name: metrics[name] for name in scores
    }
    monkeypatch.setenv("ENTREG_RESULTS", str(tmp_path / "again"))
    killed_after(1, BIRDS)
    run(BIRDS, progress=False)
    resumed = store.find(BIRDS)
    for record in (whole, resumed):
        del record["provenance"]
    assert whole == resumed


def test_test_is_watched_only_where_asked_and_each_image_is_kept(cub):
    config = replace(BIRDS, epochs=1, method="cam", frozen_stages=2, watch_test=True)
    result = run(config, progress=False)
    assert result.history["test_max_box_acc"].iloc[-1] == result.metrics["max_box_acc"]
    assert result.history["test_accuracy"].iloc[-1] == result.metrics["accuracy"]
    count = len(splits(config)[2])
    assert result.outcomes["hits"].shape == (count, 1000)
    best = result.outcomes["hits"].mean(axis=0).max()
    assert round(best, 5) == result.metrics["max_box_acc"]
    assert "max_box_acc_ivr_carried" in result.metrics
    assert "max_box_acc_ivr_carried_best" not in result.metrics  # of the last checkpoint alone
    early = result.model().body.features[0][0].weight.cpu()
    begun = build(config, 3).body.features[0][0].weight
    assert torch.equal(early, begun)


def test_birds_in_the_middle_of_the_photograph(cub):
    config = replace(BIRDS, eval_view="centre_crop", eval_size=224, epochs=1, method="cam")
    test = View(splits(config)[2], config.crop)
    result = run(config, progress=False)
    assert test.dataset.images.shape[-1] == 72 and result.maps.shape[2:] == (4, 4)
    whole = np.concatenate(test.dataset.boxes_at(252))  # 224 pixels are the middle of 252
    moved = np.concatenate(test.boxes)
    assert np.array_equal(moved, np.clip(whole - 14, 0, 223))
    scores = evaluate(predict(result.model(), test, batch=64), test)
    assert round(scores["max_box_acc"], 5) == result.metrics["max_box_acc"]
