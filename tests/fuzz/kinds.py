"""Arguments of every kind for the fuzz tests: good values by argument's name, and what else they
may be: other containers, types and layouts of them, and values that nobody should give.

Good values are drawn by Hypothesis, small, of sizes that fit each other.
"""

import math
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import entreg_utils as eu
from entreg_utils import models

SIDE = 8  # at which maps, boxes and masks meet


class Kind(NamedTuple):
    good: Callable[[SimpleNamespace], st.SearchStrategy]  # of the example's sizes n, c, h, w
    changes: Mapping[str, Callable] = {}


def constant(values: Mapping) -> dict:
    return {name: lambda _, value=value: value for name, value in values.items()}


def put(value) -> Callable:
    def spoil(a):
        a = a.clone() if isinstance(a, torch.Tensor) else np.array(a, float)
        a.reshape(-1)[-1] = value
        return a

    return spoil


# fmt: off
# ---- the same values in other containers, types and layouts
LAYOUTS = {
    "backwards": lambda a: a[::-1].copy()[::-1],
    "every other": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "nested lists": lambda a: a.tolist(), "Fortran's order": np.asfortranarray,
    "float16": lambda a: a.astype(np.float16), "big endian": lambda a: a.astype(">f8"),
    "bfloat16 tensor": lambda a: torch.tensor(a, dtype=torch.bfloat16),
    "tensor with gradient": lambda a: torch.tensor(a, dtype=torch.float32, requires_grad=True),
    "int8": lambda a: a.astype(np.int8), "bool": lambda a: a > 0, "tuple": tuple,
    "Series": lambda a: pd.Series(a, index=range(5, 5 + len(a))),
}
# ---- what nobody should give
ODD = {
    "text": "a few", "nothing": None, "object": object(), "bytes": b"1", "dict": {"a": 1},
    "complex": 1 + 2j, "list of None": [None, None], "array of text": np.array(["a", "b"]),
    "array of objects": np.array([len, None], dtype=object),
}
NOT_NUMBERS = constant(ODD | {
    "NaN": math.nan, "inf": math.inf, "-inf": -math.inf, "negative": -3.5, "True": True,
    "huge": 1e300, "tiny": 1e-300, "10^400": 10**400, "list": [0.5], "empty": [],
    "array": np.array([0.1, 0.2]), "NumPy's NaN": np.float32("nan"),
})
NOT_WHOLES = NOT_NUMBERS | constant({"zero": 0, "half": 2.5, "-1": -1, "10^30": 10**30})
NOT_TEXTS = constant({name: ODD[name] for name in ODD if name != "text"} | {
    "unknown": "Unknown", "empty": "", "odd letters": "ä\0☃ \n", "number": 3, "True": True,
    "list": ["minmax"], "format": "{0}%s",
})
SHAPES = {
    "no rows": lambda a: a[:0], "no columns": lambda a: a[..., :0],
    "an axis more": lambda a: a[None], "an axis less": lambda a: a[0],
    "a row more": lambda a: np.concatenate([a, a[:1]]),
    "a column more": lambda a: np.concatenate([a, a[..., :1]], axis=-1),
    "complex numbers": lambda a: np.array(a) * 1j,
}
VALUES = {"NaN": put(math.nan), "inf": put(math.inf), "-inf": put(-math.inf),
          "huge": put(1e150), "negative": put(-7.5)}
GENERATOR = {"generator": lambda a: (row for row in a)}
NOT_MASKS = LAYOUTS | SHAPES | GENERATOR | {
    "objects": lambda a: np.array(a).astype(object),
    "dates": lambda a: np.array(a).astype(np.int64).astype("datetime64[s]"),
} | constant(ODD | {"number": 1.5, "True": True, "()": np.array(2.0), "set": {1, 2},
                    "ragged": [[1, 2], [3]]})
NOT_ARRAYS = NOT_MASKS | VALUES
NOT_TENSORS = VALUES | constant(ODD) | GENERATOR | {
    "array": lambda t: t.numpy(), "whole numbers": lambda t: t.long(), "bools": lambda t: t > 0,
    "bfloat16": lambda t: t.bfloat16(), "with gradient": lambda t: t.float().requires_grad_(),
    "view": lambda t: t.repeat_interleave(2, -1)[..., ::2], "uint8": lambda t: t.byte(),
    "transposed": lambda t: t.transpose(0, -1).contiguous().transpose(0, -1),
} | {n: lambda t, own=own: torch.as_tensor(own(t.numpy())) for n, own in SHAPES.items()}


# ---- good values
REAL = st.integers(-64, 64).map(lambda k: k / 8)  # ties, and values between


def array(*axes, elements=REAL, kind=float):
    def good(w):
        own = elements(w) if callable(elements) else elements
        sides = [getattr(w, axis) if isinstance(axis, str) else axis for axis in axes]
        return hnp.arrays(kind, sides, elements=own)

    return good


def boxes(w):
    """(n, 2, 4) boxes within SIDE."""
    four = st.tuples(*[st.integers(0, SIDE - 2)] * 2, *[st.integers(1, SIDE)] * 2)
    one = four.map(lambda b: [*b[:2], min(b[0] + b[2], SIDE - 1), min(b[1] + b[3], SIDE - 1)])
    return st.lists(st.tuples(one, one), min_size=w.n, max_size=w.n).map(np.array)


def two_sided(mask):
    """With some pixel on and some off in each."""
    mask = mask.copy()
    mask[:, 0, 0], mask[:, -1, -1] = True, False
    return mask


def mapped(good, change):
    return lambda w: good(w).map(change)


