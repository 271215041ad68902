"""``Data``: what cannot work is refused in one sentence, and what can is loaded as it says."""

import numpy as np
import pytest

from entreg_utils import data
from entreg_utils.data import Data


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dataset": "birds"}, "unknown data set 'birds': known are toy, .*, folder:PATH and"),
        ({"dataset": 3}, "dataset=3: give a name or a function"),
        ({"num_train": 0}, "num_train=0: give a whole number of at least 1"),
        ({"body": 2}, "body=2.0 is not a probability"),
        ({"world_seed": -1}, "world_seed=-1: give a whole number of at least 0"),
        ({"resize": 128}, "resize belongs to photographs: the drawn world has image_size and"),
        ({"crop": 48}, "crop belongs to photographs"),
        ({"classes": 3}, "classes belongs to photographs"),
        ({"lists": "evaluation"}, "lists is a choice that only cub has: leave it out"),
        ({"dataset": "cub", "lists": "auto"}, "unknown lists 'auto': known are official, evaluat"),
        ({"dataset": "pets", "lists": "evaluation"}, "lists is a choice that only cub has"),
        ({"dataset": "cub", "num_train": 9}, "num_train belongs to the drawn world: photographs"),
        ({"dataset": "shoal", "resize": 128}, "resize belongs to photographs: the drawn world has"),
        ({"dataset": "shoal", "num_classes": 11}, "num_classes=11: give a whole number in 2..10"),
        ({"dataset": "folder:x", "context": 1}, "context belongs to the drawn world"),
        ({"dataset": "a.b:c", "world_seed": 1}, "world_seed belongs to the drawn world"),
        ({"dataset": "cub", "classes": 1}, "classes=1: give a whole number of at least 2"),
        ({"dataset": "voc", "classes": 3}, "voc has a column for each class: leave classes out"),
        ({"dataset": "cub", "resize": 4, "crop": 4}, "resize=4: give a whole number in 8..2048"),
        ({"dataset": "cub", "resize": 2049}, "resize=2049: give a whole number in 8..2048"),
        ({"dataset": "cub", "crop": 300}, "crop=300: give a whole number in 1..256"),
        ({"dataset": "cub", "crop": 0}, "crop=0: give a whole number in 1..256"),
    ],
)
def test_what_cannot_work_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Data(**given)


def test_equal_choices_are_equal_and_say_what_they_are():
    assert Data(context=np.float64(1), num_train=np.int64(40)) == Data(context=1, num_train=40)
    assert isinstance(Data(context=1).context, float)
    drawn, birds = Data(image_size=32), Data(dataset="cub", crop=128)
    assert drawn.is_drawn and not birds.is_drawn and (drawn.side, birds.side) == (32, 128)
    assert Data(dataset="shoal").is_drawn and Data(dataset="shoal").several
    assert Data(dataset="voc").several and birds.several is drawn.several is False
    assert Data(dataset="folder:x").several is Data(dataset="mine:birds").several is None
    assert drawn.knobs == vars(data.World(image_size=32))


@pytest.mark.parametrize("name", data.DRAWN)
def test_a_drawn_world_is_loaded_with_its_knobs(name, monkeypatch, tmp_path):
    monkeypatch.setenv("ENTREG_ROOT", str(tmp_path))
    chosen = Data(dataset=name, num_train=5, image_size=32, num_classes=3, world_seed=4)
    train, val = chosen.load("train"), chosen.load("val")
    assert (len(train), len(val), train.name) == (5, 200, name)
    assert train.world == data.World(image_size=32, num_classes=3, seed=4) == val.world


@pytest.mark.parametrize(
    ("name", "given", "words", "options"),
    [
        ("cub", {}, ["train"], {"size": 256, "lists": "official"}),
        ("cub", {"lists": "evaluation"}, ["val"], {"size": 224, "lists": "evaluation"}),
        ("pets", {"resize": 300, "classes": 4}, ["train"], {"size": 300, "classes": 4}),
        ("pets", {"root": "there"}, ["test", 448], {"size": 448, "root": "there"}),
    ],
)
def test_photographs_are_loaded_with_their_options(monkeypatch, name, given, words, options):
    seen = []
    monkeypatch.setattr(data.choice, "load", lambda *given, **own: seen.append((given, own)))
    Data(dataset=name, **given).load(*words)
    assert seen == [((name, words[0]), {"root": None} | options)]
