"""The drawn world as a data set: exact regions, a fixed digest, and a cache that is whole."""

import errno
import importlib
import os
import warnings

import numpy as np
import pytest
import torch

from entreg_utils import data
from entreg_utils.data.toy import ARRAYS, boxes_of, generate
from entreg_utils.data.world import World
from entreg_utils.files import sha256

module = importlib.import_module("entreg_utils.data.toy")  # data.toy is its function

# Of the painter: when one of these changes, raise PROTOCOL of experiments.config, and
# train the committed records anew.
DIGEST = "49ae7eff17a8119c6fa02d9e454f66cb8c562abdce46f49afda5123a4bc651ff"
DIGEST_OTHER = "8085486ad2566aa44988e7af574a4e155ce3d7468a9b15fd58b94cf9e4ced584"


def arrays_of(dataset):
    return {name: getattr(dataset, name).numpy() for name in ARRAYS}


def digest(arrays):
    """SHA-256 over every array's bytes, in the order of the names."""
    return sha256(b"".join(np.ascontiguousarray(arrays[name]).tobytes() for name in sorted(arrays)))


@pytest.fixture(scope="module")
def world():
    return data.load("toy", "train", num_images=200, cache=False, part_visibility=0.8)


# ---- the pictures


def test_the_pictures_are_the_same_on_every_platform():
    knobs = dict(part=1.0, body=0.95, context=0.3, part_visibility=1.0)
    world = World(**knobs, num_classes=8, image_size=48, seed=0)
    assert digest(generate(world, "train", 32)) == DIGEST
    other = World(0.9, 0.8, 0.5, part_visibility=0.5, num_classes=10, image_size=32, seed=5)
    assert digest(generate(other, "test", 32)) == DIGEST_OTHER


def test_more_images_extend_a_split_across_chunks():
    few, many = generate(World(image_size=32), "val", 3), generate(World(image_size=32), "val", 150)
    for name, array in few.items():
        assert len(many[name]) == 150
        assert np.array_equal(many[name][:3], array)
    last = generate(World(image_size=32), "val", 129)  # one more than a chunk
    assert all(np.array_equal(many[name][:129], array) for name, array in last.items())


def test_regions_are_exact_and_in_their_order(world):
    assert not (world.parts & ~world.masks).any()  # the mark is on the object
    assert torch.equal(world.contexts, ~world.masks)
    shown = world.cues[:, 0] >= 0
    assert 0 < (~shown).sum() < 100
    assert torch.equal(world.parts.flatten(1).any(1), shown)
    share = world.masks.float().mean((1, 2))
    assert share.min() > 0.05 and share.max() < 0.45
    # The fish is in the picture: the rim is water but for the tip of a fin.
    rim = torch.ones(48, 48, dtype=torch.bool)
    rim[1:-1, 1:-1] = False
    assert (world.masks[:, rim].float().mean(1) < 0.1).all()


def test_boxes_are_the_tight_boxes_of_the_masks(world):
    for box, mask in zip(world.boxes.tolist(), world.masks.numpy(), strict=True):
        rows, columns = np.nonzero(mask)
        x0, y0 = columns.min(), rows.min()
        w, h = columns.max() - x0 + 1, rows.max() - y0 + 1
        assert box == [x0, y0, min(x0 + w, 47), min(y0 + h, 47)]


def test_boxes_by_hand():
    masks = np.zeros((4, 4, 6), bool)
    masks[0, 1, 2] = True
    masks[1, 0, 0] = masks[1, 2, 3] = True
    masks[2] = True
    masks[3, 3, 5] = True
    expected = [[2, 1, 3, 2], [0, 0, 4, 3], [0, 0, 5, 3], [5, 3, 5, 3]]
    boxes = boxes_of(masks)
    assert boxes.tolist() == expected and boxes.dtype == np.int64


# ---- the data set


