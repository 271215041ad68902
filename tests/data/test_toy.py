"""The drawn world as a data set: exact regions, a fixed digest, painted once in a process."""

import importlib

import numpy as np
import pytest
import torch

from entreg_utils import data
from entreg_utils.data.toy import boxes_of, generate
from entreg_utils.data.world import World
from entreg_utils.files import sha256

module = importlib.import_module("entreg_utils.data.toy")  # data.toy is its function

# Of the painter: when one of these changes, raise PROTOCOL of experiments.config, and
# train the committed records anew.
DIGEST = "49ae7eff17a8119c6fa02d9e454f66cb8c562abdce46f49afda5123a4bc651ff"
DIGEST_OTHER = "8085486ad2566aa44988e7af574a4e155ce3d7468a9b15fd58b94cf9e4ced584"


SHOAL = "9fe83ba9b92b2ad45fb79d9444d10176bb79d7e0778283072f6e08715d2ac686"
SHOAL_OTHER = "b1a47ef3e6a42fc0b9313ff519233c2111c3e1c7391890d50ab93a652653dcfe"
ARRAYS = "boxes", "cues", "images", "labels", "masks"


def digest(arrays):
    """SHA-256 over every array's bytes, in the order of the names."""
    return sha256(b"".join(np.ascontiguousarray(arrays[name]).tobytes() for name in sorted(arrays)))


def digest_of(dataset):
    return digest({name: getattr(dataset, name).numpy() for name in ARRAYS})


@pytest.fixture(scope="module")
def world():
    return data.load("toy", "train", num_images=200, cache=False, part_visibility=0.8)


# ---- the pictures


@pytest.mark.parametrize(
    "several, wanted, other", [(False, DIGEST, DIGEST_OTHER), (True, SHOAL, SHOAL_OTHER)]
)
def test_the_pictures_are_the_same_on_every_platform(several, wanted, other):
    knobs = dict(part=1.0, body=0.95, context=0.3, part_visibility=1.0)
    world = World(**knobs, num_classes=8, image_size=48, seed=0)
    assert digest(generate(world, "train", 32, several)) == wanted
    world = World(0.9, 0.8, 0.5, part_visibility=0.5, num_classes=10, image_size=32, seed=5)
    assert digest(generate(world, "test", 32, several)) == other


@pytest.mark.parametrize("several", [False, True])
def test_more_images_extend_a_split_across_chunks(several):
    few, last, many = (
        generate(World(image_size=32), "val", count, several) for count in (3, 129, 150)
    )  # a chunk is 128
    assert len(many["images"]) == len(many["labels"]) == 150
    for part in (few, last):
        for name, array in part.items():
            fish = len(part["boxes"]) if name not in ("images", "labels") else len(part["images"])
            assert len(array) == fish and np.array_equal(many[name][:fish], array)


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


def test_boxes_by_hand(world):
    masks = np.zeros((4, 4, 6), bool)
    masks[0, 1, 2] = True
    masks[1, 0, 0] = masks[1, 2, 3] = True
    masks[2] = True
    masks[3, 3, 5] = True
    expected = [[2, 1, 3, 2], [0, 0, 4, 3], [0, 0, 5, 3], [5, 3, 5, 3]]
    boxes = boxes_of(masks)
    assert boxes.tolist() == expected and boxes.dtype == np.int64
    assert torch.equal(world.boxes, torch.from_numpy(boxes_of(world.masks.numpy())))


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
    "split, options, sentence",
    [
        ("dev", {}, "unknown split 'dev': known are train, val, test"),
        ("train", {"colour": 1}, "unknown knob 'colour': the drawn world has part, body"),
        ("train", {"body": 2}, "body=2.0 is not a probability: give a number in 0..1"),
        ("train", {"num_images": 0}, "num_images=0: give a whole number in 1..1000000"),
        ("train", {"num_images": 2.5}, "num_images=2.5: give a whole number"),
    ],
)
def test_bad_input_is_one_sentence(split, options, sentence):
    for name in data.DRAWN:
        with pytest.raises(ValueError, match=sentence):
            data.load(name, split, **options)
    with pytest.raises(ValueError, match="unknown data set 'cub2': known are toy"):
        data.load("cub2", split)


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


def test_what_no_counterfactual_can_be_made_of_is_refused(world):
    with pytest.raises(ValueError, match="unknown cue 'tail': known are part, body, context"):
        data.counterfactual(world, "tail")
    several = data.load("shoal", "val", num_images=2, cache=False)
    with pytest.raises(ValueError, match="shoal shows several fish an image: give a split of toy"):
        data.counterfactual(several, "part")
    before = world.cues.clone()
    assert len(data.counterfactual(world, "part")) == len(world)
    assert torch.equal(world.cues, before)


# ---- painted once in a process


@pytest.mark.parametrize("name", data.DRAWN)
def test_a_split_is_painted_once_and_every_call_gets_its_own_copy(name):
    small = {"num_images": 6, "image_size": 32}
    before = module._kept.cache_info().misses
    first = data.load(name, "train", **small)
    expected = digest_of(first)
    for array in ARRAYS:
        getattr(first, array).zero_()
    again = data.load(name, "train", **small | {"num_images": np.int64(6)})
    assert digest_of(again) == expected
    assert digest_of(data.load(name, "train", cache=False, **small)) == expected
    assert module._kept.cache_info().misses == before + 1
    knobs = [{"part": 0.5}, {"body": 0.5}, {"context": 0.5}, {"part_visibility": 0.5}]
    knobs += [{"num_classes": 4}, {"image_size": 33}, {"seed": 1}, {"num_images": 7}]
    others = [data.load(name, "train", **small | own) for own in knobs]
    others.append(data.load(name, "val", **small))
    assert len({expected, *map(digest_of, others)}) == len(knobs) + 2
    assert len(data.load(name, "val", image_size=32)) == 200


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
