"""What a config refuses, field by field and where two do not go together."""

import pytest
from entreg_utils.experiments.validity import element_of, plain, points_of

from entreg_utils import models
from entreg_utils.experiments import Config

CUB = {"dataset": "cub", "model": "resnet50"}
VOC = {"dataset": "voc", "model": "resnet50", "multilabel": "softmax"}


@pytest.mark.parametrize(
    "fields, sentence",
    [
        # unknown names
        ({"method": "cutout"}, "unknown erasing method 'cutout'|unknown method 'cutout'"),
        ({"schedule": "linear"}, "unknown schedule 'linear': known are one_cycle, step, cosine"),
        ({"precision": "fp16"}, "unknown precision 'fp16'"),
        (CUB | {"normalise": "caffe"}, "unknown normalise 'caffe': known are published, imagenet"),
        (CUB | {"lists": "mine"}, "unknown lists 'mine': known are official, evaluation"),
        (CUB | {"eval_view": "ten"}, "unknown eval_view 'ten': known are resize, centre_crop"),
        # what has no meaning there
        (CUB | {"body": 0.5}, "body belongs to the drawn world"),
        (CUB | {"num_train": 100}, "num_train belongs to the drawn world"),
        (CUB | {"world_seed": 1}, "world_seed belongs to the drawn world"),
        (CUB | {"width": 8}, "width belongs to the toy network"),
        ({"crop": 32}, "crop belongs to photographs"),
        ({"classes": 3}, "classes belongs to photographs"),
        ({"lists": "evaluation"}, "lists is a choice that only cub has"),
        ({"dataset": "pets", "model": "resnet18", "lists": "evaluation"}, "only cub has"),
        ({"pretrained": True}, "pretrained belongs to the networks for photographs"),
        ({"weights": "w.pth"}, "weights belongs to the networks for photographs"),
        ({"decay_epochs": (2,)}, "decay_epochs belongs to schedule='step'"),
        ({"method": "has", "erase_beta": 1.0}, "has has no beta: it takes sides, rate"),
        ({"erase_rate": 0.5}, "cam has no rate"),
        # numbers
        ({"sigma": 1.5}, "sigma=1.5 is no share of a map's maximum"),
        ({"sigma": -0.1}, "sigma=-0.1 is no share"),
        ({"head_factor": 0.0}, "head_factor=0.0: give a positive number"),
        ({"grad_clip": -1.0}, "grad_clip=-1.0: give a finite number of at least 0"),
        ({"schedule": "step", "decay_epochs": (3, 2)}, "decay_epochs=.*give rising epochs"),
        ({"schedule": "step", "decay_epochs": (0,)}, "decay_epochs=.*give rising epochs"),
        ({"schedule": "step", "decay": 2.0}, r"decay=2.0: give a factor in \(0, 1\]"),
        ({"schedule": "cosine", "momentum": 1.0}, r"momentum=1.0: give a number in \[0, 1\)"),
        ({"momentum": 0.95}, r"momentum=0.95: give 0, or a number in \[0.05, 0.95\)"),
        ({"epoch_images": 10}, "epoch_images=10: give 0, one pass, or at least batch_size=50"),
        ({"method": "adl", "erase_rate": 1.5}, "rate=1.5 must lie in 0..1"),
        # networks
        (CUB | {"pretrained": True, "weights": "w.pth"}, "two sources of weights: give one"),
        (CUB | {"pretrained": True, "normalise": "half"}, "come with their normalisation"),
        (CUB | {"weights": "w.h5"}, "weights='w.h5': use a file that ends in .pth"),
        ({"head_outputs": 4}, "head_outputs=4: give 0, one a class, or at least 8"),
        ({"method": "adl", "erase_points": ["stage4.0"]}, "behind 'stage4.0': toy has the points"),
        (
            CUB | {"method": "adl", "erase_points": ["stage9"]},
            "adl cannot go behind 'stage9': resnet50 has the points stage3.0, stage4.0, last",
        ),
        # photographs
        ({"dataset": "voc", "model": "resnet50"}, "voc show several classes: choose multilabel="),
        (CUB | {"multilabel": "sigmoid"}, "cub has one class an image: leave multilabel out"),
        (VOC | {"head_outputs": 1000}, "voc has a column for each class: leave head_outputs out"),
        (VOC | {"classes": 5}, "voc has a column for each class: leave classes out"),
        (CUB | {"classes": 1}, "classes=1: give 0 for all, or at least 2"),
        (CUB | {"crop": 300}, "crop=300 does not fit into resize=256"),
        (CUB | {"crop": 0}, "crop=0 does not fit into resize=256"),
        (CUB | {"eval_size": 4}, "eval_size=4 is outside 8..2048 pixels"),
        (
            CUB | {"method": "has", "erase_sides": [16, 225]},
            "a square of 225 pixels is larger than the 224x224 image",
        ),
        ({"method": "has", "erase_sides": [49]}, "49 pixels is larger than the 48x48 image"),
        # types
        ({"erase_sides": 8, "method": "has"}, "erase_sides=8: give a list, each a whole number"),
        ({"decay_epochs": [1.5]}, "decay_epochs=1.5: give a whole number"),
        ({"erase_points": [3], "method": "adl"}, "erase_points=3: give a name"),
        ({"compile": 1}, "compile=1: give True or False"),
        ({"method": None}, "method=None: give a name"),
    ],
)
def test_bad_fields_are_refused_in_one_sentence(fields, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        Config(**fields)
    assert "\n" not in str(caught.value)


def test_what_works_is_not_refused():
    Config(schedule="cosine", momentum=0.99)
    Config(**CUB, schedule="step", decay_epochs=(15, 30, 45), epochs=2)  # a quick trial
    Config(**CUB, head_outputs=1000, resize=224)
    Config(model="resnet18", method="has", erase_sides=[48], erase_rate=1)
    Config(**VOC, method="cutmix")


def test_types_are_read_from_their_names():
    assert element_of("int") == ("int", False, False)
    assert element_of("float | None") == ("float", False, True)
    assert element_of("tuple[int, ...]") == ("int", True, False)
    assert element_of("tuple[str, ...] | None") == ("str", True, True)
    assert plain("x", "float | None", None) is None
    assert plain("x", "tuple[int, ...]", [1, 2]) == (1, 2)
    assert plain("x", "float", -0.0).hex() == (0.0).hex()


@pytest.mark.parametrize("name", ["toy", "preresnet18", "mobilenet_v2"])
def test_points_are_the_models_own(name):
    assert points_of(name) == tuple(models.build(name, 2).erasing_points())