def test_a_sample_is_a_row_of_the_arrays(world):
    sample = world[3]
    assert isinstance(sample, data.Sample)
    assert sample.image.dtype == torch.float32
    assert torch.equal((sample.image * 255).round().byte(), world.images[3])
    assert sample.image.max() <= 1 and sample.label == world.labels[3].item()
    assert torch.equal(sample.boxes, world.boxes[3:4])
    assert torch.equal(sample.mask, world.masks[3]) and sample.ignore is None
    assert torch.equal(sample.part, world.parts[3])
    assert torch.equal(sample.context, ~world.masks[3])
    assert sample.image_id == "train/00003"
    assert type(sample.label) is int
    with pytest.raises(IndexError):
        world[200]


def test_sizes_and_names(world):
    assert len(world) == 200 and world.split == "train" and world.world.part_visibility == 0.8
    assert world.images.shape == (200, 3, 48, 48) and world.images.dtype == torch.uint8
    assert world.num_classes == 8 and len(set(world.class_names)) == 8
    assert len(module.SPECIES) == 10
    small = data.load("toy", "val", num_images=4, cache=False, num_classes=3, image_size=40)
    assert small.class_names == module.SPECIES[:3] and small.labels.max() < 3
    assert small.masks.shape == (4, 40, 40)