def grid(low=0.0, high=1.0):
    return st.integers(1, 15).map(lambda k: low + (high - low) * k / 16)  # exact in float16


def number(low=0.0, high=1.0):
    return Kind(lambda _: grid(low, high), NOT_NUMBERS)


def whole(low=1, high=4):
    return Kind(lambda _: st.integers(low, high), NOT_WHOLES)


def choice(*known):
    return Kind(lambda _: st.sampled_from(known), NOT_TEXTS)


def one_of(*values, spoils=NOT_NUMBERS, **changes):
    return Kind(lambda _: st.sampled_from(values), spoils | changes)


def made(make, spoils=None, **more):
    return Kind(lambda _: st.builds(make), (spoils or {}) | constant(more))


@cache
def net():
    torch.manual_seed(0)
    return models.build("toy", 3, width=2).eval()


@cache
def truth():
    path = Path(tempfile.mkdtemp(), "boxes.csv")
    path.write_text("image,x0,y0,x1,y1,width,height\na,0,0,4,4,8,8\nb,2,2,7,7,8,8\n")
    return path


@cache
def scored():
    return eu.score.score({"a": np.eye(4), "b": np.ones((3, 3))}, truth(), size=SIDE, samples=0)


MAPS = Kind(array("n", "h", "w"), NOT_ARRAYS)
ONE_MAP = Kind(array("h", "w"), NOT_ARRAYS)
BOXES = Kind(boxes, NOT_ARRAYS)
OWN_BOXES = Kind(mapped(boxes, lambda b: b[0]), NOT_ARRAYS)
ALL_MASKS = mapped(array("n", SIDE, SIDE, elements=st.booleans(), kind=bool), two_sided)
MASKS = Kind(ALL_MASKS, NOT_MASKS)
INDICES = array("n", elements=lambda w: st.integers(0, w.c - 1), kind=int)
LABELS = Kind(INDICES, NOT_ARRAYS | {"too large": lambda a: a + 99})
LOGITS = Kind(array("n", "c"), NOT_ARRAYS)
T_LOGITS = Kind(mapped(array("n", "c"), torch.tensor), NOT_TENSORS)
T_LABELS = Kind(mapped(INDICES, torch.tensor), NOT_TENSORS)
PIXELS = array(3, SIDE, SIDE, elements=grid())
PICTURE = Kind(PIXELS, NOT_ARRAYS | {"last axis": lambda a: np.moveaxis(a, 0, -1)})
IMAGES = Kind(
    mapped(array("n", 3, 32, 32, elements=grid()), lambda a: torch.tensor(a).float()),
    NOT_TENSORS | {"one pixel": lambda t: t[..., :1, :1]},
)
SHARES = Kind(lambda w: array(w.n + 1, elements=grid())(w), NOT_ARRAYS)
HITS = Kind(array("n", 4, elements=grid()), NOT_ARRAYS)
PAIRS = constant({"three": (8, 8, 8), "(8, NaN)": (8, math.nan), "(8, -1)": (8, -1)})
SIZE = one_of(SIDE, spoils=NOT_WHOLES | PAIRS, pair=lambda s: (s, s), float=float, np=np.int32)
FLAG = one_of(True, False, spoils={k: v for k, v in NOT_WHOLES.items() if k != "True"})
DELTAS = one_of((0.3, 0.5), array=np.array, list=list)
METHOD = choice(*eu.cam.NORMALIZATIONS)
KINDS = {  # by the name of an argument, or room.name
    "losses.logits": T_LOGITS, "target": T_LABELS, "strength": number(), "alpha": number(),
    "regularizer": choice("label_smoothing", "confidence_penalty", "jeffreys", "jsd", "kl_uniform"),
    "lam": number(), "epsilon": number(), "entropy": number(0, 0.6), "num_classes": whole(2, 9),
    "reduction": choice("mean", "class_sum"), "maps": MAPS, "cams": MAPS, "cam": ONE_MAP,
    "values": ONE_MAP, "size": SIZE, "images": IMAGES, "method": METHOD, "normalization": METHOD,
    "percentile": one_of(None, spoils=NOT_NUMBERS | constant({"100": 100, "0.9": 0.9})),
    "image": PICTURE, "model": made(net), "relu": FLAG, "boxes": BOXES, "predicted": OWN_BOXES,
    "true": OWN_BOXES, "contours": choice("largest", "all"), "threshold": number(),
    "step": number(), "iou": number(), "sigma": number(), "iou_thresholds": DELTAS, "frame": SIZE,
    "edges": DELTAS,
    "threads": whole(1, 2), "thresholds": one_of(7, (0.0, 0.25), array=np.array), "top": whole(),
    "logits": LOGITS, "labels": LABELS, "classes": LABELS, "masks": MASKS, "parts": MASKS,
    "cam.classes": Kind(mapped(INDICES, lambda a: torch.tensor(a % 3)), NOT_TENSORS),
    "bodies": MASKS, "contexts": MASKS, "sides": one_of(None, (0.5, 1.0)), "confidence": number(),
    "ignore": Kind(lambda w: st.none() | ALL_MASKS(w), NOT_MASKS), "samples": whole(3, 9),
    "seed": whole(0, 9), "shares": SHARES, "plain": HITS, "treated": HITS, "beta": number(),
    "generator": made(lambda: torch.Generator().manual_seed(0), **ODD), "probability": number(),
    "gamma": number(), "rate": number(), "square": number(), "as_distribution": FLAG,
    "fill": one_of(0.5, (0.1, 0.2, 0.3), array=np.array, tensor=torch.tensor),
    "recipe": made(eu.training.Recipe),
}
# fmt: on
