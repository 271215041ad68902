# %% [markdown]
# # 05 · CAM baselines: hide the part, and the map must move
#
# A classifier looks where the evidence is cheapest. Notebook [03](03_cam_from_scratch.ipynb) showed the map that
# results: bright on the mark, dim on the fish. Long before anyone regularised the entropy, people answered
# with scissors: *hide* what the network relies on while it trains, and it must learn the rest. This notebook
# writes four such methods by hand, looks at what each hides, trains all of them with and without entropy
# regularisation, and asks whether the scissors cut where they should.
#
# **When you are through, you can**
#
# 1. write HaS, CutMix and ADL in a few lines each, and say what RDAP changes;
# 2. name the trap in each: non-square images, the clipped box, the map that is not positive;
# 3. read a comparison of methods with paired seeds, intervals and baselines;
# 4. tell what a method hides from what its map shows afterwards;
# 5. build the networks of the papers with a map of 14 x 14, and say by how much their maps are shifted.
#
# **Before:** [03](03_cam_from_scratch.ipynb), [04](04_from_map_to_score.ipynb); section 6 uses the strength of
# [06](06_entropy_regularised_training.ipynb). **To read:** 30 minutes. **To run:** 25 seconds on two CPU cores,
# without network.

# %%
import matplotlib.pyplot as plt
import seaborn as sns
import torch
import torch.nn.functional as F

from entreg_utils import (
    analysis,
    checks,
    data,
    erasing,
    experiments,
    figures,
    losses,
    metrics,
    models,
)
from entreg_utils.experiments import grids
from entreg_utils.figures import CUE_COLOURS
from entreg_utils.figures.erasing import TITLES, what_is_hidden

figures.use_style()
torch.set_num_threads(1)  # the small maps of this notebook are faster so

# %% [markdown]
# ## 1. One batch
#
# Six pictures of the embedded world. Everything below changes copies of them; testing never hides anything.

# %%
train = data.load("toy", "train", num_images=200)
C = train.num_classes
rows = [int((train.labels == c).nonzero()[0]) for c in range(6)]  # one picture each of six species
images, labels = train.images[rows].float() / 255, train.labels[rows]  # (6, 3, 48, 48), (6,)
mean_colour = train.images.float().mean(dim=(0, 2, 3)) / 255
print("images", tuple(images.shape), "labels", labels.tolist())
print("mean colour", [round(value, 2) for value in mean_colour.tolist()])


def seeded(seed=0):  # all randomness comes from a generator that we hold in hand
    return torch.Generator().manual_seed(seed)


# %% [markdown]
# ## 2. Hide-and-Seek: squares at random
#
# **HaS** (Singh and Lee, 2017) cuts the training image into squares and paints each over with probability
# one half. On some pictures the mark is covered, and the class must be read off something else. The colour is
# the mean of the data set: after normalisation that is zero, so the first convolution sees no step that it would
# not see in testing.


