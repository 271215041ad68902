"""Class activation maps: where in a picture a class score comes from, shown honestly.

A raw map in logit units (``class_activation_map``, ``grad_cam``), then the protocol's order:
``upsample``, ``normalize``, threshold. Torch is imported with the first map that is asked for.
"""

from entreg_utils.cam.scaling import NORMALIZATIONS, is_blank, normalize, overlay, upsample

_WITH_TORCH = "class_activation_map", "grad_cam"


def __getattr__(name: str):
    if name in _WITH_TORCH:
        from entreg_utils.cam import activation

        return getattr(activation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_WITH_TORCH})
