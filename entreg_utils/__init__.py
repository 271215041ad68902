"""Weakly supervised object localisation, and what entropy regularisation does to it.

``import entreg_utils as eu`` gives every room (``eu.losses``, ``eu.metrics``, ...) and four verbs:
``eu.load`` a data set, ``eu.build`` a network, ``eu.fit`` it, or ``eu.run`` a whole experiment.
Each is imported when it is first asked for; the package alone imports neither torch nor NumPy.
"""

import importlib

__version__ = "0.1.0"

_ROOMS = (
    *("losses", "cam", "models", "erasing", "data", "metrics", "training", "experiments"),
    *("analysis", "figures", "checks", "predict", "score", "theory", "widgets"),
)
_VERBS = {"load": "data", "build": "models", "fit": "training", "run": "experiments"}


def __getattr__(name: str):
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _VERBS:
        return getattr(importlib.import_module(f"{__name__}.{_VERBS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS, *_VERBS])
