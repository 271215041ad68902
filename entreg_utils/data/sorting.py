"""What is said of the photographs of a folder: their classes, their boxes, and their splits."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from entreg_utils.data.annotations import LABELS, Annotation, read_of
from entreg_utils.data.lists import plain, ranked

_SPEAKING = ("boxes.csv", "boxes.json", "annotations.json", "annotations")


def said_of(home: Path, boxes: Path | str | None, known: Collection[str]) -> dict[str, Annotation]:
    """{photograph: its annotation} of ``boxes``, or of the files of the usual names in the folder.

    ValueError: two of them that speak of one photograph.
    """
    files = [boxes]
    if boxes is None:
        files = [own for own in sorted(home.iterdir()) if own.name.lower() in _SPEAKING]
        lists = [file for place in (home, *files) for file in sorted(place.glob("instances*.json"))]
        files = [own for own in files if own.is_file() or any(own.rglob("*.[xX][mM][lL]"))] + lists
    said: dict[str, Annotation] = {}
    for file in files:
        own = read_of(known, file)
        if twice := sorted(set(own) & set(said)):
            raise ValueError(f"{file} and {files[0]} speak of {twice[0]}: name one with boxes")
        said |= own
    return said


def classes_of(home: Path, labels, places: dict, parts: dict, said: dict) -> dict[str, tuple]:
    """{photograph: names of its classes} by a list, by folders, or by annotations.

    Photographs of which nothing is said are not in it.
    """
    path = home / "labels.csv" if labels is None else labels
    every = {name: file for part in parts.values() for name, file in part.items()}
    if labels is not None or path.exists():
        named = read_of(every, path, LABELS)
        return {name: tuple(sorted(set(own.classes))) for name, own in named.items()}
    folders = {
        name: tuple(map(plain, file.relative_to(places[split]).parts[:-1][:1]))
        for split, part in parts.items()
        for name, file in part.items()
    }
    if len({folders[name] for name in parts["train"]} - {()}) < 2:
        if any(own.classes for own in said.values()):
            return {name: tuple(sorted(set(own.classes) - {""})) for name, own in said.items()}
    found = {name: own for name, own in folders.items() if own}
    if not set(found) & set(parts["train"]):
        place = places["train"]
        raise ValueError(
            f"{place} has no class folders with photographs: put them in {place}/CLASS/, or say "
            "their classes in labels.csv"
        )
    return found


def draw(kinds: dict[str, tuple], held: list[str], share: float, seed: int) -> dict:
    """{photograph: its split} of those of training, of which ``held`` are held out.

    ``kinds`` are the classes: a share of each, and of all where some photograph has not just one.
    """
    if not 0 < share < 0.5:
        raise ValueError(f"hold_out={share!r}: give a share of each class between 0 and 0.5")
    groups: dict[tuple, list[str]] = {}
    alike = all(len(own) == 1 for own in kinds.values())
    for name, own in kinds.items():
        groups.setdefault(own if alike else (), []).append(name)
    found = dict.fromkeys(kinds, "train")
    for kind, own in groups.items():
        if len(own) <= len(held):
            few = f"{len(own)} photograph{'s' * (len(own) != 1)}"
            raise ValueError(
                f"{f'class {kind[0]!r}' if kind else 'the folder'} has {few}, too few to hold out "
                f"{' and '.join(held)}: add some, or make folders train, val and test"
            )
        left = ranked(own, f"{seed} ")
        count = max(1, min(round(share * len(own)), (len(own) - 1) // max(1, len(held))))
        for part in held:
            chosen, left = left[:count], left[count:]
            found |= dict.fromkeys(chosen, part)
    return found
