# %% [markdown]
# # 01 · Weakly supervised object localisation: what is given, what is asked for
#
# A classifier is trained on pictures and names. Nobody ever tells it where anything is. Afterwards we
# ask it *where*, and score the answer. This notebook takes the setting apart before any network is
# trained: what is labelled, what is asked for, and why a classifier that is right about every name can
# be wrong about nearly every place.
#
# **When you are through, you can**
#
# 1. say which labels a weakly supervised method may use, and at which moment it may use them;
# 2. read the drawn world of this course: three cues, their reliabilities, and exact masks;
# 3. work out the best accuracy that a single cue allows, and check it by counting;
# 4. explain why training drifts to one cue, and show on boxes what that costs;
# 5. tell which numbers of a localisation paper needed boxes to be chosen.
#
# **Before:** Python, a little PyTorch, what a softmax is. **To read:** 35 minutes.
# **To run:** 8 seconds on two CPU cores, without network.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
import torch.nn.functional as F
from entreg_utils import checks, data, figures, metrics
from entreg_utils.data.toy import boxes_of
from entreg_utils.figures import (
    CUE_COLOURS,
    OKABE_ITO,
    PREDICTED,
    TRUE,
    draw_box,
    picture_axes,
    picture_grid,
)

figures.use_style()

# %% [markdown]
# ## 1. The task
#
# In *fully supervised* detection every training picture comes with boxes. Drawing boxes is slow, and
# drawing the outline of an object is slower still; a name takes a second. **Weakly supervised object
# localisation** (WSOL) asks how far one gets with names alone: training sees (picture, name), and at
# test time the method must say where the named object is.
#
# We work in a small world that the package paints itself, a reef with fish. Because every picture is
# drawn, its box and its pixels are known exactly, and you need neither a download nor a GPU.
# The next cell loads its training and test pictures.

# %%
train = data.load("toy", "train")
test = data.load("toy", "test")
# images: bytes (N, 3, H, W)
print("training pictures:", tuple(train.images.shape))
print("test pictures:    ", tuple(test.images.shape))
print("species:", ", ".join(train.class_names[:4]), "and")
print("        ", ", ".join(train.class_names[4:]))

# %% [markdown]
# **Predict:** which of the three panels of the next figure may a weakly supervised method see while it
# trains?

# %% tags=["figure:task"]
shown, box = figures.as_picture(test.images[4]), test.boxes[4].tolist()
name, mask = test.class_names[test.labels[4]], test.masks[4].numpy()
x0, y0, x1, y1 = box  # x1 and y1: the first pixel outside
pale = np.where(mask[..., None], shown, 0.25 * shown + 0.75)
titles = [
    "training gives: picture and name",
    "the test asks: which box?",
    "or: which pixels?",
]
captions = [
    f'"{name}"',
    f"x {x0} to {x1}, y {y0} to {y1} pixels",
    f"{mask.sum()} of {mask.size} pixels",
]
figure, panels = picture_grid([shown, shown, pale], titles, captions)
draw_box(panels[1], box, TRUE)
edge = {"colors": TRUE, "linestyles": "--", "linewidths": 1.5}
panels[2].contour(mask, levels=[0.5], **edge)
figures.show(
    figure,
    f"A {name}: for training there is the picture and its name; asked "
    f"for is the box from ({x0}, {y0}) to ({x1}, {y1}), or the "
    f"{mask.mean():.0%} of the pixels that are fish.",
)

# %% [markdown]
# <details><summary>Answer</summary>
#
# Only the left one: a picture and its name. The box and the pixels are the question that the *test* asks.
#
# </details>

# %% [markdown]
# The box and the outline exist for every picture of this world, but in this course they are used for
# *measuring*. Whenever they are used for more than that (to choose a threshold, to choose a checkpoint),
# the text has to say so. Section 7 comes back to this. What is true is drawn in red dashes on every page.
#
# A box is written $(x_0, y_0, x_1, y_1)$ in pixels, the origin in the top left corner, $y$ growing
# downwards. Where a box *ends* is a convention. In this world, as in the public lists for the CUB birds,
# $x_1$ is the first column *outside* the fish, so that $x_1 - x_0$ is the width. At the frame there is no
# such column, and the last one of the picture is written. The next cell counts it out on this fish.

# %%
columns = np.flatnonzero(mask.any(axis=0))
last = test.images.shape[-1] - 1
at_frame = (test.boxes[:, 2:] == last).any(dim=1).sum()
fills = f"{columns[0]} to {columns[-1]}: {len(columns)} pixels"
print("the fish fills the columns", fills)
print(f"its box is written from {x0} to {x1}: x1 - x0 = {x1 - x0}")
print(f"boxes that reach column or row {last}:", end=" ")
print(f"{at_frame} of {len(test)}")

# %% [markdown]
# ## 2. A world with three cues
#
# Here are the species. Look for what a column has in common, and for what it does not.

# %% tags=["figure:species"]
species = range(train.num_classes)
# three pictures of each species, a row of the figure each
firsts = [np.flatnonzero(train.labels == c)[:3] for c in species]
rows = np.transpose(firsts).ravel()
number, side = train.labels.bincount(), train.images.shape[-1]
figure, _ = picture_grid(
    train.images[rows], train.class_names, columns=len(species)
)
figures.show(
    figure,
    f"{train.num_classes} species, a column each, in {side}x{side} "
    f"pixels; the split holds {len(train)} pictures, "
    f"{number.min()} to {number.max()} of each species.",
)

