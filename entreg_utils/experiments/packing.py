"""What a record and its checkpoints hold, as text and bytes and back."""

import base64
import io
import zlib

import numpy as np
import torch


def pack_maps(maps: np.ndarray) -> dict:
    """Maps (E, n, h, w) as bytes between each map's own lowest and highest value.

    Eight bits are enough for a picture (the protocol itself binarises at eight bits); ``low`` and
    ``high`` keep the raw range.
    """
    low, high = maps.min(axis=(2, 3)), maps.max(axis=(2, 3))
    span = np.where(high > low, high - low, 1)[..., None, None]
    steps = np.round((maps - low[..., None, None]) / span * 255).astype(np.uint8)
    return {
        "shape": list(maps.shape),
        "low": [[float(f"{value:.4g}") for value in row] for row in low],
        "high": [[float(f"{value:.4g}") for value in row] for row in high],
        "uint8": base64.b64encode(steps.tobytes()).decode(),
    }


def unpack_maps(packed: dict) -> np.ndarray:
    """Inverse of :func:`pack_maps`: float32 (E, n, h, w) in raw units, to 1/255 of their range."""
    steps = np.frombuffer(base64.b64decode(packed["uint8"]), np.uint8).reshape(packed["shape"])
    low, high = (np.array(packed[name])[..., None, None] for name in ("low", "high"))
    return (low + steps / 255 * (high - low)).astype(np.float32)


def pack_arrays(arrays: dict[str, np.ndarray]) -> dict:
    """Arrays as text, exactly: bools as bits, all compressed (hits over thresholds shrink most)."""
    packed = {}
    for name, array in arrays.items():
        raw = np.packbits(array) if array.dtype == bool else array
        packed[name] = {
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "zlib": base64.b64encode(zlib.compress(raw.tobytes(), 9)).decode(),
        }
    return packed


def unpack_arrays(packed: dict) -> dict[str, np.ndarray]:
    """Inverse of :func:`pack_arrays`."""
    arrays = {}
    for name, one in packed.items():
        raw = zlib.decompress(base64.b64decode(one["zlib"]))
        if one["dtype"] == "bool":
            count = int(np.prod(one["shape"]))
            flat = np.unpackbits(np.frombuffer(raw, np.uint8), count=count).astype(bool)
        else:
            flat = np.frombuffer(raw, one["dtype"])
        arrays[name] = flat.reshape(one["shape"])
    return arrays


def pack_state(state: dict) -> bytes:
    """A checkpoint: a state of tensors as ``torch.save`` writes it, on the CPU."""
    buffer = io.BytesIO()
    torch.save({name: value.cpu() for name, value in state.items()}, buffer)
    return buffer.getvalue()
