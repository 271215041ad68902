"""``make records``: train the drawn world fresh, and refresh all that is made from records.

That is ``data/runs``, the two blocks of README, the built notebooks and ``data/headline.png``. The
records of photographs stay: few machines can train them anew.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
import pandas as pd

from entreg_utils import analysis, data, experiments, tutorial
from entreg_utils.experiments import Run, grids
from entreg_utils.figures import command
from entreg_utils.files import atomic_write, own, project_root, results

CRITERION = "val_max_box_acc"  # every choice on photographs with boxes is made by it
CLAIM = ("max_box_acc", "max_box_acc_carried", "gt_known", "top1_loc", "accuracy")  # is about these


def main() -> int:
    """Train, replace, build; 0 when everything worked, and what was interrupted goes on."""
    root, folder = project_root(), results("records")
    tutorial.begin(folder)
    runs = experiments.sweep(grids.ALL)
    print(tutorial.reproducibility(runs))  # beside the records that are replaced next
    replace(folder, root / "data" / "runs")
    readme = root / "README.md"
    text = with_block(readme.read_text(encoding="utf-8"), "headline", headline())
    atomic_write(readme, with_block(text, "photographs", photographs()))
    del os.environ["ENTREG_FRESH"]  # the runs on photographs come from the records
    if status := tutorial.notebooks(root):
        return status
    text = with_block(readme.read_text(encoding="utf-8"), "verdict", verdict(root))
    atomic_write(readme, text)
    pictures = own("results", "figures")
    command.write(["plane"], pictures)
    atomic_write(root / "data" / "headline.png", (pictures / "plane.png").read_bytes())
    tutorial.end(folder)
    return 0


def replace(source: Path, target: Path) -> None:
    """Put the records of all grids and the few checkpoints that are committed into ``target``."""
    target.mkdir(parents=True, exist_ok=True)
    again = {config.name for config in grids.ALL}  # plans have records of the drawn world too
    for old in (path for path in target.glob("toy-*") if path.stem in again):
        old.unlink()
    names = [f"{config.name}.json" for config in grids.ALL]
    names += [f"{config.name}.pt" for config in grids.CHECKPOINTS]
    for name in names:
        atomic_write(target / name, (source / name).read_bytes())
    print(f"{len(names)} files in {target}")


def with_block(text: str, name: str, report: str) -> str:
    """README's text with what stands between the two marks of block ``name`` replaced."""
    first, last = marks(name)
    before, _, rest = text.partition(first)
    _, _, after = rest.partition(last)
    if not after:
        raise ValueError(f"README.md has no block between {first} and {last}: put it back")
    return f"{before}{first}\n{report}\n{last}{after}"


def marks(name: str) -> tuple[str, str]:
    """The comments between which a block of README stands."""
    return f"<!-- {name}: written by make records -->", f"<!-- end of {name} -->"


def headline() -> str:
    """What README says of the drawn world."""
    return analysis.report(experiments.sweep(grids.SWEEP), data.load("toy", "test"))


def photographs() -> str:
    """What README says of photographs, from the stored runs of the plans."""
    sweep, _ = analysis.complete("cub30_epsilon", "epsilon")
    shown, _ = analysis.complete("cub30_sizes", "eval_size", "epsilon")
    return f"{by_epsilon({e: runs for (e,), runs in sweep.items()})}\n\n{at_other_sizes(shown)}"


def verdict(root: Path) -> str:
    """The table of notebook 10 that README repeats, as the built notebook shows it."""
    notebook = nbformat.read(root / "notebooks" / "10_real_photographs.ipynb", 4)
    (cell,) = (c for c in notebook.cells if "verdict" in c.metadata.get("tags", ()))
    return cell.outputs[0].data["text/markdown"]


def by_epsilon(groups: Mapping[float, Sequence[Run]]) -> str:
    """Markdown: scores by epsilon, the centred box, and the change at the epsilon of validation."""
    runs, titles = sum(groups.values(), []), analysis.HEADLINE
    scores = analysis.headline(runs)
    blind = pd.DataFrame("-", ["centred box"], scores.columns)
    blind[titles["max_box_acc"]] = f"{runs[0].metrics['centre_box']:.3f}"
    table = pd.concat([scores.set_axis([f"{e:g}" for e in scores.index]), blind])
    best = analysis.choose([run for run in runs if run.config.epsilon], CRITERION)
    pair = groups[0.0], groups[best]
    said = [f"{titles[s]} {analysis.points(analysis.change(*pair, s))}" for s in CLAIM]
    box = analysis.change(groups[best], groups[best], "max_box_acc", against="centre_box")
    return (
        f"{analysis.markdown(table.rename_axis('ε'))}\n\nFrom ε = 0 to ε = {best:g}, chosen on "
        "validation, in points, with 95 % intervals of a paired bootstrap over images and seeds: "
        f"{'; '.join(said)}. MaxBoxAcc at ε = {best:g} lies {abs(100 * box['change']):.1f} points "
        f"{'above' if box['change'] > 0 else 'below'} a centred box on the same images "
        f"({100 * box['low']:+.1f} to {100 * box['high']:+.1f})."
    )


def at_other_sizes(groups: Mapping[tuple[int, float], Sequence[Run]]) -> str:
    """What the finished networks show on photographs of the size that validation likes best.

    ``groups``: runs by (side in evaluation, epsilon), of which there are two, one of them 0.
    """
    treated = max(epsilon for _, epsilon in groups)
    sides = sorted(s for s, e in groups if e == 0 and (s, treated) in groups)  # both are there
    best = max(sides, key=lambda side: analysis.final(groups[side, 0.0])[CRITERION].mean())
    plain, er = groups[best, 0.0], groups[best, treated]
    box = analysis.change(plain, plain, "max_box_acc", against="centre_box")
    return (
        f"The same networks, shown photographs of {best} pixels (validation's choice at ε = 0): "
        f"MaxBoxAcc {box['treated']:.3f} at ε = 0, {100 * box['change']:+.1f} points against the "
        f"centred box ({100 * box['low']:+.1f} to {100 * box['high']:+.1f}); from ε = 0 to "
        f"ε = {treated:g} it changes by "
        f"{analysis.points(analysis.change(plain, er, 'max_box_acc'))}."
    )


if __name__ == "__main__":
    sys.exit(main())