# %% [markdown]
# Three things speak about the species, and we call them **cues**:
#
# * the **part**: a ringed mark on the cheek, small and vivid;
# * the **body**: its colour and pattern, which fill the fish;
# * the **context**: the habitat behind it, which fills the picture.
#
# Each region is known to the pixel. The next cell cuts one picture into the three.

# %%
shown = figures.as_picture(train.images[1])
part, mask = train.parts[1].numpy(), train.masks[1].numpy()
regions = {
    "part: the mark": part,
    "body: all but the mark": mask & ~part,
    "context: the habitat": ~mask,
}
shares = {name: region.mean() for name, region in regions.items()}
assert np.isclose(sum(shares.values()), 1)  # no pixel is left over

# %% tags=["figure:cue_regions"]
cut = [
    np.where(region[..., None], shown, 0.93)
    for region in regions.values()
]
captions = [f"{share:.1%} of the pixels" for share in shares.values()]
figure, panels = picture_grid(
    [shown, *cut],
    [train.class_names[train.labels[1]], *regions],
    ["", *captions],
)
said = []
for panel, title in zip(panels[1:], regions, strict=True):
    cue = title.split(":")[0]
    panel.set_title(title, color=figures.ink(CUE_COLOURS[cue]))
    said.append(f"{cue} {shares[title]:.1%}")
figures.show(
    figure,
    "The same picture cut into its three regions, which share no "
    f"pixel and cover all: {', '.join(said)}.",
)

# %% [markdown]
# Notice the sizes. The mark covers a few pixels in a hundred; the body is several times larger; the
# habitat takes most of the picture. Whoever looks at the mark alone sees enough to name the fish, and a small part of
# what the box asks for. That is the problem of this course in one picture.
#
# On photographs no such cut exists: nobody can say which pixels of a bird are "the class". That is why
# the course has a drawn world beside the real data.
#
# ## 3. How far can each cue be trusted?
#
# A cue does not always tell the truth. In the drawn world each has a **reliability** $r$: with
# probability $r$ it shows the variant of the picture's own species, and otherwise that of another
# species, drawn uniformly. The reliabilities are knobs of `data.load`. The next cell prints their
# default values, and then *measures* them from the data: `cues` holds, for each picture, which
# species' variant part, body and context show.

# %%
knobs = [train.world.part, train.world.body, train.world.context]
agrees = (train.cues == train.labels[:, None]).float()  # (N, 3)
measured = agrees.mean(dim=0)
# 95 %, normal approximation
half_width = 1.96 * (measured * (1 - measured) / len(train)).sqrt()
chance = 1 / train.num_classes
print("knobs:", knobs)

# %% tags=["figure:reliabilities"]
cues = list(CUE_COLOURS)
figure, axes = plt.subplots(figsize=(9, 2.4))
axes.plot(knobs, cues, "k|", ms=26, mew=1.5)
place = {"ha": "right", "va": "center"}
for cue, share, half in zip(cues, measured, half_width, strict=True):
    ink = figures.ink(CUE_COLOURS[cue])
    bar = {"xerr": half, "fmt": "o", "capsize": 4}
    axes.errorbar(share, cue, color=ink, **bar)
    left = share - half - 0.02
    axes.text(left, cue, f"{share:.3f}", color=ink, **place)
axes.axvline(chance, color="grey", lw=1, ls="--")
axes.text(chance + 0.01, 2.45, f"chance {chance:.3f}", color="dimgrey")
axes.set(xlim=(0, 1.04), ylim=(2.6, -0.6))
axes.set_xlabel("share of pictures whose cue agrees with the label")
axes.set_title("black bar: the knob     dot: measured, 95 % interval")
# 1e-6: a reliability of exactly 1 has an interval of width 0
inside = (torch.tensor(knobs) - measured).abs() <= half_width + 1e-6
said = [f"{c} {s:.3f}" for c, s in zip(cues, measured, strict=True)]
figures.show(
    figure,
    f"Measured agreement with the label: {', '.join(said)}; "
    f"{inside.sum()} of 3 intervals hold the knob; guessing would "
    f"give {chance:.3f}.",
)

# %% [markdown]
# How much is that? In words, from the measured shares:

# %%
part, body, context = measured.tolist()
lies = f"lies in {1 - part:.1%} of the pictures"
lies = "never lies" if part == 1 else lies
print(f"The part {lies};", end=" ")
print(f"the body does in one picture of {1 / (1 - body):.0f}.")
print(f"The context is right {context / chance:.1f} times", end=" ")
print("as often as a guess, and wrong")
print("more" if context < 0.5 else "less", "often than right.")

# %% [markdown]
# This ordering is chosen with care: it imitates the situation in which a photograph's smallest detail (a bird's beak, a
# dog's ear) settles the name, the rest of the animal nearly does, and the background merely hints.
#
# A reliability below one means that some pictures contain a lie. The next cell finds pictures in
# which the body speaks for another species.

# %% tags=["figure:impostors"]
impostors = (agrees[:, 1] == 0).nonzero().flatten()[:5]
titles = [train.class_names[label] for label in train.labels[impostors]]
figure, panels = picture_grid(
    train.images[impostors], titles, ["\n\n\n"] * 5
)
truth = {"color": "black", "fontweight": "normal"}
lie = {"color": figures.ink("vermillion"), "fontweight": "bold"}
for panel, index in zip(panels, impostors, strict=True):
    look = {"transform": panel.transAxes, "fontsize": 8.5}
    for row, word in enumerate(("mark", "body", "habitat")):
        says = train.class_names[train.cues[index, row]]
        kind = truth if agrees[index, row] else lie
        height = -0.1 - 0.13 * row
        panel.text(0, height, f"{word}: {says}", **look, **kind)
