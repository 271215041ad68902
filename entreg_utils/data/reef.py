"""The painter of the drawn world: scenes to pixels and exact masks, whole batches at a time.

Only +, -, x, /, sqrt, floor and comparisons in float32, one NumPy call each: IEEE 754 rounds all of
these correctly, so the pictures are the same, bit for bit, on every platform. (No sin, no exp, no
matrix product, no float sum: those differ between libraries in the last bit.)
"""

from collections.abc import Sequence

import numpy as np

from entreg_utils.data.world import MAX_CLASSES, Scene

_F = np.float32


def _table(text: str) -> np.ndarray:
    """Hex colours, one word a colour, to float32 (n, 3) in 0..1."""
    return np.array([list(bytes.fromhex(word)) for word in text.split()], _F) / _F(255)


# One entry a class. Bodies: main colour, second colour of the pattern. Marks: inside of the ring.
BODY = _table("e8743b f2c53d 4f9d69 5b7fd1 b35fa8 d9505c 48b0b5 8d6e4f d7d7c9 6d5a9e")
BODY_ACCENT = _table("f7e6c4 8a5a1f d8efc9 1f2f66 f3d3ec 5c1420 0e4a52 e7d3b5 50504a cfc0ee")
MARK = _table("e6194b ffe119 3cb44b 1f3fff f58231 911eb4 00d5e5 111111 f032e6 9a6324")
WATER = _table("7fa3a8 93a78c a79f8b 7b92b0 8fa5a0 9c94a6 86a494 a39a92 7da0a0 989f98")
WATER_ACCENT = _table("a9c7c6 63805f d2c7a4 4f6c96 c4d2bd 6c6480 54796a 75706c b7cfcf 6f776c")

# Patterns are triangle waves: frequency along, frequency across, wobble, how much of a grid of
# spots (0 stripes, 1 spots), direction (dx, dy) of the wave. Frequencies: waves per half length for
# bodies, per image side for habitats.
_BODY_PATTERN = np.array(
    [
        (1.6, 0.0, 0.00, 0, 1, 0),  # upright bars
        (2.4, 2.4, 0.00, 1, 1, 0),  # spots
        (2.8, 0.0, 0.00, 0, 0, 1),  # lengthwise stripes
        (1.8, 1.0, 0.25, 0, 0.7, 0.7),  # oblique, wavy
        (0.5, 0.0, 0.00, 0, 1, 0),  # two halves
        (1.8, 1.8, 0.00, 1, 0.7, 0.7),  # lozenges
        (1.5, 1.6, 0.50, 0, 0, 1),  # zigzag
        (3.2, 0.0, 0.00, 0, 1, 0),  # fine bars
        (1.2, 1.2, 0.00, 1, 1, 0),  # large spots
        (2.2, 0.0, 0.00, 0, -0.7, 0.7),  # oblique the other way
    ],
    dtype=_F,
)
_HABITAT = np.array(
    [
        (6.0, 2.0, 0.30, 0, 0, 1),  # rippled sand
        (7.0, 1.5, 0.35, 0, 1, 0),  # sea grass
        (6.0, 6.0, 0.00, 1, 1, 0),  # pebbles
        (5.0, 0.0, 0.00, 0, 0.7, 0.7),  # shafts of light
        (4.5, 4.5, 0.25, 1, 0.7, 0.7),  # coral heads
        (3.5, 3.0, 0.60, 0, 0, 1),  # zigzag rock
        (5.0, 0.0, 0.00, 0, -0.7, 0.7),  # slanted kelp
        (9.0, 9.0, 0.10, 1, 1, 0),  # gravel
        (3.0, 1.0, 0.20, 0, 1, 0),  # broad columns
        (3.0, 3.0, 0.15, 1, 1, 0),  # boulders
    ],
    dtype=_F,
)
assert len(BODY) == len(MARK) == len(WATER) == len(_BODY_PATTERN) == len(_HABITAT) == MAX_CLASSES


def _wave(x: np.ndarray) -> np.ndarray:
    """Triangle wave of period 1, -1..1."""
    x = x - np.floor(x)
    return np.abs(x - _F(0.5)) * _F(4) - _F(1)


