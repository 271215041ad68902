"""Several fish in one image: the drawn world with labels of several classes, as VOC's are.

An image shows one, two or three fish of different species, as many with equal probability, each
whole in a quadrant of its own, so that no fish hides another. Mark and body of each speak about its
species with the reliabilities of :class:`World`. The habitat speaks about one of the fish, the
first that is drawn: it shows the variant of its species with probability ``context``, otherwise one
of the other classes' variants, uniformly. With C classes it is that of some species shown with
probability ``context + (1 - context) (n - 1) / (C - 1)`` where there are n fish.
"""

import functools

import numpy as np

from entreg_utils.data.reef import finish, fish, grid, habitat
from entreg_utils.data.toy import DrawnDataset, boxes_of, checked, in_chunks
from entreg_utils.data.world import Draws, Room, Scene, World, draw_fish
from entreg_utils.fields import plain_numbers

MOST = 3  # fish in an image
_STREAM, _DRAWS = 2, 96  # a stream that no world of single fish has; integers per image
_KEPT = 4  # splits in memory, 23 MB for 2,000 images
# Tilted by the most that there is, a fish reaches 1.37 half lengths to each side of the point a
# quarter of one before its centre, and 1.02 up and down: all of it stays in its quadrant.
_QUADRANT = Room(0.25, (0.12, 0.175), (1.37, 1.02), 0.01)


class ShoalDataset(DrawnDataset):
    """Images of several fish: ``labels`` float32 (N, C), 1 for the species shown."""

    name, multilabel = "shoal", True

    def _shown(self, index: int) -> tuple:
        own = self.pairs[:, 0] == index
        return self.images[index], self.boxes[own], self.masks[own], None


@plain_numbers
def shoal(split: str, num_images: int | None = None, cache: bool = True, **knobs) -> ShoalDataset:
    """Paint a split of images of one to three fish; of two species, of one or two.

    Arguments and errors as of :func:`toy`: ``knobs`` are the fields of :class:`World`.
    """
    asked = checked(split, num_images, knobs)
    return ShoalDataset(asked[0], split, (_kept if cache else generate)(*asked))


def draw_shoal(world: World, split: str, count: int) -> tuple[np.ndarray, list[Scene]]:
    """How many fish each image shows (N,), and a scene of each of :data:`MOST` fish.

    Habitat, light and noise are those of the first scene.
    """
    draws, classes = Draws(world, split, count, _STREAM, _DRAWS), world.num_classes
    number = 1 + draws.below(min(MOST, classes))
    species = _drawn_first(draws, max(MOST, classes), classes)  # beyond ``classes``: never shown
    places = _drawn_first(draws, 4, 4)
    scenes = []
    for k in range(MOST):
        sides = (np.float32(0.25) + np.float32(0.5) * own for own in divmod(places[:, k], 2))
        middle = [side.astype(np.float32) for side in sides]
        scenes.append(draw_fish(draws, world, species[:, k], _QUADRANT, middle))
    return number, scenes


def _drawn_first(draws: Draws, width: int, classes: int) -> np.ndarray:
    """Rows of 0..width-1 whose first are different ones of 0..classes-1 in random order."""
    rows = np.tile(np.arange(width), (len(draws), 1))
    each = np.arange(len(rows))
    for k in range(MOST):
        other = k + draws.below(max(classes - k, 0))
        rows[each, k], rows[each, other] = rows[each, other], rows[each, k]
    return rows


def generate(world: World, split: str, count: int) -> dict[str, np.ndarray]:
    """The arrays of ``count`` images; see :class:`ShoalDataset`."""
    number, scenes = draw_shoal(world, split, count)
    x, y = grid(world.image_size)

    def paint(chunk: slice) -> tuple[np.ndarray, np.ndarray]:
        own = [scene.rows(chunk) for scene in scenes]
        image = habitat(own[0], x, y)
        masks = np.zeros((*image.shape[:1], MOST, *image.shape[1:3]), bool)
        for k, scene in enumerate(own):
            rows = np.flatnonzero(number[chunk] > k)
            image[rows], masks[rows, k], _ = fish(image[rows], scene.rows(rows), x, y)
        return finish(image, own[0]), masks

    images, masks = in_chunks(paint, count)
    image, k = np.nonzero(np.arange(MOST) < number[:, None])
    label = np.stack([scene.labels for scene in scenes], axis=1)[image, k]
    order = np.lexsort((label, image))  # that of ``pairs``
    image, k, label = image[order], k[order], label[order]
    labels = np.zeros((count, world.num_classes), np.float32)
    labels[image, label] = 1
    cues = np.stack([scene.cues for scene in scenes], axis=1)[image, k]
    cues[:, 2] = scenes[0].cues[image, 2]
    masks = masks[image, k]
    return dict(images=images, labels=labels, cues=cues, boxes=boxes_of(masks), masks=masks)


_kept = functools.lru_cache(maxsize=_KEPT)(generate)