wrong = (agrees[impostors] == 0).sum(dim=0)
figures.show(
    figure,
    f"Of these {len(impostors)} pictures the cue speaks for another "
    f"species than the label (bold): mark in {wrong[0]}, body in "
    f"{wrong[1]}, habitat in {wrong[2]}.",
)

# %% [markdown]
# The label sides with the mark, every time. Keep these pictures in mind: a handful of impostors is
# what makes a classifier distrust the whole body.
#
# ## 4. What a name is worth to a classifier
#
# ### By hand
#
# Suppose that you may look at *one* cue only. It shows variant $j$; there are $C$ species, all equally
# frequent. Bayes' rule gives probability $r$ to species $j$ and $(1-r)/(C-1)$ to each other one. So the
# best bet is $j$, and its accuracy is
#
# $$\max\Bigl(r,\ \frac{1-r}{C-1}\Bigr).$$
#
# **Predict:** how accurate is the best classifier that looks at the mark? At the body? At the habitat?
#
# ### By counting
#
# The same without knowing $r$: a look-up table. Count on the training pictures how often variant $j$
# came with species $c$, and answer with the most frequent species. No gradient, no library.


# %%
def look_up(cue):
    # rows: variant shown; columns: label
    table = torch.zeros(train.num_classes, train.num_classes)
    pairs = zip(train.cues[:, cue], train.labels, strict=True)
    for variant, label in pairs:
        table[variant, label] += 1
    answer = table.argmax(dim=1)  # best bet for each variant
    right = answer[test.cues[:, cue]] == test.labels
    return right.float().mean().item()


by_counting = [look_up(cue) for cue in range(3)]
by_hand = [max(r, (1 - r) / (train.num_classes - 1)) for r in knobs]
print("by hand:    ", [f"{value:.3f}" for value in by_hand])
print("by counting:", [f"{value:.3f}" for value in by_counting])

# %% [markdown]
# <details><summary>Answer</summary>
#
# The line "by hand": each cue is worth its reliability, since it shows the own species more often than any
# other one. The mark alone is right every time.
#
# </details>

# %% [markdown]
# Counting agrees with Bayes' rule up to the luck of the draw: the test split is a sample too. The next
# cell makes that "up to" precise: each difference must lie within three standard errors.

# %%
for name, expected, found in zip(
    cues, by_hand, by_counting, strict=True
):
    error = (expected * (1 - expected) / len(test)) ** 0.5
    assert abs(expected - found) <= 3 * error + 1e-12
    print(f"{name:8s} difference {found - expected:+.3f},", end=" ")
    print(f"standard error {error:.3f}")

# %% [markdown]
# ### From the pixels
#
# The table above was allowed to read the hidden variable `cues`. A network has only pixels. Is the cue
# really *in* them? The simplest test there is: take the mean colour inside the cue's region, remember
# the mean colour of each species, and answer with the nearest one.


# %%
def mean_colour(split, region):  # region (N, H, W) -> (N, 3)
    inside = region[:, None].float()
    count = inside.sum((2, 3)).clamp_min(1)
    return (split.images / 255 * inside).sum((2, 3)) / count


def nearest_colour(region_of):
    seen = mean_colour(train, region_of(train))
    asked = mean_colour(test, region_of(test))
    centres = [seen[train.labels == c].mean(0) for c in species]
    nearest = torch.cdist(asked, torch.stack(centres)).argmin(1)
    return (nearest == test.labels).float().mean().item()


from_pixels = [
    nearest_colour(lambda split: split.parts),
    nearest_colour(lambda split: split.masks & ~split.parts),
    nearest_colour(lambda split: split.contexts),
]

# %% tags=["figure:cue_accuracies"]
ways = {
    "look-up table": by_counting,
    "mean colour": from_pixels,
    "Bayes' rule": by_hand,
}
wide = pd.DataFrame(ways, index=pd.Index(cues, name="cue"))
stacked = wide.rename_axis(columns="way").stack()
long = stacked.rename("accuracy").reset_index()
figure, axes = plt.subplots(figsize=(9, 2.9))
bars = {"x": "accuracy", "y": "cue", "hue": "way"}
sns.barplot(long, **bars, palette="cividis", ax=axes)
for bars in axes.containers:
    axes.bar_label(bars, fmt=" %.3f", fontsize=9)
axes.axvline(chance, color="black", lw=1, ls="--")
axes.text(chance + 0.005, -0.47, "chance", fontsize=9)
axes.set(xlim=(0, 1.06), ylabel="")
axes.set_xlabel("test accuracy from this cue alone")
axes.legend(loc="lower right")
table = wide["look-up table"]
said = ", ".join(f"{cue} {value:.3f}" for cue, value in table.items())
spread = wide.sub(table, axis=0).abs().to_numpy().max()
figures.show(
    figure,
    f"Test accuracy from one cue alone, look-up table: {said}; the "
    f"other ways differ from it by {spread:.3f} at most.",
)

# %% [markdown]
# Three ways, one picture: the mark alone is enough, the body is nearly enough, and the habitat is worth
# little. (The colour of a habitat is not all that tells it apart; its texture does too. So the mean
# colour may fall short of the table there.)
#
# Now comes the point. Give the classifier *all* cues. What does the body add to a mark that never
# lies? As far as the label goes: nothing.

# %%
mark_right, body_right = (test.cues[:, :2] == test.labels[:, None]).T
either = (mark_right | body_right).float().mean()
only_body = (body_right & ~mark_right).float().mean()
print(f"pictures where mark or body is right:       {either:.3f}")
print(f"pictures where the body is right, mark not: {only_body:.3f}")

