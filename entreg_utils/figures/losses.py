"""Figures of the entropy notebook: regularisers on the simplex, their pulls, what they aim at."""

from __future__ import annotations

import math
from functools import partial

import matplotlib.pyplot as plt
import torch
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from torch import Tensor

from entreg_utils import losses
from entreg_utils.figures.style import MAP_CMAP, OKABE_ITO

# name -> (what it is used as, colour, value of a row)
MEMBERS = {
    "KL(u‖p)": ("ER, label smoothing", OKABE_ITO["blue"], losses.kl_uniform),
    "KL(p‖u)": ("confidence penalty", OKABE_ITO["vermillion"], losses.kl_to_uniform),
    "Jeffreys": ("both KLs together", OKABE_ITO["green"], losses.jeffreys),
    "JSD": ("Jensen-Shannon", OKABE_ITO["purple"], losses.jsd),
}
LEVELS = (0.1, 0.3, 0.5, 1.0)
GAPS = torch.linspace(0, 40, 4001, dtype=torch.float64)


def simplex(strength: float = 0.5) -> tuple[Figure, str]:
    """Three classes: each regulariser over all predictions, and cross-entropy plus it.

    Upper row: the four divergences, in nats, on one colour scale. Lower row: cross-entropy plus
    ``strength`` times the divergence, its minimum marked. The right class is the upper corner.
    """
    figure, axes = plt.subplots(2, 4, figsize=(9, 4.9))
    best, most, images = {}, {}, []
    for column, (label, (use, _, value)) in enumerate(MEMBERS.items()):

        def regularised(logits, value=value):
            right = torch.zeros(len(logits), dtype=torch.int64)
            return losses.cross_entropy(logits, right) + strength * value(logits)

        p_y = float(_optima(value, [strength], 3)[0])
        lowest = float(regularised(_logits(torch.tensor([1 - p_y]), 3)))
        best[label], most[label] = p_y, float(value(_logits(torch.tensor([1e-12]), 3)))
        upper, lower = axes[:, column]
        images.append(_triangle(upper, value, 1.5, LEVELS))
        _triangle(lower, regularised, 3, [lowest + step for step in (0.03, 0.2, 0.6)])
        upper.set_title(f"{label}\n{use}", fontsize=10, loc="center")
        lower.plot(0.5, math.sqrt(3) / 2 * p_y, "o", mfc=OKABE_ITO["skyblue"], mec="white", ms=8)
        lower.text(0.5, -0.05, f"lowest at $p_y$ = {p_y:.2f}", ha="center", va="top")
    images[1] = lower.images[0]
    for row, name in enumerate(("divergence (nats)", "loss (nats)")):
        figure.colorbar(images[row], ax=axes[row], label=name, extend="max", pad=0.01, aspect=14)
    listed = ", ".join(f"{label} {p_y:.2f}" for label, p_y in best.items())
    finite = [label for label, value in most.items() if value < math.log(3) + 1e-6]
    return figure, (
        "Three classes, the right one at the top. Upper row: each divergence is 0 in the middle; "
        f"white lines at {', '.join(f'{level:g}' for level in LEVELS)} nats. In the corners "
        f"{' and '.join(finite)} stay finite, the others grow without bound. Lower row: with "
        f"strength {strength:g} added to cross-entropy, the loss is lowest at p_y: {listed}."
    )


def sign(strength: float = 0.05, classes: int = 200) -> tuple[Figure, str]:
    """CE plus, and minus, ``strength`` KL(u||p) against the gap z_y - z_k of one sample."""
    gaps = torch.linspace(0, 30, 301, dtype=torch.float64)
    logits = torch.zeros(len(gaps), classes, dtype=torch.float64)
    logits[:, 0] = gaps
    ce = losses.cross_entropy(logits, torch.zeros(len(gaps), dtype=torch.int64))
    divergence = strength * losses.kl_uniform(logits)
    plus, minus = ce + divergence, ce - divergence
    curves = {
        f"CE + {strength:g} KL(u‖p)": (plus, OKABE_ITO["blue"], "-"),
        "CE": (ce, OKABE_ITO["black"], "--"),
        f"CE − {strength:g} KL(u‖p)": (minus, OKABE_ITO["vermillion"], "-"),
    }
    figure, axes = plt.subplots(figsize=(9, 3.2))
    for label, (loss, colour, style) in curves.items():
        axes.plot(gaps, loss, style, color=colour)
        axes.text(30.3, loss[-1].item(), label, color=colour, va="center")
    lowest = int(plus.argmin())
    axes.plot(gaps[lowest], plus[lowest], "o", color=OKABE_ITO["blue"])
    axes.set(
        xlim=(0, 30), xlabel="gap between the right logit and the others", ylabel="loss (nats)"
    )
    slope = (minus[-1] - minus[-2]).item() / (gaps[-1] - gaps[-2]).item()
    return figure, (
        f"One sample, {classes} classes. With plus the loss is lowest at a gap of "
        f"{gaps[lowest]:.1f}; plain CE only approaches 0; with minus the loss falls for ever, in "
        f"the end by {-slope:.3f} nats for each unit of the gap."
    )


