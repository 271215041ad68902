"""``python -m entreg_utils data``: make or fetch a data set, check it, and say where it lies."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional, arg

from entreg_utils import data
from entreg_utils.data.fetch import fetch, read_source
from entreg_utils.data.toy import digest
from entreg_utils.data.world import SPLITS, World
from entreg_utils.files import StorageError, own

TOY = (
    "the embedded world: fish on a reef, with exact boxes, masks and three cues of known "
    "reliability; nothing is downloaded"
)
LICENCE = "drawn by this package, MIT"


def main(argv: list[str]) -> int:
    """``python -m entreg_utils data``.

    The embedded world is painted or read, and compared with a fresh painting. Of a photographic
    data set, licence and size are printed first; then what is missing is fetched.

    Raises:
        ValueError: no name, or a knob out of its range or of another data set.
        StorageError: the cache cannot be written, or is not what the painter paints; a download
            fails or is not what it should be; something is left to fetch by hand.
    """

    def command(
        name: Positional[str] = "",
        list: Annotated[bool, arg(help="name the data sets and stop")] = False,
        root: Path | None = None,
        dry_run: bool = False,
        part: float = World.part,
        body: float = World.body,
        context: float = World.context,
        part_visibility: float = World.part_visibility,
        num_classes: int = World.num_classes,
        image_size: int = World.image_size,
        seed: int = World.seed,
        num_train: int = SPLITS["train"],
    ) -> int:
        """Make or fetch every split of a data set, check it, and say what is there.

        Example: data toy --part-visibility 0.9. Calling it again changes nothing. Photographs are
        downloaded, checked and unpacked (data cub); an interrupted call goes on where it stopped.

        Args:
            name: the data set, see --list.
            root: folder of the cache (toy: data/cache) or of all photographic data sets (data).
            dry_run: say what would be fetched and where, and stop.
            part: toy: reliability of the mark, 0..1.
            body: toy: reliability of the body's colours, 0..1.
            context: toy: reliability of the habitat, 0..1.
            part_visibility: toy: share of images in which the mark is painted, 0..1.
            num_classes: toy: species, 2..10.
            image_size: toy: side of the images in pixels, 32..128.
            seed: toy: of the world.
            num_train: toy: training images.
        """
        if list:
            return _list(root or own("data"))
        if name not in data.DATASETS:
            known = ", ".join(data.DATASETS)
            raise ValueError(f"name a data set, one of {known}, or ask for --list")
        world = World(part, body, context, part_visibility, num_classes, image_size, seed)
        if name == "toy":
            print(f"toy: {TOY}")
            return 0 if dry_run else _paint(world, num_train, root or own("data", "cache"))
        if (world, num_train) != (World(), SPLITS["train"]):
            raise ValueError(f"options of the embedded world say nothing of {name}: drop them")
        return _photographs(name, root or own("data"), dry_run)

    config = (tyro.conf.FlagCreatePairsOff,)
    return tyro.cli(command, prog="python -m entreg_utils data", args=argv, config=config)


def _list(root: Path) -> int:
    print(f"toy: {TOY} ({LICENCE})")
    for source in map(read_source, data.PHOTOGRAPHS):
        here = all(file.optional or file.place(root).exists() for file in source.files)
        state = "here" if here else "not here"
        print(f"{source.name}: {source.about} ({source.licence}; {source.extent}; {state})")
    return 0


def _photographs(name: str, root: Path, dry_run: bool) -> int:
    source = read_source(name)
    print(f"{name}: {source.about}")
    print(f"licence: {source.licence} ({source.homepage})")
    print(f"size: {source.extent}; folder: {root}")
    steps = [file.step(root) for file in source.files if not file.place(root).exists()]
    print(*steps or [f"nothing to fetch: all of it is in {root}"], sep="\n")
    if not dry_run:
        fetch(source, root)
        for split in SPLITS:
            dataset = data.load(name, split, root=root)
            print(f"{split:6}{len(dataset):6} images, {dataset.num_classes} classes")
    return 0


def _paint(world: World, num_train: int, folder: Path) -> int:
    for split, usual in SPLITS.items():
        options = world.to_dict() | {"num_images": num_train if split == "train" else usual}
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "the embedded world is not cached")
            try:
                for _ in range(2):  # painted where it is not there, then read
                    kept = data.load("toy", split, root=folder, **options)
            except UserWarning as warning:
                raise StorageError(str(warning)) from None
        sha256 = digest(kept.arrays)
        if sha256 != digest(data.load("toy", split, cache=False, **options).arrays):
            raise StorageError(
                f"the cached {split} split is not what this version paints: delete {folder} and "
                "run the command again"
            )
        what = f"{kept.frame}x{kept.frame}, {kept.num_classes} classes; sha256 {sha256}"
        print(f"{split:6}{len(kept):6} images, {what}")
    size = sum(path.stat().st_size for path in folder.glob("*.npz")) / 1e6
    print(f"each equals a fresh painting; cached in {folder} ({size:.1f} MB in all)")
    print(f"licence: {LICENCE}")
    return 0