# %% [markdown]
# There is no picture in which looking at the body would have rescued the answer. A loss that sees names
# only has no reason to look there. This is a **shortcut**: the shortest route to a low loss, and it is
# *correct*. It generalises, too. It is only not what we wanted to know.
#
# ## 5. Watch the shortcut form
#
# Does training really take it? A classifier on the three cues is small enough to train in front of
# you: one weight for each (cue, variant, species), softmax, cross-entropy, plain gradient descent.
# We record how much each cue adds to the right species' logit over that of a wrong one, the **gap**, and
# the **entropy** of the predictions: how undecided they are, from 0 (sure) to the logarithm of the number of
# species (all alike). With the natural logarithm its unit is the *nat*; notebook 02 is about it.
#
# **Predict:** after a few steps, does the mark matter more than the body? And after thousands?

# %%
count = train.num_classes
shown = F.one_hot(train.cues, count).float()  # (N, 3, C)
inputs = shown.flatten(1)  # (N, 3 C)
target = F.one_hot(train.labels, count).float()
weights = torch.zeros(3 * count, count)


# mean weight of the right species minus that of the wrong ones, (3,)
def gap_of_each_cue(weights):
    blocks = weights.reshape(3, count, count)
    # where the variant is that of the species
    agreeing = blocks.diagonal(dim1=1, dim2=2).sum(1)
    others = blocks.sum((1, 2)) - agreeing
    return agreeing / count - others / (count * (count - 1))


# %%
steps, gaps, entropies = [], [], []
for step in range(1, 3001):
    log_p = (inputs @ weights).log_softmax(dim=1)
    if step in (2, 4, 11, 31, 101, 301, 1001, 3000):
        steps.append(step - 1)
        gaps.append(gap_of_each_cue(weights).tolist())
        entropies.append(-(log_p.exp() * log_p).sum(1).mean().item())
    weights -= 2.0 * inputs.T @ (log_p.exp() - target) / len(train)

# %%
gap = pd.DataFrame(gaps, index=steps, columns=cues)
share = gap.div(gap.sum(axis=1), axis=0)


def draw_cues(axes, values, form):  # a line a cue, its last value
    look = {"dashes": False, "marker": "o", "legend": False}
    sns.lineplot(values, palette=CUE_COLOURS, **look, ax=axes)
    for cue, last in values.iloc[-1].items():
        words = f"  {cue} {form.format(last)}"
        ink = figures.ink(CUE_COLOURS[cue])
        axes.text(steps[-1], last, words, color=ink, va="center")
    axes.set(xscale="log", xlabel="gradient steps")
    axes.set(xlim=(1, steps[-1] ** 1.32), ylim=(0, None))


# %% tags=["figure:shortcut_forms"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
draw_cues(left, gap, "{:.1f}")
left.set(title="logit gap from each cue", ylabel="logit units")
draw_cues(right, share, "{:.0%}")
right.set(title="the same as a share of all evidence", ylabel="share")
first, last = share.iloc[0], share.iloc[-1]
figures.show(
    figure,
    f"From step {steps[0]} to step {steps[-1]} the mean entropy falls "
    f"from {entropies[0]:.2f} to {entropies[-1]:.2f} nats, the part's "
    f"share of the evidence goes from {first['part']:.0%} to "
    f"{last['part']:.0%} and the body's from {first['body']:.0%} to "
    f"{last['body']:.0%}.",
)

# %% [markdown]
# <details><summary>Answer</summary>
#
# At first hardly: the shares of mark and body lie close together. After thousands of steps clearly, and
# the distance still grows.
#
# </details>

# %% [markdown]
# Read both panels from left to right. At first the mark and the body count almost alike: a young
# classifier is a *mean-difference* classifier, and both cues differ between the species' means. Then
# the body's gap nearly stops growing. The impostors hold it: each of them pushes the body's weight down
# whenever it gets too large. Nothing holds the mark. To push the last bit of loss out, the classifier
# makes its predictions ever more certain (the entropy falls), and the only way to do that at no risk
# is to lean on the mark.
#
# So the evidence concentrates *while the entropy falls*. Here is the idea of the paper behind this
# course in one line: if low entropy is what drives the classifier onto the part, hold the entropy up
# during training, and the map may keep the body. Whether it does, and at what price, is measured in
# notebooks 06 and 07.
#
# ## 6. What a place is worth
#
# ### Intersection over union
#
# To say how good a box $\hat B$ is, one compares it with the true box $B$. The **intersection over union** is the area that
# both share, divided by the area that either covers:
# $\mathrm{IoU}(\hat B,B) = |\hat B\cap B| \,/\, |\hat B\cup B|$, from 0 (disjoint) to 1 (equal). A box that is too large
# loses as much as one that is too small.
#
# Two conventions meet here, and they do not fit. The field's *code* takes both ends of a box as pixels
# that belong to it, so that a side is $x_1 - x_0 + 1$ long. The *boxes*, in the public lists and here, end one
# pixel further than their object (section 1). So a side is counted one pixel longer than the object is, for
# predicted and true boxes alike. We follow the field all the same, so that numbers can be compared;
# notebook 04 shows what it costs.
#
# **Exercise 1 (5 minutes).** Write the function. Mind boxes that do not overlap.