@pytest.mark.parametrize(
    "arguments, options, sentence",
    [
        (("cub2", "train"), {}, "unknown data set 'cub2': known are toy"),
        (("toy", "dev"), {}, "unknown split 'dev': known are train, val, test"),
        (
            ("toy", "train"),
            {"colour": 1},
            "unknown knob 'colour': the drawn world has part, body",
        ),
        (("toy", "train"), {"body": 2}, "body=2.0 is not a probability: give a number in 0..1"),
        (("toy", "train"), {"num_images": 0}, "num_images=0: give a whole number in 1..1000000"),
        (("toy", "train"), {"num_images": 2.5}, "num_images=2.5: give a whole number"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, arguments, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        data.load(*arguments, root=tmp_path, **options)
    assert not list(tmp_path.iterdir())


# ---- one cue changed


@pytest.mark.parametrize("column, cue", [(0, "part"), (1, "body"), (2, "context")])
def test_a_counterfactual_shows_the_next_class_in_one_cue(world, column, cue):
    changed = data.counterfactual(world, cue, 40)
    assert changed.shape == (40, 3, 48, 48) and changed.dtype == torch.uint8
    different = (changed != world.images[:40]).any(1)
    following = (world.labels[:40] + 1) % 8
    shown = world.cues[:40, column]
    same = (shown == following) | (shown < 0)  # shows it already, or is not painted
    assert torch.equal(different.flatten(1).any(1), ~same)
    regions = {"part": world.parts, "body": world.masks, "context": world.contexts}
    # Beyond the region only pixels that it covers in part: two at most, at the tips of thin fins.
    grown = torch.nn.functional.max_pool2d(regions[cue][:40, None].float(), 5, 1, 2)[:, 0] > 0
    assert not (different & ~grown).any()


def test_an_unknown_cue_is_named(world):
    with pytest.raises(ValueError, match="unknown cue 'tail': known are part, body, context"):
        data.counterfactual(world, "tail")
    before = world.cues.clone()
    assert len(data.counterfactual(world, "part")) == len(world)
    assert torch.equal(world.cues, before)


# ---- the cache

SMALL = {"num_images": 6, "image_size": 32}


def load(root, **knobs):
    return data.load("toy", "train", root=root, **(SMALL | knobs))


@pytest.fixture
def painted(monkeypatch):
    """How often pictures were painted."""
    plain, calls = module.generate, []
    monkeypatch.setattr(module, "generate", lambda *a: (calls.append(a), plain(*a))[1])
    return calls


def test_a_cached_split_is_read_back_equal(tmp_path, painted):
    first, second = load(tmp_path), load(tmp_path)
    assert len(painted) == 1
    assert digest(arrays_of(first)) == digest(arrays_of(second))
    assert {name: a.dtype for name, a in arrays_of(first).items()} == {
        name: a.dtype for name, a in arrays_of(second).items()
    }
    assert len(list(tmp_path.iterdir())) == 1  # one whole file, nothing temporary
    load(tmp_path, num_images=np.int64(6))
    assert len(painted) == 1


def test_without_a_cache_nothing_is_written_or_read(tmp_path, monkeypatch, painted):
    monkeypatch.setenv("ENTREG_ROOT", str(tmp_path))
    data.load("toy", "train", cache=False, **SMALL)
    assert not list(tmp_path.iterdir())
    data.load("toy", "train", **SMALL)
    assert len(list((tmp_path / "data" / "cache").iterdir())) == 1
    data.load("toy", "train", cache=False, **SMALL)
    assert len(painted) == 3


def test_every_knob_and_the_painter_have_a_file_of_their_own(tmp_path, painted, monkeypatch):
    knobs = [{}, {"part": 0.5}, {"body": 0.5}, {"context": 0.5}, {"part_visibility": 0.5}]
    knobs += [{"num_classes": 4}, {"image_size": 33}, {"seed": 1}, {"num_images": 7}]
    for changes in knobs:
        load(tmp_path, **changes)
    data.load("toy", "val", root=tmp_path, **SMALL)
    monkeypatch.setattr(module, "_PAINTER", "another")
    load(tmp_path)
    assert len(painted) == len(list(tmp_path.iterdir())) == len(knobs) + 2


@pytest.mark.parametrize("damage", ["byte", "cut", "empty"])
def test_a_damaged_cache_is_painted_again_with_one_warning(tmp_path, painted, damage):
    expected = digest(arrays_of(load(tmp_path)))
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    if damage == "byte":
        path.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    else:
        path.write_bytes(whole[:100] if damage == "cut" else b"")
    with pytest.warns(UserWarning) as caught:
        again = load(tmp_path)
    (warning,) = caught
    assert str(warning.message).startswith(f"painting the drawn world again: {path} is damaged")
    assert digest(arrays_of(again)) == expected
    assert path.read_bytes() == whole
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(tmp_path)
    assert len(painted) == 2


@pytest.mark.parametrize(
    "number, sentence",
    [
        (errno.ENOSPC, "is not cached: no room for toy-train-.*free some space"),
        (errno.EROFS, "is not cached: cannot write .*toy-train.*Read-only file system"),
    ],
)
def test_a_disk_that_takes_nothing_is_a_warning(tmp_path, monkeypatch, number, sentence):
    def fail(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.warns(UserWarning, match=sentence) as caught:
        dataset = load(tmp_path)
    assert len(caught) == 1 and len(dataset) == 6
    assert not list(tmp_path.iterdir())


def test_a_cache_that_may_not_be_read_is_a_warning(tmp_path):
    load(tmp_path)
    (path,) = tmp_path.iterdir()
    path.unlink()
    path.mkdir()  # the system refuses to read a folder, and to replace it by a file
    with pytest.warns(UserWarning) as caught:
        assert len(load(tmp_path)) == 6
    messages = [str(warning.message) for warning in caught]
    assert "cannot read" in messages[0] and "not cached: " in messages[1]
    assert "is there and is no file" in messages[1]
    assert len(messages) == 2


# ---- what all data sets have


def test_boxes_and_masks_at_a_size(world):
    assert (world.name, world.multilabel) == ("toy", False)
    pairs = [[index, label] for index, label in enumerate(world.labels.tolist())]
    assert world.pairs.tolist() == pairs
    own = world.boxes_at(48)
    assert len(own) == 200 and own[7].shape == (1, 4) and own[7].dtype == np.int64
    assert np.array_equal(np.concatenate(own), world.boxes)
    half = np.concatenate(world.boxes_at(24))
    assert np.array_equal(half, np.floor(world.boxes.numpy() / 2))
    mask, ignore = world.masks_at(48)[7]
    assert ignore is None and np.array_equal(mask, world.masks[7])
    assert np.array_equal(world.masks_at(24)[7][0], world.masks[7, ::2, ::2])
    assert np.array_equal(world.masks_at(96)[7][0], mask.repeat(2, 0).repeat(2, 1))