# %%
def hide_and_seek(images, side, rate, fill, generator):
    n, _, height, width = images.shape
    torch.randint(1, (n,), generator=generator)  # the package draws the side of each image here
    tiles = torch.rand(n, -(-height // side), -(-width // side), generator=generator) < rate
    pixels = tiles.repeat_interleave(side, 1).repeat_interleave(side, 2)  # (n, >=H, >=W)
    hidden = pixels[:, None, :height, :width]
    return torch.where(hidden, fill[:, None, None], images)


for batch in (images, images[:, :, :30, :]):  # square, and 30 x 48
    mine = hide_and_seek(batch, 7, 0.5, mean_colour, seeded())
    theirs = erasing.hide_and_seek(batch, (7,), 0.5, mean_colour, seeded())
    assert torch.equal(mine, theirs)
print("HaS: equal to the package's, also where 7 does not divide the side")

# %% [markdown]
# Two traps of public code hide in these lines. A parameter called `grid_size` was meant as the *side of a
# square in pixels*, and was taken for a number of squares by some. And where height and width were mixed up,
# images that are not square were hidden in the wrong places, two thirds of them at a rate that promised all.
#
# ### Exercise 1 (5 minutes)
#
# The paper draws the side of each image from five choices: hide nothing, 16, 32, 44 or 56 pixels; every square is
# hidden with probability 0.5. Which share of a pixel's training pictures shows that pixel hidden, on average?

# %% tags=["solution"]
# Exercise: the expected share of hidden pixels, 0 to 1.
#! answer = None
answer = 4 / 5 * 0.5

# %% tags=["check"]
checks.hidden_share(answer)

# %% [markdown]
# ## 3. CutMix: paste, and share the label
#
# **CutMix** (Yun et al., 2019) replaces a box of each image by the same box of another and mixes the labels in
# proportion to the pixels. Nothing is wasted on grey, but the target is now *soft*. The share of pixels is drawn
# first, the box second; where the box runs over the border it is clipped, and then the share must be counted again.


# %%
def cutmix(images, labels, box, partner):
    x0, y0, x1, y1 = box
    mixed = images.clone()
    mixed[:, :, y0:y1, x0:x1] = images[partner][:, :, y0:y1, x0:x1]
    kept = 1 - (x1 - x0) * (y1 - y0) / images[0, 0].numel()  # of the clipped box
    own, other = F.one_hot(labels, C).float(), F.one_hot(labels[partner], C).float()
    return mixed, kept * own + (1 - kept) * other


draw_of = seeded(3)
box = erasing.mixing.draw_box(48, 48, 1.0, draw_of)
torch.rand((), generator=draw_of)  # whether to mix at all
partner = torch.randperm(len(images), generator=draw_of)
mine = cutmix(images, labels, box, partner)
theirs = erasing.cutmix(images, labels, 1.0, 1.0, seeded(3), num_classes=C)
assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(mine, theirs, strict=True))
print("CutMix: equal to the package's; box", box)
print("target of the first picture:", [round(t, 2) for t in mine[1][0].tolist()])

# %% [markdown]
# **Predict.** The soft target has two large entries. Entropy regularisation pulls the prediction towards uniform. Do
# the two get in each other's way? Look at the loss: the target enters cross-entropy only, and for a soft target
# $t$ the optimum of cross-entropy plus $\lambda\,\mathrm{KL}(u\|p)$ is $(1-\varepsilon)\,t + \varepsilon\,u$.

# %%
lam = losses.lambda_from_epsilon(0.8, C)
soft = mine[1].double()
logits = torch.zeros(6, C, dtype=torch.float64, requires_grad=True)
newton = torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-12)


def closure():
    newton.zero_grad()
    loss = losses.objective(logits, soft, "kl_uniform", lam)
    loss.backward()
    return loss


newton.step(closure)
gap = (logits.softmax(1) - (0.2 * soft + 0.8 / C)).abs().max().item()
assert gap < 1e-5
print("the optimum is the target mixed with uniform: True")

# %% [markdown]
# So CutMix and ER add up: each is a statement about the target. Whether that helps is a matter of training.
#
# ### Exercise 2 (6 minutes)
#
# A box of 40 x 40 pixels is drawn for 48 x 48 pictures, and its centre is the upper left corner, so that only a
# quarter of it lies inside. With which weight does the picture keep its own label?

# %% tags=["solution"]
# Exercise: the weight of the own label, 0 to 1.
#! answer = None
answer = 1 - (20 * 20) / (48 * 48)

# %% tags=["check"]
checks.clipped_weight(answer)

# %% [markdown]
# ## 4. ADL: let the network say what to hide
#
# Random boxes hit the mark by luck. **ADL** (Choe and Shim, 2019) asks the network: the mean over the channels of a
# feature map, $A$, is large where the map is excited. In training, each forward pass either hides the places with
# $A \ge \gamma \max A$, or multiplies the map by the importance $\sigma(A)$. One coin decides for the whole
# batch. There are no weights to learn, and in testing the layer does nothing.


# %%
def adl(features, gamma, hide):
    A = features.mean(dim=1, keepdim=True)  # (n, 1, h, w)
    if hide:
        return features * (A < gamma * A.amax(dim=(2, 3), keepdim=True))
    return features * A.sigmoid()


model = experiments.run(grids.EXAMPLE).model().cpu()  # plain cross-entropy, from the store
with torch.no_grad():
    features = model.forward_features(images)  # (6, 48, 12, 12), not negative