# %% tags=["solution"]
# Exercise: intersection over union of two boxes (x0, y0, x1, y1),
# both ends included.
#! iou = None
def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    common = max(width, 0) * max(height, 0)
    area_a = (a[2] - a[0] + 1) * (a[3] - a[1] + 1)
    area_b = (b[2] - b[0] + 1) * (b[3] - b[1] + 1)
    return common / (area_a + area_b - common)


# %% tags=["check"]
checks.iou(iou)

# %% [markdown]
# The package has the same for whole matrices of boxes. The next cell compares a ten-line version with
# it on random boxes, and from then on we use the package's.


# %%
# count pixels: slow, and impossible to get wrong
def iou_by_counting(a, b, side=48):
    x, y = np.arange(side), np.arange(side)[:, None]

    def pixels(c):
        return (x >= c[0]) & (x <= c[2]) & (y >= c[1]) & (y <= c[3])

    common, either = pixels(a) & pixels(b), pixels(a) | pixels(b)
    return common.sum() / either.sum()


corners = np.random.default_rng(0).integers(0, 48, (60, 2, 2))
corners = np.sort(corners, axis=1).reshape(60, 4)
ones, others = corners[:30], corners[30:]
counted = [[iou_by_counting(a, b) for b in others] for a in ones]
worst = np.abs(metrics.box_iou(ones, others) - counted).max()
assert worst < 1e-12
print("metrics.box_iou equals the share of pixels counted,", end=" ")
print(f"on {np.size(counted)} pairs of boxes")

# %% [markdown]
# ### A perfect name, a useless box
#
# Imagine the *ideal* shortcut: a method whose map is exactly the mark, no pixel more or less. Its
# names are perfect. How good are its boxes? **Predict** the IoU before you look. (A network's map is coarser than this:
# its light may sit on the mark and its box still come out too large. Notebook 07 measures what real maps do.)

# %%
# tight boxes of the marks, (N, 4)
part_boxes = boxes_of(test.parts.numpy())
true_boxes = test.boxes
part_iou = np.diag(metrics.box_iou(part_boxes, true_boxes))

# %% tags=["figure:mark_boxes"]
captions = [f"IoU {value:.2f}" for value in part_iou[:5]]
figure, panels = picture_grid(test.images[:5], captions=captions)
for panel, part, true in zip(
    panels, part_boxes, true_boxes, strict=False
):
    draw_box(panel, true, TRUE)
    draw_box(panel, part, PREDICTED)
words = "green: box of the mark     red dashes: box of the fish"
figure.suptitle(words, x=0.005, ha="left", fontsize=11)
figures.show(
    figure,
    "The mark names the fish and marks a spot on it: in these "
    f"{len(panels)} pictures the IoU of the two boxes is at most "
    f"{part_iou[:5].max():.2f}.",
)

# %% [markdown]
# <details><summary>Answer</summary>
#
# Small: a mark of a few pixels in a hundred lies inside a box that holds all of the fish, so the IoU is
# the ratio of two very different areas. The captions give it for these pictures.
#
# </details>

# %% [markdown]
# The boxes are where the name is decided, and they miss the fish. Over the whole test split, beside two
# boxes that never look at the picture:

# %%
centre = [12, 12, 36, 36]  # half the picture's side, in the middle
whole = [0, 0, 47, 47]  # the frame: there is no pixel outside
ious = {
    "box of the mark": part_iou,
    "centred box": metrics.box_iou([centre], true_boxes)[0],
    "whole picture": metrics.box_iou([whole], true_boxes)[0],
}
at_half = {name: (v >= 0.5).mean() for name, v in ious.items()}

# %% tags=["figure:iou_shares"]
figure, axes = plt.subplots(figsize=(9, 3.2))
palette = [PREDICTED, OKABE_ITO["blue"], "black"]
sns.ecdfplot(ious, complementary=True, palette=palette, ax=axes)
for level in (0.3, 0.5, 0.7):
    axes.axvline(level, color="grey", lw=0.8, ls=":")
axes.set_xlabel("IoU that is asked for (dotted: 0.3, 0.5, 0.7)")
axes.set(xlim=(0, 1), ylim=(0, 1.03), ylabel="share of pictures")
said = ", ".join(
    f"{name} {at_half[name]:.3f} (mean IoU {values.mean():.2f})"
    for name, values in ious.items()
)
worse = at_half["box of the mark"] < at_half["centred box"]
figures.show(
    figure,
    f"Share of pictures with an IoU of at least 0.5: {said}. The "
    f"perfect shortcut scores {'below' if worse else 'not below'} "
    "the centred box.",
)

# %% [markdown]
# Localisation scores are read off such curves. The field asks at three **levels**: an IoU of at least 0.3 (roughly
# there), 0.5 (the usual question) and 0.7 (tight); the mean over the three is MaxBoxAccV2 (notebook 04). The rival
# there is a box that was drawn with closed eyes. A *better* classifier would change nothing about it. That is what "the shortcut hurts" means: the name and the
# place pull at different pixels, and the loss pays for one of them only.
#
# Remember the centred box. On CUB, the birds that this field measures itself on, a centred box
# reaches a surprisingly high score, and many published numbers stand near it. Every localisation score
# in this course is printed beside this baseline.
#
# ### And if the context were perfect?
#
# A shortcut may also sit *outside* the object: rails under every train, water under every boat. Then
# the map is too large instead of too small, and lies beside the object. The regulariser of this course
# is not made for that: what spreads the evidence has no reason to stop at the outline of the fish.
# Notebook 07 shows worlds in which it helps and one in which it does harm.

