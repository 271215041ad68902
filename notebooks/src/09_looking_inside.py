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
# [07](07_entropy_against_localisation.ipynb). **To read:** 35 minutes. **To run:** 20 seconds from the stored records,
# on two CPU cores.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
import torch.nn.functional as F
from scipy.optimize import brentq

from entreg_utils import (
    analysis,
    cam,
    checks,
    data,
    experiments,
    figures,
    losses,
    metrics,
    models,
    theory,
    widgets,
)
from entreg_utils.experiments import grids
from entreg_utils.figures import CUE_COLOURS, draw_picture, entropy_axis, stages
from entreg_utils.figures.training import draw_map

INK = figures.OKABE_ITO
figures.use_style()
torch.set_num_threads(1)
pd.set_option("display.width", 120, "display.max_columns", 12)

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
            lambda m, inputs, output, name=name: maps.update({name: output})
        )
        for name, module in modules.items()
    ]
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()  # a hook that is left behind listens for ever
    return maps


STRENGTHS = (0.0, 0.5, 0.8, 0.98)  # those whose checkpoints come with the course: seed 0
runs = {epsilon: experiments.run(experiments.er(epsilon)) for epsilon in STRENGTHS}
nets = {epsilon: run.model().cpu() for epsilon, run in runs.items()}
test = data.load("toy", "test")
images = test.images.float() / 255  # (N, 3, 48, 48)
mine = tapped(nets[0.0], {"stage1": nets[0.0].stages[1][0].relu, "stage2": nets[0.0].relu}, images)
with torch.no_grad():
    package = nets[0.0].stage_features(images)
assert all(torch.equal(mine[name], package[name]) for name in ("stage1", "stage2"))
print({name: tuple(maps.shape) for name, maps in package.items()})

# %% [markdown]
# One trap is in the choice of module. Inside a pre-activation network the state between blocks is a plain sum of any
# sign, and its mean over channels means nothing. We tap behind the next BN-ReLU, where the map is not negative and is
# all that flows on. `stage_features` knows this place for every network of the package:

# %%
photo_net = models.build("preresnet18", 30).eval()  # random weights: shapes only
with torch.no_grad():
    shapes = photo_net.stage_features(torch.rand(1, 3, 224, 224))
print("PreResNet-18 at 224 pixels:", {name: tuple(m.shape[1:]) for name, m in shapes.items()})

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
shown = runs[0.0].panel[:3]  # the first test pictures of the first species: no picking
features, cams = {}, {}
with torch.no_grad():
    for epsilon, name in names.items():
        features[name] = nets[epsilon].stage_features(images[shown])
        cams[name] = cam.class_activation_map(nets[epsilon], images[shown], test.labels[shown])[0]
figures.show(stages.beside(images[shown], features, cams, test.masks[shown]))

# %% [markdown]
# Both networks are brightest on the fish at the first stage already. The difference that leaps to the eye is in how far the
# light runs over: without regularisation the second stage glows in a wide halo around the head
# of the fish, with it the glow follows the outline. But three pictures are three pictures, and brightness is not evidence.
# Walk through more of them first: the slider below also opens the energy into its strongest channels.

# %%
walk = runs[0.0].panel
with torch.no_grad():
    tour = {name: nets[epsilon].stage_features(images[walk]) for epsilon, name in names.items()}
widgets.stage_explorer(images[walk], tour, test.masks[walk])

# %% [markdown]
# Without a running kernel the sliders rest. The same view, the last stage of another picture:

# %% tags=["figure:one_stage"]
one = {name: {"stage2": maps["stage2"][1:2]} for name, maps in tour.items()}
figures.show(stages.one_stage(images[walk[1]], one, "stage2", mask=test.masks[walk[1]]))

# %% [markdown]
# ## 2. Loud is not the same as listening
#
# The world is drawn, so the energy can be counted. For each picture, the share of the energy on a region $r$ is
# $E_r=\sum_x A(x)\,m_r(x)\,/\sum_x A(x)$, where $m_r(x)$ says how much of cell $x$ the region covers. A map that is the
# same everywhere gets the region's share of the picture; that is the baseline. By hand, for the mark:


# %%
def energy_on(features, masks):
    A = features.mean(dim=1)  # (N, h, w)
    covered = F.avg_pool2d(masks[:, None].float(), 48 // A.shape[-1])[:, 0]  # of each cell
    return (A * covered).sum((1, 2)) / A.sum((1, 2))


by_hand = energy_on(package["stage1"], test.parts)
regions = {"part": test.parts, "body": test.masks & ~test.parts, "context": test.contexts}
ours = metrics.energy_shares(package["stage1"], *regions.values())  # (N, 3)
assert np.allclose(by_hand, ours[:, 0], atol=1e-5)
areas = {name: float(mask.float().mean()) for name, mask in regions.items()}
print("share of the picture:", {name: round(area, 3) for name, area in areas.items()})
print("share of stage 1's energy, ε = 0:", ours.mean(0).round(3).tolist())

# %% [markdown]
# All four checkpoints, all test pictures, and as a last column the class map (its positive part): one long table, a row
# for each picture, stage and region, from which the figure takes means and intervals by itself. The bars are 95 %
# intervals over *pictures*. They say nothing about other seeds: there is one checkpoint a strength.

# %%
rows = []
with torch.no_grad():
    for epsilon, net in nets.items():
        maps = net.stage_features(images)
        maps["class map"] = cam.class_activation_map(net, images, test.labels)[0].clamp_min(0)
        for stage, values in maps.items():
            shares = pd.DataFrame(metrics.energy_shares(values, *regions.values()))
            rows.append(shares.set_axis([*regions], axis=1).assign(epsilon=epsilon, stage=stage))
each = pd.concat(rows)
loud = each.groupby(["epsilon", "stage"], sort=False).mean().reset_index()

# %% tags=["figure:energy"]
each["ε"] = each.epsilon.map("{:g}".format)
four = [INK[name] for name in ("black", "blue", "green", "vermillion")]
bars = dict(errorbar=("se", 1.96), err_style="bars", err_kws={"capsize": 2}, marker="o")
titles = {"part": "the part", "body": "the rest of the body", "context": "the context"}
figure, panels = plt.subplots(1, 3, figsize=(10, 3.6))
for axes, (region, title) in zip(panels, titles.items()):
    last = region == "context"
    sns.lineplot(each, x="stage", y=region, hue="ε", palette=four, legend=last, ax=axes, **bars)
    axes.axhline(areas[region], color="#666666", ls=":", lw=1.2)
    axes.text(0, areas[region], "its share of the picture", color="#666666", va="bottom")
    axes.set(title=f"on {title}", xlabel="", ylabel="share of the energy", ylim=(0, None))
panels[2].legend(title="ε", ncols=2, loc="lower left")
panels[2].set_ylim(0, 0.95)

fish = loud.assign(fish=loud.part + loud.body).set_index(["epsilon", "stage"]).fish
said = [f"ε = {e:g} " + ", ".join(f"{fish[e, s]:.2f}" for s in maps) for e in STRENGTHS]
sentence = (
    "Share of the energy on the object, part and rest together, after "
    f"{', '.join(maps)}: {'; '.join(said)}; an even map has "
    f"{areas['part'] + areas['body']:.2f}."
)
figures.show(figure, sentence)

# %% [markdown]
# Read the black and the green line. From stage 1 to the class map the regularised network gathers its energy on the fish, step by
# step. The unregularised one has more there to begin with, and then lets it go: the halo of the pictures. By energy, then, the
# last stage makes the difference, and the first would even point the wrong way. (The strongest ε stays closest to the even
# map: it is over notebook 07's cliff.) Do not carry the order at stage 1 away as a law. It is one seed, and early energy is fickle.
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
repainted = {cue: data.counterfactual(test, cue, count).float() / 255 for cue in data.CUES}
with torch.no_grad():
    for epsilon, net in nets.items():
        before = net.stage_features(images[:count])
        after = {cue: net.stage_features(changed) for cue, changed in repainted.items()}
        for stage, values in before.items():
            pooled = values.mean((2, 3))  # (count, K)
            spread = (pooled - pooled.mean(0)).norm(dim=1).mean()
            for cue in data.CUES:
                moved = (after[cue][stage].mean((2, 3)) - pooled).norm(dim=1) / spread
                own = {"epsilon": epsilon, "stage": stage, "cue": cue, "move": moved.numpy()}
                rows.append(pd.DataFrame(own))
listens = pd.concat(rows)

# %% tags=["figure:listening"]
listens["ε"] = listens.epsilon.map("{:g}".format)
look = dict(hue="cue", palette=CUE_COLOURS, **bars)
figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
for axes, stage in zip(panels, before):
    own = listens[listens.stage == stage]
    sns.lineplot(own, x="ε", y="move", legend=axes is panels[1], ax=axes, **look)
    axes.set(title=stage, xlabel="ε, weight of the uniform target", ylim=(0, 1.3))
panels[0].set_ylabel("move of the pooled features\n(1: spread between pictures)")
panels[1].legend(title="repainted", loc="upper right")

far = listens.groupby(["stage", "epsilon", "cue"]).move.mean().unstack()
ratio, said = far.part / far.body, []
for stage in before:
    each_ratio = [f"{ratio[stage, e]:.2f} (ε = {e:g})" for e in STRENGTHS]
    said.append(f"{stage} {', '.join(each_ratio)}")
sentence = (
    "A repainted mark (part) moves the features this many times as far as a "
    f"repainted body: {'; '.join(said)}."
)
figures.show(figure, sentence)

# %% [markdown]
# Now the story is in order. What the two networks *listen to* differs after the first stage already: with regularisation
# the body moves the features more than the mark does, without it the mark leads. The second stage then widens the gap
# that it receives. So the difference is made early and enlarged late: a loss that sees nothing but the logits has reached the
# first filters. Energy alone would have told another tale. When you meet a picture of "feature maps", ask which
# of the two it shows; nearly always it is loudness.
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
answer = loud.set_index(["epsilon", "stage"]).part[0.0, "stage2"] / areas["part"]

# %% tags=["check"]
share = loud.set_index(["epsilon", "stage"]).part[0.0, "stage2"]
checks.loudness(answer, share, areas["part"])

# %% [markdown]
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
    deep = {epsilon: nets[epsilon].forward_features(images) for epsilon in names}  # (N, K, h, w)
masks, rows = test.masks.numpy(), []


def read(epsilon, weight, bias, head):
    weight, bias = weight.detach(), bias.detach()
    logits = deep[epsilon].mean((2, 3)) @ weight.T + bias
    maps = torch.einsum("nk,nkhw->nhw", weight[test.labels], deep[epsilon]).numpy()
    row = {
        "features": epsilon,
        "head": head,
        "PxAP": metrics.pixel_average_precision(maps, masks, size=48),
        "accuracy": metrics.accuracy(logits.numpy(), test.labels.numpy()),
        "entropy": metrics.mean_entropy(logits.numpy()),
    }
    rows.append(row)
    return row, maps


swapped = {}  # (features, head) -> (scores, maps)
for owner in names:
    for reader in names:
        layer, kind = nets[reader].head, "own" if owner == reader else "exchanged"
        swapped[owner, reader] = read(owner, layer.weight, layer.bias, kind)
pxap = {pair: result[0]["PxAP"] for pair, result in swapped.items()}
assert abs(pxap[0.0, 0.0] - runs[0.0].metrics["pxap"]) < 1e-3  # the record's own number
pd.DataFrame([result[0] | {"head": reader} for (_, reader), result in swapped.items()]).round(3)

# %% [markdown]
# (`head` names the network that it comes from. Maps of the true class, min-max, last checkpoint, all thresholds; the
# constant map's score is in the figure below.) The exchanged heads keep nearly the accuracy: the channels did stay in
# place. How sure are the differences? Over pictures, a bootstrap of the pooled pixels. Draw the pictures again and again,
# the same for all four, add up their histograms, and compute PxAP anew:


# %%
def histograms(maps):  # (N, B) each: scores of object and of background pixels, picture by picture
    pools = [metrics.PixelAveragePrecision(size=48) for _ in maps]
    for pool, one, mask in zip(pools, maps, masks, strict=True):
        pool.update(one, mask)
    return [np.stack([getattr(p, k)[::-1] for p in pools]) for k in ("foreground", "background")]


def pooled_pxap(weights, foreground, background):  # weights (S, N): how often each was drawn
    hits = (weights @ foreground).cumsum(axis=1)
    taken = hits + (weights @ background).cumsum(axis=1)
    precision = hits / np.maximum(taken, 1)
    return (precision[:, 1:] * np.diff(hits / hits[:, -1:], axis=1)).sum(axis=1)


N = len(masks)
draws = np.random.default_rng(0).multinomial(N, np.full(N, 1 / N), size=500).astype(float)
bins = {pair: histograms(result[1]) for pair, result in swapped.items()}
again = {pair: pooled_pxap(draws, *own) for pair, own in bins.items()}
assert all(abs(pooled_pxap(np.ones((1, N)), *bins[p])[0] - pxap[p]) < 1e-6 for p in pxap)
contrasts = {
    "other features, head of ε = 0": ((0.8, 0.0), (0.0, 0.0)),
    "other features, head of ε = 0.8": ((0.8, 0.8), (0.0, 0.8)),
    "other head, features of ε = 0": ((0.0, 0.8), (0.0, 0.0)),
    "other head, features of ε = 0.8": ((0.8, 0.8), (0.8, 0.0)),
}
for name, (new, old) in contrasts.items():
    low, high = np.quantile(again[new] - again[old], [0.025, 0.975])
    print(f"{name:32s} {pxap[new] - pxap[old]:+.3f}  ({low:+.3f} to {high:+.3f} over pictures)")

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
first, last = pxap[0.8, 0.0] - pxap[0.0, 0.0], pxap[0.8, 0.8] - pxap[0.0, 0.8]
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
def probe(pooled, labels, epsilon, rho):  # pooled (N, K); returns weight (C, K) and bias (C,)
    mean, spread = pooled.mean(0), pooled.std(0) + 1e-6
    weight = torch.zeros(8, pooled.shape[1], requires_grad=True)
    bias = torch.zeros(8, requires_grad=True)
    lbfgs = torch.optim.LBFGS([weight, bias], max_iter=300, line_search_fn="strong_wolfe")

    def closure():
        lbfgs.zero_grad()
        logits = (pooled - mean) / spread @ weight.T + bias
        loss = F.cross_entropy(logits, labels, label_smoothing=epsilon)  # ER, divided by 1 + lambda
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
        pooled = torch.cat([nets[owner].forward_features(b).mean((2, 3)) for b in batches])
    for epsilon, head in ((0.0, "new, plain"), (0.8, "new, ER")):
        for rho in (1e-4, 1e-3, 1e-2):
            read(owner, *probe(pooled, train.labels, epsilon, rho), head)

# %% [markdown]
# One more control, which needs no fitting. Multiply a head by a constant (a **temperature**) and the entropy becomes
# whatever one likes, while every min-max map stays as it is: notebook 03's scale invariance. So take the plain network
# and heat its head until it is as unsure as the regularised one.

# %%
goal, layer = swapped[0.8, 0.8][0]["entropy"], nets[0.0].head
with torch.no_grad():
    logits = layer(deep[0.0].mean((2, 3)))
factor = brentq(lambda t: metrics.mean_entropy((t * logits).numpy()) - goal, 1e-3, 1)
heated = read(0.0, factor * layer.weight, factor * layer.bias, "own, scaled")[0]
assert abs(heated["PxAP"] - pxap[0.0, 0.0]) < 1e-3
print(
    f"head times {factor:.3f}: entropy {heated['entropy']:.2f} nats, PxAP {heated['PxAP']:.3f} as before"
)

# %% [markdown]
# All of it in one plane: entropy to the right, localisation upwards. Colour is whose features, shape is which head.

# %%
constant = metrics.constant_map_baseline(masks, size=48)
sweep = analysis.over_seeds(analysis.final(experiments.sweep(grids.SWEEP)))["pxap"]
plane = pd.DataFrame(rows).rename(columns={"PxAP": "pxap"})

# %% tags=["figure:heads"]
two = {0.0: INK["black"], 0.8: INK["green"]}
figure, axes = plt.subplots(figsize=(9, 3.9))
look = dict(hue="features", palette=two, style="head", s=75)
sns.scatterplot(plane, x="entropy", y="pxap", ax=axes, **look)
edge = dict(transform=axes.get_yaxis_transform(), ha="right", va="center")
for epsilon, colour in two.items():
    mean, half = sweep.loc[epsilon, ["mean", "half"]]
    axes.axhspan(mean - half, mean + half, color=colour, alpha=0.10, lw=0)
    axes.text(0.99, mean, f"whole networks,\nε = {epsilon:g}, seeds", color=colour, **edge)
axes.axhline(constant, color="#666666", ls=":", lw=1.2)
axes.text(0.99, constant + 0.03, "constant map", color="#666666", **edge)
entropy_axis(axes, 8)
axes.set(ylabel="PxAP (0 to 1)", ylim=(0, 1), xlim=(0.003, 2.0755))
sns.move_legend(axes, "center left", bbox_to_anchor=(1.01, 0.5))

ends = plane.groupby("features")[["pxap", "entropy"]].agg(["min", "max"])
said = [
    f"on the features of ε = {e:g} from {own.pxap['min']:.3f} to "
    f"{own.pxap['max']:.3f} while the entropy runs from {own.entropy['min']:.2f} to "
    f"{own.entropy['max']:.2f} nats"
    for e, own in ends.iterrows()
]
apart = ends.pxap["min"][0.8] > ends.pxap["max"][0.0]
meet = "do not meet" if apart else "overlap"
figures.show(figure, f"PxAP lies {', '.join(said)}: the two ranges {meet}.")

# %%
plane.groupby(["features", "head"])[["pxap", "accuracy", "entropy"]].mean().round(3)

# %% [markdown]
# Points go up with their colour and hardly with their position to the right: a *sure* head on regularised features localises
# better than an *unsure* one on plain features. (The sentence says whether the two groups meet. The shaded bands are whole networks,
# 95 % intervals over the four seeds of notebook 07: read the distance of the colours against them.)
#
# So most of what the regulariser does to localisation, it does while the features are learned; the entropy at the output is the
# handle by which it gets hold of them, and by itself it moves no map. That is what notebook 03's invariances demanded. They
# left two possibilities open, the features and the *directions* of the head; the table of Exercise 2 says how the two
# share. A practical corollary: calibrating a finished network, by temperature or by fitting its last layer again, will not mend its
# maps. And the good map need not cost certainty: a head fitted anew on the frozen features is as sure as one likes.

# %% [markdown]
# ## 4. Triptychs
#
# Papers show their maps as triptychs: the picture with boxes, the map, the overlay. Here is one with its
# seams showing. The predicted box is green, the true one red. The map has a colour bar with the threshold on it, and its raw range below.
# The overlay is a plain blend, nothing brightened, with the line at the threshold in use: each run's own, chosen on validation and
# carried over. The rows are the first test pictures of two species; then, because selection should be named, the picture on which
# the *regularised* network's box is worst; and last a map that is blank, from a head without weights.


# %%
def row_of(index, world, pair, scale=1.0):
    one, shown = slice(index, index + 1), []
    image, label, box = world.images[one], world.labels[one], world.boxes[one]
    for epsilon, run in pair.items():
        raw = cam.class_activation_map(run.model().cpu(), image / 255, label)[0][0].numpy()
        tau = run.metrics["box_threshold"]
        shown.append(figures.Example(f"ε = {epsilon:g}", image[0], scale * raw, box, tau))
    return shown


pair = {epsilon: runs[epsilon] for epsilon in names}
boxes, overlap = test.boxes[:, None].numpy(), {}
for epsilon, run in pair.items():
    tau, maps = run.metrics["box_threshold"], swapped[epsilon, epsilon][1]
    overlap[epsilon] = metrics.iou_curves(maps, boxes, thresholds=[tau], size=48)[:, 0]
worst = int(overlap[0.8].argmin())

# %% tags=["figure:triptychs"]
rows = [row_of(index, test, pair) for index in (*shown[:2], worst)]
rows.append(row_of(shown[0], test, pair, scale=0.0))
figures.show(figures.triptychs(rows))

# %%
centre = metrics.centre_box_baseline(boxes, 48).max_box_acc
for epsilon in names:
    share = (overlap[epsilon] >= 0.5).mean()
    print(
        f"ε = {epsilon:3g}: IoU {overlap[epsilon].mean():.2f} on average, at least 0.5 in {share:.1%}"
    )
shows = [test.class_names[cue] for cue in test.cues[worst]]
better = (overlap[0.8] > overlap[0.0]).mean()
print(f"ε = 0.8 has the better box on {better:.0%} of the pictures (seed 0, carried thresholds)")
print(f"the best centred box is right in {centre:.1%}, its side chosen on test")
print("third row: the mark, body and habitat of", ", ".join(shows))

# %% [markdown]
# The third row is no accident; the last line says what its cues show. The mark is right, as always. The body speaks for another
# species, and the regularised network leans on bodies: it counts this one *against* the class. The map turns negative on the fish,
# the box runs around all the rest, and the raw range under the map has it in print.
#
# The numbers under the figure are the reason why triptychs are shown *beside* a table and never instead of one. A blank map
# is the honest outcome of a network with nothing to say, and must look like one: its picture comes back grey and
# striped, no box is drawn, and its IoU is "none". Software that divides by a maximum of zero, or brightens, turns it into a
# clean-looking picture (notebook 03).
#
# ### On photographs
#
# The same function takes photographs at their own size and shape. The records of 30 classes of CUB hold the last maps of a few test
# photographs, so no training is needed, only the photographs, which may not be passed on: `python -m entreg_utils data cub`
# fetches them. Then set `PHOTOGRAPHS = True` to draw them. As it stands, the cell shows the drawn world in a state that photographs
# are often in: the habitat speaks for the species nine times in ten, as water does for an albatross.

# %% tags=["figure:triptychs_elsewhere"]
PHOTOGRAPHS = False  # True: those of CUB in the data folder
if PHOTOGRAPHS:
    seed0 = [run for run in analysis.stored("cub30_epsilon") if run.config.seed == 0]
    birds = [run for run in seed0 if run.config.epsilon in (0.0, 0.3)]
    photos, kept = experiments.splits(birds[0].config)[2], birds[0].panel[:3]


def example(run, place):  # the photograph at its own size, the map of the last epoch
    name, tau, photo = (
        f"ε = {run.config.epsilon:g}",
        run.metrics["box_threshold"],
        photos[kept[place]],
    )
    return figures.Example(name, photo.image, run.maps[-1, place], photo.boxes.numpy(), tau)


if PHOTOGRAPHS:
    rows = [[example(run, place) for run in birds] for place in range(len(kept))]
else:
    print("Not photographs: the drawn world, habitat 0.9.")
    loud_world = data.load("toy", "test", **grids.LOUD_CONTEXT)
    loud_pair = {e: experiments.run(experiments.er(e, **grids.LOUD_CONTEXT)) for e in names}
    rows = [row_of(index, loud_world, loud_pair) for index in loud_pair[0.0].panel[:2]]
figures.show(figures.triptychs(rows))

# %% [markdown]
# In the drawn world this is the case in which regularisation hurts (notebook 07, section 6), and the triptych shows
# how: on the right the map leaves the fish, and the line runs around the habitat. On the left the map is on the fish, and the box is
# nearly as bad: the threshold that was best on validation is so low that the box becomes the frame, since for such maps a frame is the
# best that one threshold can do. Without the line and the ranges both would be invisible. On photographs, look for the same signs:
# thresholds that lie far apart, boxes that touch the frame. Whether ER gains there is a matter of numbers over all
# test photographs and seeds, not of three rows; notebook 10 has them.
#
# Maps after each *stage* of a network on photographs need its checkpoint, and that is not passed on either.
# `python -m entreg_utils sweep cub30_epsilon` leaves it in your results (it prints its cost first); without that, the next cell
# trains the two networks when you ask it to:

# %%
STAGES = False  # True: after PHOTOGRAPHS = True; trains what is not stored
if STAGES:
    pictures, inside = torch.stack([photos.images[i] for i in kept]).float() / 255, {}
    with torch.no_grad():
        for run in birds:
            inside[f"ε = {run.config.epsilon:g}"] = run.model().cpu().stage_features(pictures)
    figures.show(stages.beside(pictures, inside))
else:
    print("not run here: python -m entreg_utils sweep cub30_epsilon (it prints its cost first)")

# %% [markdown]
# ## 5. What never comes apart
#
# The paper shows a limitation: a door handle and its door. Every picture of the one shows the other, and the map
# does not separate them. It is worth making this exact, because it is a limit of the *labels*, and so of every loss.
#
# Take the world and let the habitat speak for the species more and more often: three times in ten as before, seven in
# ten, always. At 1.0 the mark and the habitat are equally perfect witnesses.
#
# **Predict first.** At 1.0, which will the network use, at ε = 0 and at ε = 0.8? And what will its accuracy be?

# %%
runs = experiments.sweep(grids.COOCCURRING)
table = analysis.final(runs).assign(agrees=[run.config.context for run in runs])
worth = table[[f"reliance_{cue}" for cue in data.CUES]].clip(lower=0)  # below zero: noise
table[[f"share_{cue}" for cue in data.CUES]] = worth.div(worth.sum(axis=1), axis=0)
table["ε"] = table.epsilon.map("{:g}".format)


def by_cue(prefix):  # long: a row a run and cue
    wide = table.set_index(["agrees", "ε", "seed"])[[prefix + cue for cue in data.CUES]]
    return wide.set_axis(data.CUES, axis=1).melt(var_name="cue", ignore_index=False).reset_index()


# %% tags=["figure:cooccurring"]
look = dict(x="agrees", style="ε", markers=True, errorbar=figures.student, err_style="bars")
look["err_kws"] = {"capsize": 2}
figure, panels = plt.subplots(1, 3, figsize=(10, 3.9))
sns.lineplot(table, y="pxap", hue="ε", palette=[*two.values()], ax=panels[0], **look)
panels[0].axhline(constant, color="#666666", ls=":", lw=1.2)
panels[0].text(0.3, constant + 0.015, "constant map", color="#666666")
for axes, prefix in zip(panels[1:], ("", "share_")):
    sns.lineplot(by_cue(prefix), y="value", hue="cue", palette=CUE_COLOURS, ax=axes, **look)
titles = "PxAP", "mean normalised score", "share of the worth in logits"
for axes, title in zip(panels, titles):
    axes.set(title=title, ylabel="", ylim=(0, 1.03), xlabel="habitat agrees with the label")
    axes.set_xticks(grids.CONTEXTS)
panels[0].legend(title="ε", loc="lower left", bbox_to_anchor=(0, 0.25))
panels[1].get_legend().remove()
sns.move_legend(panels[2], "center left", bbox_to_anchor=(1.0, 0.5))

numbers = table.drop(columns="ε")
summary = analysis.over_seeds(numbers, by=("agrees", "epsilon"))
cells = summary.pxap.apply(lambda row: f"{row['mean']:.2f} ± {row['half']:.2f}", axis=1)
said = [f"ε = {e:g}: " + ", ".join(f"{cells[a, e]} ({a:g})" for a in grids.CONTEXTS) for e in names]
held = summary.share_context["mean"][1.0]
sentence = (
    f"PxAP by how often the habitat (context) agrees, {'; '.join(said)}; a "
    f"constant map has {constant:.2f}. At 1 the habitat holds {held[0.0]:.0%} (ε = 0) "
    f"and {held[0.8]:.0%} (ε = 0.8) of the worth."
)
figures.show(figure, sentence)

# %% tags=["figure:worlds"]
worlds = {agrees: data.load("toy", "test", context=agrees) for agrees in grids.CONTEXTS}
figure, grid = plt.subplots(2, 9, figsize=(10, 3.12))
said = []
for block, (agrees, split) in zip(np.split(grid, 3, axis=1), worlds.items(), strict=True):
    first = [r for r in runs if r.config.context == agrees and r.config.seed == 0]
    scores = np.empty((2, 2))  # pictures, networks
    for image, (left, *row) in enumerate(block):
        draw_picture(left, split.images[first[0].panel[image]])
        for place, (axes, run) in enumerate(zip(row, first, strict=True)):
            scores[image, place] = draw_map(axes, run, split, image)
    block[0, 0].set_title(f"habitat {agrees:g}\n", fontsize=9.5)
    for axes, run in zip(block[0, 1:], first, strict=True):
        axes.set_title(f"\nε = {run.config.epsilon:g}", fontsize=9.5)
    said.append(f"habitat {agrees:g}: " + " and ".join(f"{s:.2f}" for s in scores.mean(axis=0)))
titles = " and ".join(names.values())
figures.show(figure, f"Mean PxAP of these 2 pictures at {titles}: {'; '.join(said)}.")

# %%
summary[["accuracy", "entropy", "pxap", "max_box_acc_carried"]].rename_axis(
    ["habitat agrees", "ε"]
).round(3)

# %%
change = analysis.paired(table, "pxap", 0.0, 0.8, by="agrees")
for agrees, row in change.iterrows():
    clear = "clear" if abs(row["mean"]) > row["half"] else "not clear with three seeds"
    print(
        f"habitat {agrees:g}: ER changes PxAP by {row['mean']:+.3f} ± {row['half']:.3f} ({clear})"
    )
print(f"baselines in all three worlds: constant map {constant:.3f}, centred box {centre:.3f}")

# %% [markdown]
# (`half` is the half-width of the 95 % interval over three seeds. PxAP takes all thresholds, `max_box_acc_carried` the one
# carried over from validation; last checkpoint, min-max, true class.)
#
# As long as the habitat errs now and then, even in a minority of the pictures, both networks leave it almost alone, and ER does for the
# map what it did before. When it never errs, the picture turns over: the classifier is as good as ever, and the map has left the
# fish. Single pictures may still look right (the second row above), which is why the score pools them all. Nothing in the training
# log warns: loss, accuracy and entropy all look their best.
#
# It does not share its attention fairly between two perfect witnesses. The third panel shows that more than four fifths of the worth go to
# the habitat, at both strengths. Notebook 07's theory says why: equal reliability, and the habitat is larger, so a logit from it is cheaper.
# The price was fitted in the default world; the worths in the other two worlds are predictions:

# %%
world = theory.ThreeCues((1.0, 0.95, 0.3), tuple(areas.values()), 8)
everything = analysis.final(experiments.sweep(grids.SWEEP))
price = theory.fit_price(everything, world, np.geomspace(1e-5, 1e-2, 61)).price
lines = {}
for (agrees, epsilon), row in summary.xs("mean", axis=1, level=1).iterrows():
    there = theory.ThreeCues((1.0, 0.95, agrees), tuple(areas.values()), 8, price)
    predicted = theory.reliance(there, [epsilon])[0]
    lines[agrees, epsilon] = {
        name: value
        for cue, said in zip(data.CUES, predicted, strict=True)
        for name, value in ((cue, row[f"reliance_{cue}"]), (f"{cue}, theory", said))
    }
pd.DataFrame(lines).T.rename_axis(["habitat agrees", "ε"]).round(2)

# %% [markdown]
# The theory's optimum drops mark and body altogether at 1.0; the networks keep a remainder of both, as they keep more of everything
# that they met on the way. Otherwise it knew.
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
    marks, habitats = (6.0 * F.one_hot(split.cues[:, k], 8).float() for k in (0, 2))
    same = float((split.cues[:, 0] == split.cues[:, 2]).float().mean())
    values = [
        losses.objective(logits, split.labels, "kl_uniform", strength).item()
        for strength in (0.0, lam)
        for logits in (marks, habitats)
    ]
    plain, er = (f"{a:.4f} and {b:.4f}" for a, b in (values[:2], values[2:]))
    print(
        f"habitat {agrees:g}: they agree on {same:6.1%}; losses {plain} at ε = 0, {er} at ε = 0.8"
    )
always = worlds[1.0]
assert torch.equal(always.cues[:, 0], always.cues[:, 2])
for name, where in (("mark", always.parts), ("habitat", always.contexts)):
    score = metrics.pixel_average_precision(where.float().numpy(), always.masks.numpy(), size=48)
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
print(len(telling), "training pictures, cues", tuple(telling.cues.shape))

# %% tags=["solution"]
# Exercise: the number of training pictures that tell the mark from the habitat.
#! answer = None
answer = int((telling.cues[:, 0] != telling.cues[:, 2]).sum())

# %% tags=["check"]
checks.telling_pictures(answer, telling)

# %% [markdown]
# **And then (trains for real, a minute or two).** How few are enough? `experiments.run(experiments.er(0.8, context=0.95))` is not in the store,
# so it is trained, once. Predict its PxAP before you look, and draw its maps with `draw_map`.
#
# On your own photographs, the check is the one of section 2: change the suspected companion (cut it out, blur it, paste another
# background) and see how far the logit moves. A map cannot tell you; an intervention can. And the remedies are all *outside* the loss:
# pictures of the one without the other, a handful of boxes, or knowing beforehand what is background.
#
# ## Summary
#
# - A hook shows any stage; networks can only be compared on one scale, and where the map is not negative.
# - Energy shows where a network is loud. What it listens to takes an intervention, and here the two disagree about the first stage.
# - Regularising the output reaches the first filters. Exchange and refit say how much of the better map is in the features;
#   scaling the head changes the entropy and no map. One seed: a reason to repeat it, not to stop.
# - A triptych shows its raw range, its threshold, its failures and its blanks, and stands beside a table.
# - Cues that always co-occur are one cue to every loss. Then the cheaper one, here the larger, gets the map.
#
# **Next:** [10](10_real_photographs.ipynb) asks photographs.
