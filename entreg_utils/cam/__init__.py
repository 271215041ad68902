"""Class activation maps: where in a picture a class score comes from, shown honestly.

A raw map in logit units (``class_activation_map``, ``grad_cam``), then the protocol's order:
``upsample``, ``normalize``, threshold. Torch is imported with the first map that is asked for.
"""

from entreg_utils.cam.scaling import NORMALIZATIONS, is_blank, normalize, overlay, upsample

# fmt: off
__all__ = ["NORMALIZATIONS", "class_activation_map", "grad_cam", "is_blank", "normalize",
           "overlay", "upsample"]
# fmt: on


def __getattr__(name: str):
    if name in ("class_activation_map", "grad_cam"):
        from entreg_utils.cam import activation

        return getattr(activation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