# %% [markdown]
# ### The cue lab
#
# So far the world was given, and no network was trained. Here you make one and train one: three sliders set the reliabilities, *Train* trains a small
# network in your world, live and within ten seconds, and *Stop* ends it at any step and shows what there is.
# Two things are measured on the test pictures. The **worth** of a cue, in logits: repaint this cue alone so
# that it speaks for another species, and take half of what the right species loses against that one. And how
# bright the network's **map** is on each region, from 0 to 1. Notebook 03 says where a map comes from; read
# it as "here the network saw its species". The upper row is the default world: a stored run, trained alike.
#
# **Predict** before each press. Start from the default world, move what is said, and put it back:
#
# 1. nothing: is it the stored network once more?
# 2. mark to 0.90: which cue will be worth most?
# 3. body to 1.00: of two cues that never lie, which is worth more?
# 4. mark to 0.50 and habitat to 1.00: where will the map be bright?

# %%
import contextlib

from entreg_utils import cam, experiments, sliders, training
from entreg_utils.live import Stopped, Trainer

LIVE = experiments.grids.LIVE
stored = experiments.run(LIVE)
SHOWN = stored.panel[0]  # a test picture whose map is stored


def learn(progress, **knobs):  # trained as `stored` was
    torch.set_num_threads(1)  # sums in one order
    mine = experiments.er(0.0, num_train=LIVE.num_train, **knobs)
    taught, _, asked = experiments.splits(mine)
    network = experiments.build(mine)
    network = network.to(memory_format=torch.channels_last)
    with contextlib.suppress(Stopped):
        training.fit(
            network, taught, mine.training, after_step=progress
        )
    view = training.View(asked)
    view.title = ""  # no bar besides the lab's own
    probes = training.evidence, training.reliance
    found = training.evaluate(network, view, probes)
    one = asked.images[[SHOWN]] / 255
    maps, _ = cam.class_activation_map(
        network, one, asked.labels[[SHOWN]]
    )
    return found | {"map": maps[0].numpy(), "progress": progress}


# %%
NAMES = dict(zip(CUE_COLOURS, ("mark", "body", "habitat"), strict=True))


def draw_row(panels, knobs, found):  # picture and map of one world
    shown = data.toy("test", SHOWN + 1, cache=False, **knobs)
    picture = figures.as_picture(shown.images[SHOWN])
    bright, scores = "\n", np.full(picture.shape, 0.93)
    if found:
        cells = ", ".join(f"{NAMES[c]} {found[c]:.2f}" for c in NAMES)
        bright = "bright: " + cells.replace(", h", "\nh")
        scores = metrics.score_map(found["map"], picture.shape[:2])[0]
    for panel, own in zip(panels, (picture, scores), strict=True):
        panel.imshow(own, vmin=0, vmax=1)
        picture_axes(panel)
    panels[1].contour(shown.masks[SHOWN], [0.5], colors=["0.6"])
    panels[1].set_xlabel(bright, fontsize=9)


def worths(found):  # in logits, cue by cue
    return [found[f"reliance_{cue}"] for cue in NAMES]


def read(found):
    cues = zip(NAMES.values(), worths(found), strict=True)
    listed = ", ".join(f"{cue} {worth:.1f}" for cue, worth in cues)
    most = [*NAMES.values()][int(np.argmax(worths(found)))]
    first = f"the {most} is worth most"
    if max(worths(found)) < 0.1:
        first = "no cue is worth much yet"
    right = f"accuracy {found['accuracy']:.2f}"
    return f"{first} (in logits: {listed}), {right}"


# %%
BEFORE = stored.metrics | {"map": stored.maps[-1, 0]}
DEFAULT = {cue: getattr(LIVE, cue) for cue in NAMES}


def lab(found, **knobs):
    figure = plt.figure(figsize=(9, 4.1))
    places = [["seen", "map", "bars"], ["my seen", "my map", "bars"]]
    grid = figure.subplot_mosaic(places, width_ratios=[1, 1, 1.6])
    draw_row([grid["seen"], grid["map"]], DEFAULT, BEFORE)
    draw_row([grid["my seen"], grid["my map"]], knobs, found)
    grid["seen"].set_title("default world")
    grid["map"].set_title("its map")
    grid["my seen"].set_title("your world")
    grid["my map"].set_title("your map" if found else "not trained")
    axes, rows = grid["bars"], np.arange(3)
    axes.barh(rows - 0.2, worths(BEFORE), 0.36, color="0.6")
    mine = worths(found) if found else [0.0] * 3
    axes.barh(rows + 0.2, mine, 0.36, color=CUE_COLOURS.values())
    ticks = [f"{NAMES[c]}\n{knobs[c]:.2f}" for c in NAMES]
    axes.set_yticks(rows, ticks)
    axes.set(xlim=(min(-1, *mine), max(9, *mine)), ylim=(2.6, -0.6))
    axes.set_xlabel("logits; grey: default world")
    axes.set_title("worth of each cue")
    own = ", ".join(f"{NAMES[c]} {r:.2f}" for c, r in knobs.items())
    told = f"Your world ({own}): not trained yet."
    if found:
        run = found["progress"]
        passed = LIVE.epochs * run.done / run.total
        told = (
            f"Your world ({own}), {LIVE.num_train:,} images, "
            f"{passed:.1f} of {LIVE.epochs} epochs in "
            f"{run.seconds:.1f} s: {read(found)}."
        )
    return figure, f"{told} Default world, stored: {read(BEFORE)}."


# %% tags=["nbval-ignore-output"]
look = {"min": 0.1, "max": 1.0, "step": 0.05}
dials = {
    cue: sliders.FloatSlider(
        value=value, description=NAMES[cue], **look
    )
    for cue, value in DEFAULT.items()
}
Trainer(learn, lab, **dials)