def pulls(classes: int = 200) -> tuple[Figure, str]:
    """Size of each regulariser's gradient against how sure the prediction is (p_y), two ways.

    Left: dR/dz_y, on the logit of the right class. Right: -dR/dz_k, on each of the other logits, on
    logarithmic axes. The wrong classes share 1 - p_y equally.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.7))
    rest, all_rest = _grids(classes)
    # where each name stands: on the left axes, on the right axes
    spots = {
        "KL(u‖p)": ((0.47, 0.38, "left"), (1.5e-5, 3.4e-3, "right")),
        "KL(p‖u)": ((0.59, 1.25, "center"), (1.5e-3, 2.2e-4, "left")),
        "Jeffreys": ((0.36, 1.72, "right"), (2.5e-2, 9e-3, "left")),
        "JSD": ((0.62, 0.25, "center"), (6e-2, 1e-4, "right")),
    }
    ends = {}
    for label, (_, colour, value) in MEMBERS.items():
        left.plot(1 - all_rest, _gradient(value, _logits(all_rest, classes))[:, 0], color=colour)
        pull = -_gradient(value, _logits(rest, classes))[:, 1]
        right.plot(rest, pull, color=colour)
        ends[label] = pull[0].item()
        for axes, (x, y, side) in zip((left, right), spots[label], strict=True):
            axes.text(x, y, label, color=colour, ha=side, va="center")
    left.set(xlabel="$p_y$", ylabel="pull down on the right logit", xlim=(0, 1))
    _sureness(right)
    right.set(ylabel="pull up on each wrong logit")
    listed = ", ".join(f"{label} {pull:.1e}" for label, pull in ends.items())
    return figure, (
        f"{classes} classes. At p_y = {1 - rest[0]:.5f} the pull on each wrong logit is: {listed}. "
        f"Whatever contains KL(u‖p) keeps pulling, with 1/C = {1 / classes:g}; the others let go."
    )


def optima(classes: int = 200) -> tuple[Figure, str]:
    """What a strength aims at: entropy of the best prediction for one sample.

    Left: label smoothing, share of the largest entropy log C against eps, for three class counts.
    Right: the regularisers at equal strength, ``classes`` classes, in nats.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.7))
    epsilons = torch.linspace(0, 0.999, 400).tolist()
    for count, colour in ((2, "orange"), (8, "skyblue"), (classes, "black")):
        shares = [losses.smoothed_optimum(eps, count)[1] / math.log(count) for eps in epsilons]
        left.plot(epsilons, shares, color=OKABE_ITO[colour])
        name = left.text(0.4, shares[160], f"C = {count}", color=OKABE_ITO[colour])
        name.set(ha="center", va="center", backgroundcolor="white")
        name.get_bbox_patch().set_boxstyle("square", pad=0.1)
    left.set(xlim=(0, 1), xlabel="eps of label smoothing", ylabel="entropy of the optimum / log C")
    strengths = torch.logspace(-2, 1.5, 200, dtype=torch.float64)
    places = {"KL(u‖p)": (0.37, 1.6), "KL(p‖u)": (0.14, 0.3), "Jeffreys": (0.1, 2), "JSD": (2.6, 2)}
    reach = {}
    for label, (_, colour, value) in MEMBERS.items():
        _, entropy = _optima(value, strengths, classes)
        right.plot(strengths, entropy, color=colour)
        side = "right" if label == "Jeffreys" else "left"
        right.text(*places[label], label, color=colour, ha=side, va="center")
        reach[label] = strengths[int((entropy >= 1).float().argmax())].item()
    right.axhline(math.log(classes), color=OKABE_ITO["black"], lw=1, ls=":")
    right.text(1.1e-2, math.log(classes) - 0.08, f"log {classes}", va="top")
    right.set(xscale="log", xlabel="strength", ylabel="entropy of the optimum (nats)")
    listed = ", ".join(f"{label} {strength:.2g}" for label, strength in reach.items())
    return figure, (
        f"Left: entropy rises with eps from 0 to log C for any number of classes. Right, {classes} "
        f"classes: the strength at which the optimum reaches 1 nat is {listed}."
    )