def _pattern(rows: np.ndarray, x: np.ndarray, y: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """0..1 pattern (N, S, S) from one parameter row per image."""
    along, across, wobble, spots, dx, dy = (column[:, None, None] for column in rows.T)
    s = x * dx + y * dy
    t = y * dx - x * dy
    first = _wave(s * along + wobble * _wave(t * across) + phase)
    second = np.where(spots > 0, _wave(t * across), _F(1))
    contrast = np.minimum(first, second) * _F(2.5) + _F(0.5) + spots * _F(0.4)
    return np.clip(contrast, 0, 1)


def _cover(distance: np.ndarray) -> np.ndarray:
    """Share of a pixel inside a shape, from its signed distance to the edge in pixels."""
    return np.clip(distance + _F(0.5), 0, 1)


def _noise() -> np.ndarray:
    """A fixed 256x256 sheet of smooth and fine noise in -1..1, the same for every seed."""
    raw = np.random.PCG64(np.random.SeedSequence(20230815)).random_raw(2 * 256 * 256)
    sheets = ((raw >> np.uint64(40)).astype(_F) / _F(1 << 23) - _F(1)).reshape(2, 256, 256)
    smooth = sheets[0]
    for shift in (1, 2, 4):  # repeated two-point means along both axes, wrapping round
        for axis in (0, 1):
            smooth = (smooth + np.roll(smooth, shift, axis) + np.roll(smooth, -shift, axis)) / _F(3)
    return np.stack([smooth * _F(6), sheets[1]])


def _blend(below: np.ndarray, above: np.ndarray, cover: np.ndarray) -> np.ndarray:
    return below + (above - below) * cover[..., None]


def paint(
    scenes: Sequence[Scene], shown: np.ndarray, side: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Paint N images with sides of S pixels, of as many fish as ``shown``, bool (N, K), says.

    Returns images uint8 (N, S, S, 3); masks bool (N, K, S, S) of fish, body and mark together;
    masks of their marks, empty where a mark is not painted. A pixel belongs to a region when at
    least half of it is covered.
    """
    x, y = grid(side)
    image = habitat(scenes[0], x, y)
    whole, part = np.zeros((2, *shown.shape, side, side), bool)
    for k, scene in enumerate(scenes):
        all_show_it = shown[:, k].all()  # then nothing is copied
        own = slice(None) if all_show_it else np.flatnonzero(shown[:, k])
        image[own], whole[own, k], part[own, k] = fish(image[own], scene.rows(own), x, y)
    return finish(image, scenes[0]), whole, part


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres of the pixels in units of the side: x (1, 1, S) and y (1, S, 1)."""
    x = (np.arange(side, dtype=_F)[None, None, :] + _F(0.5)) / _F(side)
    return x, x.transpose(0, 2, 1)


def fish(
    image: np.ndarray, scene: Scene, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Paint the fish of a scene over images (N, S, S, 3): new ones, and its two masks."""
    half = scene.half_length[:, None, None]
    norm = np.sqrt(_F(1) + scene.slope * scene.slope)
    cosine, sine = (_F(1) / norm)[:, None, None], (scene.slope / norm)[:, None, None]
    dx, dy = x - scene.centre_x[:, None, None], y - scene.centre_y[:, None, None]
    u = (dx * cosine + dy * sine) * scene.facing[:, None, None] / half  # nose at u = 1
    v = (dy * cosine - dx * sine) / half  # back at v < 0
    pixels = half * _F(x.shape[-1])  # half length in pixels
    plump = scene.plumpness[:, None, None]

    body, fins, e = _silhouette(u, v, plump, pixels)
    whole = np.maximum(body, fins)
    kind = scene.cues[:, 1]
    main, accent = (BODY[kind] + scene.tint[:, :3])[:, None, None], BODY_ACCENT[kind][:, None, None]
    stripes = _pattern(_BODY_PATTERN[kind], u, v, scene.pattern_phase[:, None, None])
    skin = _blend(main, accent, stripes * _F(0.85))
    fin = _blend(main, accent, _wave(v * _F(4)) * _F(0.3) + 0.4)
    skin = _blend(fin, skin, body)
    shade = _F(1.12) - _F(0.30) * (v / plump + _F(0.4)) * (v / plump + _F(0.4)) - _F(0.18) * e * e
    skin = skin * np.maximum(shade, _F(0.45))[..., None]
    shadow = _cover((_F(1.25) - np.sqrt(u * u + (v - _F(0.5)) * (v - _F(0.5)) * 5)) * pixels * 0.3)
    image = image * (_F(1) - _F(0.30) * shadow)[..., None]
    image = _blend(image, skin * _F(0.55), whole)  # a dark outline: the rim keeps this colour
    inner = np.minimum(_cover((_F(1) - e) * plump * pixels - _F(1)), body)
    image = _blend(image, skin, np.maximum(inner, fins * (_F(1) - body) * _F(0.8)))

    cheek, painted = (u - _F(0.40), v - _F(0.04)), (scene.cues[:, 0] >= 0)[:, None, None]
    white = np.array([0.97, 0.97, 0.93], dtype=_F)
    ring = _disc(image, *cheek, pixels, 0.40, white, painted)
    colour = MARK[scene.cues[:, 0]] + scene.tint[:, 3:] * _F(0.5)
    _disc(image, *cheek, pixels, 0.29, colour[:, None, None], painted)
    for size, tone in ((0.125, 0.95), (0.075, 0.05)):  # the eye
        _disc(image, u - _F(0.84), v + _F(0.20), pixels, size, _F(tone))
    part = (ring >= 0.5) & painted
    return image, (whole >= 0.5) | part, part


def finish(image: np.ndarray, scene: Scene) -> np.ndarray:
    """Light and fine noise over all that is painted, as uint8 (N, S, S, 3)."""
    image = image * scene.light[:, 0, None, None, None]
    fine = _sheet(scene, image.shape[1], 1)
    image = image + (fine * _F(0.035))[..., None]
    return np.floor(np.clip(image, 0, 1) * _F(255) + _F(0.5)).astype(np.uint8)


def _silhouette(u, v, plump, pixels):
    """Coverage of the body and of tail and fins, and the elliptic radius e (1 on the outline)."""
    taper = np.maximum(plump * (_F(1) + _F(0.18) * u), _F(0.05))  # far behind it is no fish
    e = np.sqrt(u * u + (v / taper) * (v / taper))
    body = _cover((_F(1) - e) * plump * pixels)
    back = -u - _F(0.82)  # grows from the root of the tail backwards
    fork = _F(0.54) - back + np.abs(v) * _F(0.28)
    tail = np.minimum(back + _F(0.05), np.minimum(fork, _F(0.10) + back * _F(0.78) - np.abs(v)))
    bow = _F(1) - (u + _F(0.15)) * (u + _F(0.15)) * _F(3.2)
    dorsal = np.minimum(v + plump + _F(0.26) * bow, bow * _F(0.5))
    dorsal = np.minimum(dorsal, -v)
    belly = _F(1) - (u - _F(0.05)) * (u - _F(0.05)) * _F(9)
    ventral = np.minimum(np.minimum(plump + _F(0.18) * belly - v, belly * _F(0.5)), v)
    fins = np.maximum(tail, np.maximum(dorsal, ventral))
    return body, _cover(fins * pixels), e


def _disc(image, u, v, pixels, radius, colour, painted=True):
    """Paint a disc about u = v = 0 in place, where it is painted; return its coverage."""
    cover = _cover((_F(radius) - np.sqrt(u * u + v * v)) * pixels)
    image += (colour - image) * (cover * painted)[..., None]
    return cover


def _sheet(scene: Scene, side: int, which: int) -> np.ndarray:
    """A window of the noise sheet per image, (N, S, S), at each image's own offset."""
    rows = (scene.noise_offset[:, 0, None] + np.arange(side)) % 256
    columns = (scene.noise_offset[:, 1, None] + np.arange(side)) % 256
    return _NOISE[which][rows[:, :, None], columns[:, None, :]]


def habitat(scene: Scene, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The water without a fish, float32 (N, S, S, 3)."""
    kind = scene.cues[:, 2]
    cloud = _sheet(scene, x.shape[-1], 0)
    phase = scene.habitat_phase[:, :, None, None]
    texture = _pattern(
        _HABITAT[kind], x + phase[:, 1] + cloud * _F(0.03), y + cloud * _F(0.03), phase[:, 0]
    )
    base, accent = WATER[kind][:, None, None], WATER_ACCENT[kind][:, None, None]
    image = _blend(base, accent, texture * _F(0.8))
    depth = scene.light[:, 1, None, None] * (_F(1.08) - _F(0.25) * y) + cloud * _F(0.07)
    return image * depth[..., None]


_NOISE = _noise()