# %% [markdown]
# <details><summary>Answer</summary>
#
# 1. It is: the seed decides. Only another kind of processor, which rounds otherwise, leads a little elsewhere.
# 2. The body. The mark lies more often now than the body does, and the body is larger.
# 3. The body again: without impostors nothing holds it back, and what covers more pixels is learned sooner.
# 4. No longer on the mark, and most on the habitat: a cue that never lies takes all, wherever it lies.
#
# Try *Stop* at a quarter of the bar, too: a network that is hardly trained has not left the body yet, as section 5 said of
# young classifiers.
#
# </details>

# %% [markdown]
# ## 7. Who may look at boxes, and when
#
# A map becomes a box through choices: a threshold, a checkpoint, a learning rate. With names alone one
# cannot rank these choices by localisation. So *somebody's* boxes are used, and honest work says whose.
#
# | rule | boxes used to choose | what the number means |
# |---|---|---|
# | fixed in advance | none | what you get on new data |
# | chosen on validation, carried over | a small set, apart from the test set | what you get with a little full supervision |
# | oracle: chosen on the test set | all of the test set | an upper bound, not what you get |
#
# The benchmark code of the field (Choe et al., 2020) reports the oracle threshold by design, and
# proposes a separate small set with boxes for everything else. Older code chose its checkpoint on the
# test pictures, too.
#
# You can feel the difference without any network. Take the centred box, and let its side be a free
# choice. The next cell chooses it on 20 validation pictures, on all of them, and on the test set.

# %%
val = data.load("toy", "val")
sides = np.round(np.arange(0.30, 1.001, 0.025), 3)


# share of pictures with an IoU of at least 0.5 for each side, (S,)
def share_correct(boxes):
    given = {"size": 48, "iou_thresholds": [0.5], "sides": sides}
    return metrics.centre_box_baseline(boxes, **given).curve[0]


sets = {
    "20 validation pictures": val.boxes[:20],
    "all validation pictures": val.boxes,
}
curves = {name: share_correct(boxes) for name, boxes in sets.items()}
curves["test set (oracle)"] = share_correct(test.boxes)
chosen = {name: int(curve.argmax()) for name, curve in curves.items()}

# %% tags=["figure:chosen_side"]
figure, axes = plt.subplots(figsize=(9, 3.4))
colours = OKABE_ITO["orange"], OKABE_ITO["blue"], "black"
test_curve, said = curves["test set (oracle)"], []
# smaller dots on top: two sets that pick the same side stay visible
for name, colour, dot in zip(curves, colours, (14, 10, 6), strict=True):
    side, score = sides[chosen[name]], test_curve[chosen[name]]
    axes.plot(sides, curves[name], color=colour, alpha=0.6, label=name)
    axes.axvline(side, color=colour, lw=1, ls=":")
    axes.plot(side, score, "o", color=colour, ms=dot, zorder=4)
    said.append(f"{name}: side {side:.3f}, {score:.3f} on the test set")
axes.legend(loc="upper left")
axes.set_xlabel("side of the centred box, share of the picture's side")
axes.set(ylim=(0, None), ylabel="share of pictures, IoU >= 0.5")
axes.set_title("dots: what each choice scores on the test pictures")
best = test_curve.max()
few, many = (100 * (best - test_curve[chosen[name]]) for name in sets)
figures.show(
    figure,
    f"Best side by each set, and its score: {'; '.join(said)}. Points "
    f"lost to the oracle: {few:.2f} with 20 pictures, {many:.2f} with "
    f"{len(val)}.",
)

# %% [markdown]
# The curve of the small set is ragged, and its best point is partly luck. The oracle's choice can never
# score lower than the others *on the pictures it was chosen on*: that is what makes it an upper bound.
# With one free number the gap is what the sentence says. It grows with the number of things
# that are chosen at once, and a paper chooses many. Note also that a blind box improved by using
# boxes. Any method that is compared with it should have the same help.
#
# ## 8. The real data sets
#
# The rest of the field works on photographs. The next cell prints what this course relies on. The last
# column says how we know: *verified* means read in the evaluation code's own lists or computed from
# them; what was not verified is not printed as a number. *Pictures* counts training with names / validation
# with boxes or masks / test; *centred box* is the share of test pictures, in per cent, in which a centred box has an IoU of at
# least 0.5, its side the best one on the test set.

# %%
head = "data set|name given|where|score|pictures|centred box|status"
known = """
CUB-200-2011|1 of 200 birds|1 box|BoxAcc|5994/1000/5794|59.67|verified
OpenImages30k|1 of 100|mask, ignore|PxAP|29819/2500/5000|-|verified
Flowers-102|1 of 102|mask|PxAP|-|-|split not verified
Oxford-IIIT Pet|breed|mask|PxAP|-|-|split not verified
PASCAL VOC 2012|several|class masks|mPxAP|-|-|split not verified
"""
counts = "/".join(str(len(split)) for split in (train, val, test))
blind = f"{100 * curves['test set (oracle)'].max():.2f}"
fish = f"1 of {train.num_classes} fish|all exact|all"
known += f"embedded reef|{fish}|{counts}|{blind}|counted"
wide = pd.DataFrame(
    [row.split("|") for row in known.strip().splitlines()],
    columns=head.split("|"),
)
wide.set_index("data set")

