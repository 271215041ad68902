"""``python -m entreg_utils data``: make or fetch a data set, check it, and say where it lies."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional, arg

from entreg_utils import data
from entreg_utils.data.fetch import fetch, read_source
from entreg_utils.data.survey import survey
from entreg_utils.data.toy import digest
from entreg_utils.data.world import SPLITS, World
from entreg_utils.files import StorageError, own

TOY = "the drawn world: fish on a reef, with exact boxes and masks (MIT, nothing is downloaded)"


def main(argv: list[str]) -> int:
    """``python -m entreg_utils data``."""

    def command(
        name: Positional[str] = "",
        list: Annotated[bool, arg(help="name the data sets and stop")] = False,
        root: Path | None = None,
        dry_run: bool = False,
        world: Annotated[World, arg(name="")] = World(),  # noqa: B008  frozen
        num_train: int = SPLITS["train"],
    ) -> int:
        """Make or fetch every split of a data set, check it, and say what is there.

        Example: data toy --part-visibility 0.9. Calling it again changes nothing. Photographs are
        downloaded, checked and unpacked (data cub); an interrupted call goes on where it stopped.
        Of one's own photographs (data folder:PATH) it is said what was found, and what looks wrong.
        They lie in PATH/CLASS, or in PATH/train/CLASS, PATH/val/CLASS and PATH/test/CLASS; boxes,
        where there are some, in PATH/boxes.csv (image,x0,y0,x1,y1), masks as PNG in PATH/masks.

        Args:
            name: the data set, see --list, or folder:PATH.
            root: folder of the cache (toy: data/cache) or of all photographic data sets (data).
            dry_run: say what would be fetched and where, and stop.
            world: of the drawn world, for toy only.
            num_train: training images of the drawn world.
        """
        if list:
            _list(root or own("data"))
        elif name not in data.DATASETS and not name.startswith(data.FOLDER):
            known = f"{', '.join(data.DATASETS)}, {data.FOLDER}PATH"
            raise ValueError(f"name a data set ({known}), or ask for --list")
        elif name != "toy" and (world, num_train) != (World(), SPLITS["train"]):
            raise ValueError(f"options of the drawn world say nothing of {name}: drop them")
        elif name.startswith(data.FOLDER):
            print(survey(name.removeprefix(data.FOLDER), root))
        elif name != "toy":
            _fetch(name, root or own("data"), dry_run)
        else:
            print(f"toy: {TOY}")
            if not dry_run:
                _paint(world, num_train, root or own("data", "cache"))
        return 0

    config = (tyro.conf.FlagCreatePairsOff,)
    return tyro.cli(command, prog="python -m entreg_utils data", args=argv, config=config)


def _list(root: Path) -> None:
    print(f"toy: {TOY}")
    for source in (read_source(name) for name in data.DATASETS if name != "toy"):
        here = all(file.optional or file.place(root).exists() for file in source.files)
        state = f"{source.licence}; {source.extent}; {'here' if here else 'not here'}"
        print(f"{source.name}: {source.about} ({state})")


def _fetch(name: str, root: Path, dry_run: bool) -> None:
    source = read_source(name)
    print(f"{name}: {source.about}\nlicence: {source.licence} ({source.homepage})")
    print(f"size: {source.extent}; folder: {root}")
    steps = [file.step(root) for file in source.files if not file.place(root).exists()]
    print(*steps or [f"nothing to fetch: all of it is in {root}"], sep="\n")
    if not dry_run:
        fetch(source, root)
        for split in SPLITS:
            dataset = data.load(name, split, root=root)
            print(f"{split:6}{len(dataset):6} images, {dataset.num_classes} classes")


def _paint(world: World, num_train: int, folder: Path) -> None:
    for split, usual in SPLITS.items():
        options = world.to_dict() | {"num_images": num_train if split == "train" else usual}
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "the drawn world is not cached")
            try:
                kept = data.load("toy", split, root=folder, **options)
            except UserWarning as warning:
                raise StorageError(str(warning)) from None
        sha256 = digest(kept.arrays)
        if sha256 != digest(data.load("toy", split, cache=False, **options).arrays):
            raise StorageError(f"the cached {split} split is not what is painted: delete {folder}")
        print(f"{split:6}{len(kept):6} images, {kept.num_classes} classes; sha256 {sha256}")
    print(f"each equals a fresh painting; cached in {folder}")