for hide in (True, False):
    layer = erasing.ADL(gamma=0.9, rate=float(hide), generator=seeded())  # rate 1: hide for certain
    assert torch.allclose(adl(features, 0.9, hide), layer(features))
    assert torch.equal(layer.eval()(features), features)
print("ADL: equal to the package's in both branches, and the identity in testing")

# %% [markdown]
# The trap: the rule assumes that $A$ is not negative. Networks with pre-activation blocks pass on sums that were not
# rectified yet. The next cell shifts the same map below zero. **Predict** how much of it is hidden then.

# %%
for name, shift in (("as it is", 0.0), ("shifted below zero", features.max() + 1)):
    A = (features - shift).mean(dim=1, keepdim=True)
    hidden = (A >= 0.9 * A.amax(dim=(2, 3), keepdim=True)).float().mean()
    print(f"{name:20s} hidden: {hidden:.1%} of the places")

# %% [markdown]
# With a negative maximum, $0.9 \max A$ lies *above* the maximum and nothing is ever hidden. So the layer belongs
# behind a rectifier; every network of the package names such places, and the layer refuses others.

# %%
print("places for a layer:", ", ".join(model.erasing_points()))
try:
    erasing.ADL(0.9, 1.0, seeded())(features - features.max() - 1)
except ValueError as error:
    print(error)

# %% [markdown]
# **RDAP** (Choe et al., 2021) replaces the threshold by a square of fixed size around the most excited place, so
# that one setting serves every network. Its details are not public; what the package has is called *our reading*, and
# its choices stand in the docstring.
#
# ### Exercise 3 (5 minutes)
#
# RDAP hides a square of `round(0.35 * 12)` cells on our map of 12 x 12. Which share of the map is that?

# %% tags=["solution"]
# Exercise: the share of the map that RDAP hides, 0 to 1.
#! answer = None
answer = round(0.35 * 12) ** 2 / 12**2

# %% tags=["check"]
checks.square_share(answer)

# %% [markdown]
# ## 5. What each one hides
#
# The settings of the embedded world, one value each. **Predict:** which of the four covers the mark most often?

# %% tags=["figure:hidden"]
settings = [erasing.preset(method, "toy", "toy") for method in erasing.METHODS]
shown = [erasing.hidden(images, one, seeded(1), model, fill=mean_colour) for one in settings]
figures.show(what_is_hidden(shown))

# %% [markdown]
# The world is drawn, so one can count. On 200 pictures and ten draws: which share of the mark is hidden, and which of
# the rest of the fish? For ADL and RDAP a cell of the map stands for 4 x 4 pixels.

# %%
pictures = train.images.float() / 255
parts, bodies = train.parts, train.masks & ~train.parts
print("hidden share of   the mark   the rest of the fish   the habitat")
for one in settings[1:]:
    shares = torch.zeros(3)
    for draw_number in range(10):
        result = erasing.hidden(pictures, one, seeded(draw_number), model, fill=mean_colour)
        (mask,) = result.masks.values()
        large = F.interpolate(mask[:, None].float(), size=48, mode="nearest")[:, 0]
        for i, region in enumerate((parts, bodies, ~train.masks)):
            shares[i] += (large * region).sum() / region.sum() / 10
    columns = "".join(f"{share:9.0%}" + " " * 8 for share in shares)
    print(f"{TITLES[one.method]:18s}{columns}")

# %% [markdown]
# HaS and CutMix hide the mark about as often as the rest of the fish: they do not know where it is. (CutMix's box lies in
# the middle of the picture more often than at its border, as the fish do.) ADL and RDAP do know, since the network's
# excitement gathers there; they hide in every second pass only.
#
# ## 6. Does it help?
#
# Five methods, each without and with entropy regularisation, three seeds: the same world, the same network, the
# same number of epochs. The strength 0.8 was chosen on validation for plain CAM in notebook
# [07](07_entropy_against_localisation.ipynb) and carried over to the others; their own hyperparameters are the settings
# above, chosen before and not tuned. **Predict** the order.

# %%
runs = experiments.sweep(grids.METHODS)
table = analysis.final(runs)
test = data.load("toy", "test")
size, true_boxes = test.images.shape[-1], test.boxes[:, None].numpy()
constant = metrics.constant_map_baseline(test.masks.numpy(), size=size)
centre = metrics.centre_box_baseline(true_boxes, size).max_box_acc

