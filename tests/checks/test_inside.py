"""Feedback on looking inside: right, the usual slips, anything else."""

import types

import numpy as np
import pytest

from entreg_utils.checks import inside as checks

# both changed: +0.4; features alone +0.2 under the old head, +0.3 under the new one
PXAP = {(0.0, 0.0): 0.4, (0.8, 0.0): 0.6, (0.0, 0.8): 0.5, (0.8, 0.8): 0.8}
CUES = np.array([[0, 0, 0], [1, 1, 2], [2, 0, 2], [3, 1, 1], [4, 4, 4]])  # two of five tell
WORLD = types.SimpleNamespace(cues=CUES, world=types.SimpleNamespace(context=0.5))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (4.0, "right, 0.200 / 0.050 = 4.00"),
        (0.25, "upside down"),
        (0.15, "difference"),
        (7, "Divide the share"),
        (None, "no answer yet"),
    ],
)
def test_loudness(answer, says, capsys):
    checks.loudness(answer, 0.2, 0.05)
    assert says in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (0.625, "right, 0.62"),
        (0.375, "the head's share"),
        (0.5, "one order"),
        (0.75, "one order"),
        (0.25, "in PxAP"),
        (0.9, "not 0.9"),
        ("most", "expected one number"),
    ],
)
def test_share_of_features(answer, says, capsys):
    checks.share_of_features(answer, PXAP)
    assert says in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (2, "right, 2 of 5; the knob alone would give 2"),
        (3, "the two agree"),
        (0.4, "their share"),
        (4, "Compare columns"),
        (float("nan"), "finite"),
    ],
)
def test_telling_pictures(answer, says, capsys):
    checks.telling_pictures(answer, WORLD)
    assert says in capsys.readouterr().out


def test_body_in_place_of_the_mark_is_named(capsys):
    cues = np.array([[0, 1, 0], [0, 2, 3], [0, 1, 3]])  # mark and habitat differ twice, body thrice
    world = types.SimpleNamespace(cues=cues, world=types.SimpleNamespace(context=0.5))
    checks.telling_pictures(3, world)
    assert "body and habitat" in capsys.readouterr().out
