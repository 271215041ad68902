"""Where each photographic data set comes from, and how it gets into its folder: each step once;
``python -m entreg_utils data``.

``data/registry.json`` is ``{name: {"about", "licence", "homepage", "files": [...], "manual":
[...]}}`` with the fields of :class:`File`; what no program can fetch stands under ``manual``.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from filelock import FileLock
from tyro.conf import Positional, arg

from entreg_utils import data
from entreg_utils.data.download import download, storing, unpack
from entreg_utils.data.scan import ENDINGS, walk
from entreg_utils.data.world import SPLITS
from entreg_utils.files import StorageError, expand, own, shipped

_DRAWN = {
    "toy": "the drawn world: fish on a reef, with exact boxes and masks",
    "shoal": "one to three fish of different species an image, with a box and a mask of each",
}


@dataclass(frozen=True)
class File:
    """One file of a data set: plain, an archive, or an archive that the reader must fetch.

    Attributes:
        unpack_to: folder under the root of all data sets.
        url, bytes, sha256, md5: of a file that a program can fetch; of two the SHA-256 counts.
        holds: the path inside an archive that is wanted; None for a plain file.
        link, about, probe: of an archive behind a web page; ``probe`` is a path in it.
        optional: the data set can be read without it.
    """

    name: str
    unpack_to: str
    url: str = ""
    bytes: int = 0
    sha256: str = ""
    md5: str = ""
    holds: str | None = None
    link: str = ""
    about: str = ""
    probe: str | None = None
    optional: bool = False

    def staged(self, root: Path) -> Path:
        """Where the download lies: archives are kept apart, a plain file goes to its place."""
        return root / ("downloads" if self.holds or self.link else self.unpack_to) / self.name

    def place(self, root: Path) -> Path:
        """What is there when all of it is done: the plain file, or something of the archive."""
        return root / self.unpack_to / (self.holds or self.probe or self.name)

    def step(self, root: Path) -> str:
        """What is left to do, in words."""
        if self.url:
            size = f"{self.bytes:,} bytes, checksum {self.sha256 or self.md5 or 'not published'}"
            return f"to fetch: {self.url} ({size}) -> {self.place(root)}"
        if self.staged(root).exists():
            return f"to unpack: {self.staged(root)}"
        return f"{self.name} ({self.about}): open {self.link} and put it at {self.staged(root)}"

    def bring(self, root: Path) -> None:
        """Fetch, check and unpack it, as far as that is not done; a StorageError where it fails."""
        path, place = self.staged(root), self.place(root)
        if place.exists():
            if path == place:  # a plain file, which is compared
                download(self.url, path, self.bytes, self.sha256 or self.md5)
            return
        if self.link and not path.exists():
            raise StorageError(self.step(root))
        lock = root / "downloads" / f".{self.name}.lock"
        with storing(f"write in {root}"):
            lock.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(lock):
                if self.url and not place.exists():
                    download(self.url, path, self.bytes, self.sha256 or self.md5)
                if not place.exists():
                    unpack(path, root / self.unpack_to, self.holds or ".", self.probe)
                    print(f"{self.name}: checked and unpacked to {place}")


@dataclass(frozen=True)
class Source:
    """One data set: what it is, whose it is, and the files that it is made of."""

    name: str
    about: str
    licence: str
    homepage: str
    files: tuple[File, ...]

    @property
    def extent(self) -> str:
        """How much there is to fetch, in words."""
        size = sum(file.bytes for file in self.files) / 1e6
        count = sum(not file.url for file in self.files)
        by_hand = f", {count} archive{'s' * (count > 1)} by hand" if count else ""
        return f"{size:,.1f} MB to download{by_hand}"


def read_source(name: str) -> Source:
    """One data set of the project's registry; a StorageError where it is not listed."""
    entries = json.loads(shipped("data", "registry.json").read_text(encoding="utf-8"))
    if name not in entries:
        raise StorageError(f"the registry lists no {name!r}: it has {', '.join(entries)}")
    words = entries[name]
    files = tuple(File(**file) for file in [*words.pop("files"), *words.pop("manual")])
    return Source(name=name, files=files, **words)