# %% tags=["figure:methods"]
words = {0.0: "without", 0.8: "with ER, ε = 0.8"}
named = table.assign(method=table.method.map(TITLES), loss=table.epsilon.map(words))
panels = {
    "pxap": ("PxAP (0 to 1)", constant, "constant map"),
    "max_box_acc_carried": ("BoxAcc, carried threshold", centre, "centred box"),
    "accuracy": ("accuracy", None, ""),
}
figure, axes = plt.subplots(1, 3, figsize=(10, 4.3), sharey=True)
for panel, (score, (label, floor, name)) in zip(axes, panels.items(), strict=True):
    sns.pointplot(
        named, x=score, y="method", hue="loss", ax=panel, legend=panel is axes[0],
        errorbar=figures.student, linestyle="none", markers=["o", "s"], dodge=0.25,
        capsize=0.1, markersize=5, err_kws={"linewidth": 1.6},
    )  # fmt: skip
    panel.set(xlabel=label, ylabel="", xlim=(0, 1.03))
    if floor is not None:
        panel.axvline(floor, color="0.4", ls=":", lw=1.2)
        panel.text(floor + 0.02, 4.45, name, color="0.4", fontsize=9)
axes[2].set_xlim(table.accuracy.min() - 0.03, 1.005)  # look closer: they are alike
sns.move_legend(axes[0], "lower left", bbox_to_anchor=(0, 1), ncols=2, title=None)

change = analysis.paired(table, "pxap", 0.0, 0.8).loc[list(TITLES)].rename(TITLES)
pairs = zip(change.index, change["mean"], change["half"], strict=True)
said = ", ".join(f"{name} {mean:+.2f} ± {half:.2f}" for name, mean, half in pairs)
clear = ", ".join(change.index[change["mean"].abs() > change["half"]])
sentence = (
    f"What ER at ε = 0.8 changes in PxAP, seed by seed: {said}. The interval leaves "
    f"zero out for {clear or 'none of them'}. Bars: 95 % intervals over three seeds."
)
figures.show(figure, sentence)

# %%
summary = analysis.over_seeds(table, ("method", "epsilon"))
print("PxAP, 95 % interval over three seeds; accuracy; both on test, last checkpoint")
for method in erasing.METHODS:
    for epsilon in (0.0, 0.8):
        row = summary.loc[(method, epsilon)]
        pxap = f"{row['pxap', 'mean']:.3f} ± {row['pxap', 'half']:.3f}"
        accuracy = f"{row['accuracy', 'mean']:.3f}"
        print(f"{TITLES[method]:20s} ε = {epsilon:3g}   {pxap}   {accuracy}")
print(f"constant map {constant:.3f}; BoxAcc of the best centred box {centre:.3f}")

# %% [markdown]
# The differences are taken seed by seed: the same seed gives the same initial weights and the same order of pictures in
# both runs, so what remains is closer to the effect of the one change. Three pairs still make a wide interval.
#
# Is any erasing method better than plain CAM by itself?

# %%
plain = table[table.epsilon == 0].pivot(index="seed", columns="method", values="pxap")
for method in list(erasing.METHODS)[1:]:
    change, half = metrics.seed_interval((plain[method] - plain["cam"]).to_numpy())
    verdict = "clear" if abs(change) > half else "not clear with three seeds"
    print(f"{TITLES[method]:20s} against CAM: {change:+.3f} ± {half:.3f} ({verdict})")

# %% [markdown]
# Keep in mind what this table is: one small network, one drawn world, one setting a method. It says how the comparison
# is *made*, and that hiding the best clue need not pay. On photographs the published gains over CAM are small, too,
# and depend on tuning: at equal effort for all, the benchmark of Choe et al. (2020) found no method clearly above CAM.
#
# ## 7. Where the light goes
#
# A score says how much, the regions of the world say where. **Predict:** which methods move light from the mark to the
# rest of the fish, and which to the habitat?