def alpha_family(classes: int = 200) -> tuple[Figure, str]:
    """D_alpha of Meister et al. (2020) from the confidence penalty (0) to label smoothing (1).

    Left: value against p_y, cut at 6 nats. Right: -dD/dz_k on each wrong logit, as in ``pulls``.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.7))
    rest, all_rest = _grids(classes)
    names = {0: "0: KL(p‖u)", 0.5: "1/2: 4 JSD", 0.9: "0.9", 0.99: "0.99", 1: "1: KL(u‖p)"}
    shades = plt.get_cmap("cividis")([0.0, 0.25, 0.5, 0.68, 0.87])
    ends = {}
    for (alpha, name), colour in zip(names.items(), shades, strict=True):
        value = partial(losses.alpha_divergence, alpha=alpha)
        left.plot(1 - all_rest, value(_logits(all_rest, classes)), color=colour)
        pull = -_gradient(value, _logits(rest, classes))[:, 1]
        right.plot(rest, pull, color=colour)
        ends[alpha] = pull[0].item()
        side = {0: "top", 0.5: "bottom"}.get(alpha, "center")
        right.text(0.8e-5, ends[alpha], name, color=colour, va=side)
    left.text(0.5, 2.5, "α = 0", color=shades[0], ha="right")
    left.text(0.93, 5, "α = 1", color=shades[-1], ha="right")
    left.set(xlabel="$p_y$", ylabel="$D_α$ (nats)", xlim=(0, 1), ylim=(0, 6))
    _sureness(right)
    right.set(ylabel="pull up on each wrong logit")
    listed = ", ".join(f"{alpha:g}: {pull:.1e}" for alpha, pull in ends.items())
    return figure, (
        f"{classes} classes, alpha beside the curves. The pull on a wrong logit at p_y = "
        f"{1 - rest[0]:.5f} is, by alpha, {listed}: only alpha = 1 does not let go."
    )


def _grids(classes: int) -> tuple[Tensor, Tensor]:
    """1 - p_y for logarithmic axes (from 1e-5), and for linear axes (p_y from 1/C to nearly 1)."""
    rest = torch.logspace(-5, math.log10(0.6), 300, dtype=torch.float64)
    return rest, 1 - torch.linspace(1 / classes, 1 - 1e-6, 500, dtype=torch.float64)


def _sureness(axes) -> None:
    """Logarithmic axes over 1 - p_y, surer to the right, with ticks that say p_y."""
    axes.set(xscale="log", yscale="log", xlim=(0.6, 1e-5))
    sure = (0.1, 0.01, 0.001, 1e-4, 1e-5)
    axes.set_xticks(sure, [f"{1 - step:.{digits}f}" for digits, step in enumerate(sure, 1)])
    axes.set_xlabel("$p_y$ (logarithmic in $1 - p_y$)")


def _logits(rest: Tensor, classes: int) -> Tensor:
    """Logits (M, C) with p_0 = 1 - rest and the others sharing ``rest`` equally."""
    logits = torch.zeros(len(rest), classes, dtype=torch.float64)
    logits[:, 0] = ((1 - rest) * (classes - 1) / rest).log()
    return logits


def _gradient(value, logits: Tensor) -> Tensor:
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(value(logits).sum(), logits)[0]


def _optima(value, strengths, classes: int) -> tuple[Tensor, Tensor]:
    """(p_y, entropy) at the minimum of CE + strength * value of one sample, for each strength.

    At the minimum the wrong classes are equal (the loss treats them alike), so one logit gap is all
    there is to search; a grid of 0.01 nats is finer than a line in a figure.
    """
    logits = torch.zeros(len(GAPS), classes, dtype=torch.float64)
    logits[:, 0] = GAPS
    ce, pulled = -logits.log_softmax(1)[:, 0], value(logits)
    best = torch.stack([(ce + strength * pulled).argmin() for strength in strengths])
    return logits.softmax(1)[best, 0], losses.entropy(logits)[best]


def _triangle(axes, value, most, levels):
    """Heat map of ``value`` over all predictions of three classes, class 0 in the upper corner."""
    side = 301
    steps = torch.linspace(0, 1, side, dtype=torch.float64)
    x, top = torch.meshgrid(steps, steps, indexing="xy")
    y = top * math.sqrt(3) / 2
    p = torch.stack([top, 1 - x - top / 2, x - top / 2], -1).reshape(-1, 3)
    field = value(p.clamp_min(1e-4).log()).reshape(side, side).numpy()
    corners = [(0, 0), (1, 0), (0.5, math.sqrt(3) / 2)]
    # a square-root scale: the differences between the regularisers lie at small values
    look = dict(norm=PowerNorm(0.5, vmin=0, vmax=most), cmap=MAP_CMAP, interpolation="bilinear")
    image = axes.imshow(field, origin="lower", extent=(0, 1, 0, math.sqrt(3) / 2), **look)
    lines = axes.contour(x, y, field, levels=levels, colors="white", linewidths=0.7)
    for artist in (image, lines):
        artist.set_clip_path(Polygon(corners, transform=axes.transData))
    axes.add_patch(Polygon(corners, fill=False, lw=1))
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 0.9), aspect="equal")
    axes.axis("off")
    return image