def fetch(source: Source, root: Path) -> None:
    """Bring everything of ``source`` that a program can bring into its place under ``root``.

    What came from an archive is taken as it is, a plain file is compared with its checksum. Of two
    processes that want a file one waits. Optional files that cannot be had cost a note.

    Raises:
        StorageError: a file cannot be had or is not what it should be, or is to fetch by hand.
    """
    offline, by_hand = False, []
    for file in source.files:
        if offline and file.optional:
            continue  # it would cost the same wait
        try:
            file.bring(root)
        except StorageError as error:
            if file.optional:
                offline = True
                print(f"note: going on without optional files: {error}", file=sys.stderr)
            elif file.link:
                by_hand.append(str(error))
            else:
                raise
    archives = {file.staged(root) for file in source.files if file.link or file.holds}
    if size := sum(path.stat().st_size for path in archives if path.exists()):
        print(f"the archives in {root / 'downloads'} ({size / 1e6:,.1f} MB) may be deleted now")
    if by_hand:
        raise StorageError(
            f"{source.name} is not complete: {'; '.join(by_hand)}; then run the same command again"
        )


def main(argv: list[str]) -> int:
    """``python -m entreg_utils data``."""

    def command(
        name: Positional[str] = "",
        list: Annotated[bool, arg(help="name the data sets and stop")] = False,
        root: Path | None = None,
        dry_run: bool = False,
    ) -> int:
        """Make or fetch every split of a data set, check it, and say what is there.

        Photographs are downloaded, checked and unpacked (data cub); an interrupted call goes on
        where it stopped, and calling it again changes nothing. Of one's own photographs (data
        folder:PATH) it is said what was found, and what looks wrong. They lie in PATH/CLASS, or in
        PATH/train/CLASS, PATH/val/CLASS and PATH/test/CLASS; boxes, where there are some, in
        PATH/boxes.csv (image,x0,y0,x1,y1), masks as PNG in PATH/masks.

        Args:
            name: the data set, see --list, or folder:PATH.
            root: folder of all photographic data sets (default: data).
            dry_run: say what would be fetched and where, and stop.
        """
        if list:
            _list(expand(root or own("data")))
        elif name.startswith(data.FOLDER):
            print(data.survey(name.removeprefix(data.FOLDER), root))
        elif name in data.DATASETS:
            _bring(name, root, dry_run)
        else:
            known = f"{', '.join(data.DATASETS)}, {data.FOLDER}PATH"
            raise ValueError(f"name a data set ({known}), or ask for --list")
        return 0

    config = (tyro.conf.FlagCreatePairsOff,)
    return tyro.cli(command, prog="python -m entreg_utils data", args=argv, config=config)


def _list(root: Path) -> None:
    for name in data.DATASETS:
        if name in _DRAWN:
            print(_drawn(name))
            continue
        source = read_source(name)
        state = f"{source.licence}; {source.extent}; {_share(source, root)}"
        print(f"{source.name}: {source.about} ({state})")


def _drawn(name: str) -> str:
    return f"{name}: {_DRAWN[name]} (MIT, nothing is downloaded)"


def _share(source: Source, root: Path) -> str:
    """How much of a data set is here: its parts, and the pictures and masks in its folders."""
    here = {file: file.place(root).exists() for file in source.files}
    if not any(here.values()):
        return "not here"
    tops = {root / file.place(root).relative_to(root).parts[0] for file in source.files}
    pictures = sum(path.suffix in ENDINGS for top in tops if top.is_dir() for path in walk(top))
    said = f"{sum(here.values())} of {len(here)} parts here, {pictures:,} pictures and masks"
    if needed := [file.name for file, is_here in here.items() if not (is_here or file.optional)]:
        said += f"; it cannot be read without {', '.join(needed)}"
    return said


def _bring(name: str, root: Path | None, dry_run: bool) -> None:
    if name in _DRAWN:
        print(_drawn(name))
    else:
        source, root = read_source(name), expand(root or own("data"))
        print(f"{name}: {source.about}\nlicence: {source.licence} ({source.homepage})")
        print(f"size: {source.extent}; folder: {root}")
        steps = [file.step(root) for file in source.files if not file.place(root).exists()]
        print(*steps or [f"nothing to fetch: each part is in {root}"], sep="\n")
        if not dry_run:
            fetch(source, root)
    for split in () if dry_run else SPLITS:
        dataset = data.load(name, split, root=root)
        print(f"{split:6}{len(dataset):6} images, {dataset.num_classes} classes")
