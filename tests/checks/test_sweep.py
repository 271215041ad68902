import pandas as pd
import pytest

from entreg_utils.checks import sweep
from entreg_utils.theory import ThreeCues

WORLD = ThreeCues((1.0, 0.9, 0.3), (0.1, 0.2, 0.5), num_classes=10, price=0.016)
TABLE = pd.DataFrame(
    {
        "epsilon": [0.0, 0.0, 0.5, 0.5],
        "pxap": [0.5, 0.7, 0.6, 0.4],
        "val_pxap": [0.5, 0.5, 0.6, 0.6],
    }
)


# rates a (r - 1/C): 0.09, 0.16, 0.10; the body is the last, at 1 - 0.016 / 0.16
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (0.9, "right, ε = 0.900. The last cue that pays is the body"),
        (0.84, "not 0.840"),
        (1.2, "between 0 and 1"),
        (None, "no answer yet"),
        ("x", "expected one number"),
    ],
)
def test_collapse(answer, says, capsys):
    sweep.collapse(answer, WORLD)
    assert says in capsys.readouterr().out


def test_collapse_of_the_wrong_cue(capsys):
    sweep.collapse(0.0, ThreeCues((1.0, 0.9, 0.3), (0.1, 0.02, 0.5), num_classes=10, price=0.016))
    assert "body stops paying" in capsys.readouterr().out


# test means 0.6 at ε = 0 and 0.5 at ε = 0.5; validation prefers 0.5, so the optimism is 0.1
@pytest.mark.parametrize(
    ("answer", "says"),
    [(0.1, "right, 0.100"), (-0.1, "cannot be worse"), (0.3, "not 0.300"), (None, "no answer yet")],
)
def test_optimism(answer, says, capsys):
    sweep.optimism(answer, TABLE)
    assert says in capsys.readouterr().out