# %% tags=["figure:light"]
regions = {"part": "mark", "body": "rest of the body", "context": "context"}
light = named.melt(["method", "loss"], list(regions), "region", "score")
light["method"] = light.method.str.replace(" (", "\n(")
figure, axes = plt.subplots(1, 2, figsize=(10, 3.1), sharey=True)
for panel, (loss, own) in zip(axes, light.groupby("loss", sort=False), strict=True):
    sns.barplot(
        own, x="method", y="score", hue="region", palette=CUE_COLOURS, saturation=1,
        errorbar=figures.student, err_kws={"linewidth": 1, "color": "black"},
        capsize=0.1, ax=panel, legend=panel is axes[1],
    )  # fmt: skip
    panel.set(title=loss, xlabel="", ylabel="mean normalised score", ylim=(0, 1))
bars, _ = axes[1].get_legend_handles_labels()
axes[1].legend(bars, regions.values(), loc="upper right", ncols=3)

ratio = summary["body"]["mean"] / summary["part"]["mean"]
said = ", ".join(
    f"{name} {ratio[method, 0.0]:.2f} and {ratio[method, 0.8]:.2f}"
    for method, name in TITLES.items()
)
sentence = (
    "Light on the rest of the body for each unit of light on the mark, without and "
    f"with ER: {said}. Bars: 95 % intervals over three seeds."
)
figures.show(figure, sentence)

# %% [markdown]
# Look at the last two methods without ER. They do what they promise: compared with plain CAM, light moves from the mark to
# the rest of the fish. But the habitat brightens as well, and PxAP counts every lit pixel that is not fish. Hiding the peak
# tells the network *not here*; it does not tell it where else. On a fish that covers a third of the picture, a square around
# the mark leaves the habitat next to it as the nearest other evidence. CutMix is gentler: what it pastes is another
# fish, so the pixels that win are again fish.
#
# With ER the habitat darkens for all five, and the five come closer together. In this world the loss decides more
# than the scissors. Both readings are descriptions of these runs, not laws: turn the knobs of the world (notebook
# [07](07_entropy_against_localisation.ipynb), section 6) before you believe them elsewhere.
#
# ## 8. The networks of the papers
#
# The entropy paper uses a PreResNet-18 and an SE-ResNet-50, the benchmarks a ResNet-50. All of them halve the side five
# times; for localisation the last halving is taken out, so that a picture of 224 pixels gives a map of 14 x 14. Nothing
# is downloaded here: the weights are random.

# %%
for name in ("preresnet18", "seresnet50", "resnet50", "mobilenet_v2"):
    net = models.build(name, 200).eval()
    with torch.no_grad():
        shape = tuple(net.forward_features(torch.rand(1, 3, 224, 224)).shape[1:])
    number = sum(weights.numel() for weights in net.parameters()) / 1e6
    right, down = (round(px, 3) for px in models.map_offset(net, 224))
    print(
        f"{name:13s} {number:5.1f} M weights, map {shape}, drawn {right:g} px right, {down:g} px down"
    )
right, down = (abs(round(px, 3)) for px in models.map_offset(model, 48))
print(f"our small network: drawn {right:g} px right, {down:g} px down")

# %% [markdown]
# The last column is a finding that no table of methods shows. A padded 3 x 3 convolution with stride 2 centres its first
# output on the *first* pixel, not between the first two. Each one adds half a step, and after four of them the map, laid
# over the image as everyone does, lies several pixels to the right of and below what its cells have seen. The published protocol
# does not correct this; neither do we where we compare with it. (Our small network uses 4 x 4 kernels where it halves
# the side, for this reason.)
#
# The training recipes and data sets that go with these networks are fields of the same `Config`:
# `python -m entreg_utils run --help` lists them, and `python -m entreg_utils sweep --list` the grids of the paper's tables.
# They need photographs and a GPU, and were not run here.
#
# ## Summary
#
# - HaS and CutMix hide blindly, ADL and RDAP hide what the network is excited about; in testing nobody hides anything.
# - Each has a trap that public code fell into: pixels for numbers, the share of a clipped box, a map below zero.
# - Soft labels and entropy regularisation add up: both only change the target.
# - A comparison needs the same seeds, an interval, a baseline, and one word on who was tuned how.
#
# **Next:** [06](06_entropy_regularised_training.ipynb) leaves the picture alone and changes the loss.