# %% [markdown]
# The scores in short: **BoxAcc** is the share of pictures whose box has an IoU of at least 0.5 with a true
# one; **PxAP**, pixel average precision, asks how well the map ranks the object's pixels above the others;
# **mPxAP** is its mean over classes. Notebook 04 builds all of them. Three remarks on the table.
#
# * **CUB** (Caltech-UCSD Birds) has one bird and one box a picture. Look at its centred box, and keep that number by you
#   when you read a table of CUB scores. Its licence allows research and education only, not commercial use.
# * **OpenImages** has masks, and *ignore* regions: pixels that count neither for nor against. Scores on
#   pixels need no choice of a box threshold; the average precision runs over all thresholds.
# * **VOC** (Visual Object Classes) pictures have several names at once, so the loss is another one, and the score is averaged
#   over classes. "Oxford" in the literature may mean the flowers or the pets; papers do not always say
#   which, so the course supports both.
#
# Notebook 10 loads them. Each loader prints the data's licence before it downloads anything.
#
# ## 9. Two more exercises
#
# **Exercise 2 (5 minutes).** A cue has reliability 0.05 in a world of 8 species, *less* than chance. What
# is the accuracy of the best classifier that sees only this cue?

# %% tags=["solution"]
# Exercise: best accuracy from one cue of reliability 0.05 among
# 8 classes.
#! best_accuracy = None
best_accuracy = max(0.05, (1 - 0.05) / (8 - 1))

# %% tags=["check"]
checks.expected_accuracy(best_accuracy, reliability=0.05, num_classes=8)

# %% [markdown]
# **Exercise 3 (10 minutes).** Paint over the mark in every tenth picture (`part_visibility=0.9`; `cues`
# is then -1 in its first column). How accurate is a classifier that uses the mark where it is painted
# and the body where it is not? And do you expect the shortcut to be as strong in this world?

# %% tags=["solution"]
# Exercise: accuracy of "mark if painted, else body" on this test
# split, in 0..1.
hidden = data.load("toy", "test", part_visibility=0.9)
#! hidden = data.load("toy", "test", part_visibility=0.9)
#! accuracy = None
blank = hidden.cues[:, 0] < 0
guess = torch.where(blank, hidden.cues[:, 1], hidden.cues[:, 0])
accuracy = (guess == hidden.labels).float().mean()

# %% tags=["check"]
checks.blanked(accuracy, hidden)

# %% [markdown]
# With the mark hidden now and then, the label itself rewards looking at the body. That is the idea of
# *erasing* methods (Hide-and-Seek, CutMix, the attention-based dropout layer ADL), which notebook [05](05_cam_baselines.ipynb) builds: they take the shortcut away
# by force. Entropy regularisation leaves the picture alone and changes the loss.
#
# ## Summary
#
# * WSOL trains on names and is scored on places. Boxes may measure; where they choose, say so.
# * A cue of reliability $r$ allows an accuracy of $\max(r, (1-r)/(C-1))$. The part alone allows all of it.
# * Training drives the evidence onto the part while the entropy falls, because impostors hold the body.
# * The box of the part is far too small. The name does not care; the score does.
# * Every score stands beside a centred box, and beside the rule that chose its threshold.

# %% [markdown]
# ## Quiz
#
# **1.** Which of these uses of boxes makes a localisation score better than what one gets on new pictures?
#
# - a) scoring the test pictures with their boxes
# - b) choosing the threshold with the boxes of the test pictures
# - c) drawing the true box beside the map
#
# <details><summary>Answer</summary>
#
# b). Measuring with boxes is what they are for (a), and a drawing changes nothing (c). A choice that looks at the test boxes is
# an *oracle*: its score is an upper bound, since nobody has those boxes for new pictures.
#
# </details>
#
# **2.** A predicted box holds the whole true box and has twice its area. What is the IoU? And for a box of half the area, inside
# the true one?
#
# <details><summary>Answer</summary>
#
# One half in both cases. In the first the intersection is the true box and the union the predicted one; in the second it is the
# other way round. (Counted by areas; the pixel convention of section 6 changes it a little.)
#
# </details>
#
# **3.** A classifier looks at the mark only, and names every fish rightly. Is anything wrong with it?
#
# <details><summary>Answer</summary>
#
# As a classifier, no: the mark never lies, so the shortcut is correct, and it generalises. As an answer to *where* it fails: the box of the
# mark is a small part of the box of the fish, so the IoU is low. The loss pays for the name and not for the place, and a
# better classifier would not change that.
#
# </details>
#
# **4.** In section 5 the gap of the body nearly stops growing, and that of the mark does not. What would change in a
# world without impostors, where the body never lies?
#
# <details><summary>Answer</summary>
#
# Nothing would hold the body any more: no picture would push its weight down when it becomes large. Mark and body would both
# keep growing, and the evidence would not drift to the mark alone.
#
# </details>
#
# **5.** Three papers report a box accuracy. Anna fixed her threshold before she saw any data, Ben took the one that is best on a few
# validation pictures with boxes, Carla the one that is best on the test pictures. What does each number mean? And what has
# to stand beside all three?
#
# <details><summary>Answer</summary>
#
# Anna's (*fixed*) is what one gets with names alone. Ben's (*carried* over from validation) is what one gets with a little full
# supervision, and he says how much. Carla's (*oracle*) is an upper bound. Comparing the three with one another compares rules, not
# methods. Beside each stands a centred box, with its side chosen by the same rule.
#
# </details>

# %% [markdown]
# **Next:** [02](02_entropy_and_regularisers.ipynb) makes "hold the entropy up" precise: entropy, label
# smoothing, and the other regularisers, with values and gradients.
# [03](03_cam_from_scratch.ipynb) shows where a map comes from.
