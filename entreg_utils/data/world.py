"""The drawn world: which fish on which reef, decided by integer draws from a seed.

Each image shows a fish (the *body*) with a ringed mark on its cheek (the *part*) in a habitat (the
*context*). All three speak about the label, each with its own reliability: the probability that it
shows the label's variant; otherwise it shows one of the other classes' variants, uniformly. Because
everything is drawn, every region is known exactly.

Every draw is an integer from PCG64's raw stream (NumPy guarantees that stream, not the one behind
``Generator.integers``), and row i depends on the seed, the split and i alone: more images extend a
split, they never change it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from entreg_utils.fields import known, settle, whole

SPLITS = {"train": 2000, "val": 200, "test": 400}
CUES = ("part", "body", "context")  # the columns of ``cues``
MAX_CLASSES = 10
MOST = 3  # fish in an image


def check_split(split: str) -> None:
    """ValueError with the known splits when ``split`` is none of them."""
    known("split", split, SPLITS)


@dataclass(frozen=True)
class World:
    """The knobs of the drawn world.

    Attributes:
        part: reliability of the mark in 0..1; 1/num_classes is chance, 1 is perfect.
        body: reliability of the body's colours in 0..1; the default bounds what living on the body
            alone can cost: 5 points.
        context: reliability of the habitat in 0..1.
        part_visibility: probability in 0..1 that the mark is painted at all.
        num_classes: species, 2..10.
        image_size: side in pixels, 32..128; the fish scales with it.
        seed: any non-negative integer; another seed is another world of the same kind.

    Raises:
        ValueError: a knob out of its range.
    """

    part: float = 1.0
    body: float = 0.95
    context: float = 0.3
    part_visibility: float = 1.0
    num_classes: int = 8
    image_size: int = 48
    seed: int = 0

    def __post_init__(self):
        settle(self)
        for name in ("part", "body", "context", "part_visibility"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name}={value} is not a probability: give a number in 0..1")
        whole("num_classes", self.num_classes, 2, MAX_CLASSES)
        whole("image_size", self.image_size, 32, 128)


KNOBS = tuple(field.name for field in fields(World))


class Draws:
    """A table of raw integers, a row an image, read column by column; a stream by ``version``."""

    def __init__(self, world: World, split: str, count: int, version: int, columns: int):
        stream = np.random.SeedSequence([version, world.seed, list(SPLITS).index(split)])
        raw = np.random.PCG64(stream).random_raw(count * columns)
        self._raw = (raw >> np.uint64(33)).astype(np.int64).reshape(count, columns)  # 31 bits each
        self._column = 0

    def __len__(self) -> int:
        return len(self._raw)

    def below(self, bound: int | np.ndarray) -> np.ndarray:
        """Integers (N,) in 0..bound-1, uniform up to bound/2^31; a bound for all or for each."""
        column = self._raw[:, self._column]
        self._column += 1
        return (column * bound) >> 31

    def chance(self, probability: float) -> np.ndarray:
        """Booleans (N,), True with the given probability."""
        return self.below(1 << 30) < round(probability * (1 << 30))

    def between(self, low: float, high: float) -> np.ndarray:
        """float32 (N,) on a grid of 1,024 steps from low to high."""
        return (low + (high - low) * (self.below(1025) / 1024.0)).astype(np.float32)


@dataclass(frozen=True)
class Scene:
    """What one split of a world shows, image by image: the input of the painter.

    ``cues`` is int64 (N, 3): the variant shown by part, body, context; part is -1 when unpainted.
    Lengths are in units of the image side, ``facing`` is +1 or -1, ``slope`` is the tilt's tangent.
    """

    labels: np.ndarray
    cues: np.ndarray
    centre_x: np.ndarray
    centre_y: np.ndarray
    half_length: np.ndarray
    plumpness: np.ndarray
    facing: np.ndarray
    slope: np.ndarray
    light: np.ndarray
    tint: np.ndarray
    pattern_phase: np.ndarray
    habitat_phase: np.ndarray
    noise_offset: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, which: slice | np.ndarray) -> Scene:
        """The images of a slice, or of an array of indices, as a scene of their own."""
        return Scene(*(getattr(self, field.name)[which] for field in fields(self)))


class Room(NamedTuple):
    """Where a fish may be, in units of the image side: a square about a middle.

    ``half`` is half its side, ``lengths`` are the smallest and largest half length of a fish, and
    ``reach`` is how far it is kept from the square's edge, across and down, in half lengths and
    with ``gap`` on top.
    """

    half: float
    lengths: tuple[float, float]
    reach: tuple[float, float]
    gap: float


# tail and nose reach 1.5 and 1.0 half lengths from the centre: keep all of it in the picture
PICTURE = Room(0.5, (0.22, 0.31), (1.30, 0.85), 0.02)
# Tilted by the most that there is, a fish reaches 1.37 half lengths to each side of the point a
# quarter of one before its centre, and 1.02 up and down: all of it stays in its quadrant.
QUADRANT = Room(0.25, (0.12, 0.175), (1.37, 1.02), 0.01)


def draw_toy(world: World, split: str, count: int) -> tuple[list[Scene], np.ndarray]:
    """Decide what each image of one fish shows: a scene, and that all of its fish are shown."""
    draws = Draws(world, split, count, version=1, columns=40)
    middle = np.float32(PICTURE.half)
    scene = draw_fish(draws, world, draws.below(world.num_classes), PICTURE, (middle, middle))
    return [scene], np.ones((count, 1), bool)


def draw_shoal(world: World, split: str, count: int) -> tuple[list[Scene], np.ndarray]:
    """Decide what each image of one to three fish shows.

    As many fish with equal probability, of different species, each whole in a quadrant of its own.
    Mark and body speak about their own fish. The habitat speaks about the first: with C classes it
    is that of some species shown with probability ``context + (1 - context) (n - 1) / (C - 1)``
    where there are n fish.

    Returns:
        A scene of each of :data:`MOST` fish, of which habitat, light and noise are the first's; and
        which of them each image shows, bool (N, MOST).
    """
    draws, classes = Draws(world, split, count, version=2, columns=96), world.num_classes
    number = 1 + draws.below(min(MOST, classes))
    species = _drawn_first(draws, max(MOST, classes), classes)  # beyond ``classes``: never shown
    places = _drawn_first(draws, 4, 4)
    scenes = []
    for k in range(MOST):
        sides = (np.float32(0.25) + np.float32(0.5) * own for own in divmod(places[:, k], 2))
        middle = [side.astype(np.float32) for side in sides]
        scenes.append(draw_fish(draws, world, species[:, k], QUADRANT, middle))
    return scenes, np.arange(MOST) < number[:, None]


def _drawn_first(draws: Draws, width: int, classes: int) -> np.ndarray:
    """Rows of 0..width-1 whose first are different ones of 0..classes-1 in random order."""
    rows = np.tile(np.arange(width), (len(draws), 1))
    each = np.arange(len(rows))
    for k in range(MOST):
        other = k + draws.below(max(classes - k, 0))
        rows[each, k], rows[each, other] = rows[each, other], rows[each, k]
    return rows


def draw_fish(draws: Draws, world: World, labels: np.ndarray, room: Room, middle) -> Scene:
    """Decide all but the labels of images of one fish, each within ``room`` about ``middle``.

    ``middle`` is a pair (x, y) of float32 numbers or arrays (N,). It takes 26 columns of ``draws``.
    """
    cues = np.empty((len(labels), len(CUES)), np.int64)
    for column, name in enumerate(CUES):
        agrees = draws.chance(getattr(world, name))
        other = (labels + 1 + draws.below(world.num_classes - 1)) % world.num_classes
        cues[:, column] = np.where(agrees, labels, other)
    cues[~draws.chance(world.part_visibility), 0] = -1
    half_length = draws.between(*room.lengths)
    facing = np.where(draws.chance(0.5), np.float32(1), np.float32(-1))
    half, gap = np.float32(room.half), np.float32(room.gap)
    slack_x, slack_y = (half - np.float32(own) * half_length - gap for own in room.reach)
    middle_x = middle[0] + facing * half_length * np.float32(0.25)
    return Scene(
        labels=labels,
        cues=cues,
        centre_x=middle_x + slack_x * draws.between(-1, 1),
        centre_y=middle[1] + slack_y * draws.between(-1, 1),
        half_length=half_length,
        plumpness=draws.between(0.50, 0.62),
        facing=facing,
        slope=draws.between(-0.25, 0.25),
        light=np.stack([draws.between(0.85, 1.12), draws.between(0.85, 1.12)], axis=1),
        tint=np.stack([draws.between(-0.05, 0.05) for _ in range(6)], axis=1),
        pattern_phase=draws.between(0, 1),
        habitat_phase=np.stack([draws.between(0, 1), draws.between(0, 1)], axis=1),
        noise_offset=np.stack([draws.below(1 << 20), draws.below(1 << 20)], axis=1),
    )
