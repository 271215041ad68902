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
# 2. read the embedded world of this course: three cues, their reliabilities, and exact masks;
# 3. work out the best accuracy that a single cue allows, and check it by counting;
# 4. explain why training drifts to one cue, and show on boxes what that costs;
# 5. tell which numbers of a localisation paper needed boxes to be chosen.
#
# **Before:** Python, a little PyTorch, what a softmax is. **To read:** 25 minutes.
# **To run:** 10 seconds on two CPU cores, without network.

# %%
import numpy as np
import torch
import torch.nn.functional as F

from entreg_utils import checks, data, figures, metrics
from entreg_utils.data.toy import boxes_of
from entreg_utils.figures import shortcut, world

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
print("training pictures:", tuple(train.images.shape))  # (N, 3, H, W) bytes
print("test pictures:    ", tuple(test.images.shape))
print("species:", ", ".join(train.class_names))

# %% [markdown]
# Before you run the next cell: which of the three panels may a weakly supervised method see while it
# trains?

# %%
figures.show(world.task(test, index=4))

# %% [markdown]
# Only the left one. The box and the outline exist for every picture of this world, but in this course
# they are used for *measuring*. Whenever they are used for more than that (to choose a threshold, to
# choose a checkpoint), the text has to say so. Section 6 comes back to this.
#
# A box is written $(x_0, y_0, x_1, y_1)$ in pixels, the origin in the top left corner, $y$ growing
# downwards.
#
# ## 2. A world with three cues
#
# Here are the species. Look for what a column has in common, and for what it does not.

# %%
figures.show(world.gallery(train, per_class=3))

# %% [markdown]
# Three things speak about the species, and we call them **cues**:
#
# * the **part**: a ringed mark on the cheek, small and vivid;
# * the **body**: its colour and pattern, which fill the fish;
# * the **context**: the habitat behind it, which fills the picture.
#
# Each region is known to the pixel. The next cell cuts one picture into the three.

# %%
figures.show(world.cue_regions(train, index=1))

# %% [markdown]
# Notice the sizes. The mark covers a few pixels in a hundred; the body is several times larger; the
# habitat is nearly everything. A map that lights up on the mark alone is a very small map, and that is
# the whole problem of this course in one picture.
#
# On photographs no such cut exists: nobody can say which pixels of a bird are "the class". That is why
# the course has a drawn world beside the real data.
#
# ## 3. How far can each cue be trusted?
#
# A cue does not always tell the truth. In the embedded world each has a **reliability** $r$: with
# probability $r$ it shows the variant of the picture's own species, and otherwise that of another
# species, drawn uniformly. The reliabilities are knobs of `data.load`. The next cell prints their
# default values, and then *measures* them from the data: `cues` holds, for each picture, which
# species' variant part, body and context show.

# %%
knobs = [train.world.part, train.world.body, train.world.context]
agrees = (train.cues == train.labels[:, None]).float()  # (N, 3)
measured = agrees.mean(dim=0)
half_width = 1.96 * (measured * (1 - measured) / len(train)).sqrt()  # 95 %, normal approximation
chance = 1 / train.num_classes
print("knobs:", knobs)

# %%
figures.show(shortcut.reliabilities(knobs, measured.tolist(), half_width.tolist(), chance))

# %% [markdown]
# The measured shares sit where the knobs say, within what a sample of this size allows. So the part
# never lies, the body rarely, and the context is only a little better than guessing. This ordering is
# chosen with care: it imitates the situation in which a photograph's smallest detail (a bird's beak, a
# dog's ear) settles the name, the rest of the animal nearly does, and the background merely hints.
#
# A reliability below one means that some pictures contain a lie. The next cell finds pictures in
# which the body speaks for another species.

# %%
impostors = (agrees[:, 1] == 0).nonzero().flatten()[:5].tolist()
figures.show(world.disagreements(train, impostors))

# %% [markdown]
# The label sides with the mark, every time. Keep these pictures in mind: a handful of impostors is
# what makes a classifier distrust the whole body.
#
# ## 4. What a name is worth to a classifier
#
# ### By hand
#
# Suppose that you may look at *one* cue only. It shows variant $v$; there are $C$ species, all equally
# frequent. Bayes' rule gives probability $r$ to species $v$ and $(1-r)/(C-1)$ to each other one. So the
# best bet is $v$, and its accuracy is
#
# $$\max\Bigl(r,\ \frac{1-r}{C-1}\Bigr).$$
#
# **Predict:** how accurate is the best classifier that looks at the mark? At the body? At the habitat?
#
# ### By counting
#
# The same without knowing $r$: a look-up table. Count on the training pictures how often variant $v$
# came with species $c$, and answer with the most frequent species. No gradient, no library.


# %%
def look_up(cue):
    table = torch.zeros(train.num_classes, train.num_classes)  # rows: variant shown; columns: label
    for variant, label in zip(train.cues[:, cue], train.labels, strict=True):
        table[variant, label] += 1
    answer = table.argmax(dim=1)  # best bet for each variant
    return (answer[test.cues[:, cue]] == test.labels).float().mean().item()


by_counting = [look_up(cue) for cue in range(3)]
by_hand = [max(r, (1 - r) / (train.num_classes - 1)) for r in knobs]
print("by hand:    ", [f"{value:.3f}" for value in by_hand])
print("by counting:", [f"{value:.3f}" for value in by_counting])

# %% [markdown]
# Counting agrees with Bayes' rule up to the luck of the draw: the test split is a sample too. The next
# cell makes that "up to" precise: each difference must lie within three standard errors.

# %%
for name, expected, found in zip(world.CUES, by_hand, by_counting, strict=True):
    error = (expected * (1 - expected) / len(test)) ** 0.5
    assert abs(expected - found) <= 3 * error + 1e-12
    print(f"{name:8s} difference {found - expected:+.3f}, standard error {error:.3f}")

# %% [markdown]
# ### From the pixels
#
# The table above was allowed to read the hidden variable `cues`. A network has only pixels. Is the cue
# really *in* them? The simplest test there is: take the mean colour inside the cue's region, remember
# the mean colour of each species, and answer with the nearest one.


# %%
def mean_colour(split, region):  # region (N, H, W) -> (N, 3)
    inside = region[:, None].float()
    return (split.images / 255 * inside).sum((2, 3)) / inside.sum((2, 3)).clamp_min(1)


def nearest_colour(region_of):
    seen, asked = mean_colour(train, region_of(train)), mean_colour(test, region_of(test))
    centres = torch.stack([seen[train.labels == c].mean(0) for c in range(train.num_classes)])
    return (torch.cdist(asked, centres).argmin(1) == test.labels).float().mean().item()


from_pixels = [
    nearest_colour(lambda split: split.parts),
    nearest_colour(lambda split: split.masks & ~split.parts),
    nearest_colour(lambda split: split.contexts),
]

# %%
ways = {"look-up table": by_counting, "mean colour": from_pixels, "Bayes' rule": by_hand}
figures.show(shortcut.cue_accuracies(ways, chance))

# %% [markdown]
# Three ways, one picture: the mark alone is enough, the body is nearly enough, and the habitat is worth
# little. (The colour of a habitat is not all that tells it apart; its texture does too. So the mean
# colour may fall short of the table there.)
#
# Now comes the point. Give the classifier *all* cues. What does the body add to a mark that never
# lies? As far as the label goes: nothing.

# %%
both = (test.cues[:, 0] == test.labels) | (test.cues[:, 1] == test.labels)
only_body = (test.cues[:, 0] != test.labels) & (test.cues[:, 1] == test.labels)
print(f"pictures where mark or body is right:       {both.float().mean():.3f}")
print(f"pictures where the body is right, mark not: {only_body.float().mean():.3f}")

# %% [markdown]
# There is no picture in which looking at the body would have rescued the answer. A loss that sees names
# only has no reason to look there. This is a **shortcut**: the shortest route to a low loss, and it is
# *correct*. It generalises, too. It is only not what we wanted to know.
#
# ## 5. Watch the shortcut form
#
# Does training really take it? A classifier on the three cues is small enough to train in front of
# you: one weight for each (cue, variant, species), softmax, cross-entropy, plain gradient descent.
# We record how much each cue adds to the right species' logit over that of a wrong one, the **gap**.
#
# **Predict:** after a few steps, does the mark matter more than the body? And after thousands?

# %%
inputs = F.one_hot(train.cues, train.num_classes).float().flatten(1)  # (N, 3 C)
target = F.one_hot(train.labels, train.num_classes).float()
weights = torch.zeros(inputs.shape[1], train.num_classes)


def gap_of_each_cue(weights):  # mean weight of the right species minus mean of the wrong ones
    blocks = weights.reshape(3, train.num_classes, train.num_classes)
    count = train.num_classes
    on_diagonal = blocks.diagonal(dim1=1, dim2=2).sum(1)  # (3,): variant and species agree
    right = on_diagonal / count
    wrong = (blocks.sum((1, 2)) - on_diagonal) / (count * (count - 1))
    return right - wrong  # (3,)


# %%
steps, gaps, entropies = [], [], []
for step in range(1, 3001):
    log_p = (inputs @ weights).log_softmax(dim=1)
    if step in (2, 4, 11, 31, 101, 301, 1001, 3000):
        steps.append(step - 1)
        gaps.append(gap_of_each_cue(weights).tolist())
        entropies.append(-(log_p.exp() * log_p).sum(1).mean().item())
    weights -= 2.0 * inputs.T @ (log_p.exp() - target) / len(train)
figures.show(shortcut.evidence_over_steps(steps, gaps, entropies))

# %% [markdown]
# Read both panels from left to right. At first the mark and the body count almost alike: a young
# classifier is a *mean-difference* classifier, and both cues differ between the species' means. Then
# the body's gap stops growing. The impostors hold it: each of them pushes the body's weight down
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
# To say how good a box is, one compares it with the true box $B$:
# $\mathrm{IoU}(A,B) = |A\cap B| \,/\, |A\cup B|$, from 0 (disjoint) to 1 (equal).
# The field counts pixels with *both ends included*: a side is $x_1 - x_0 + 1$ long. (Notebook 04 shows
# what this convention costs.)
#
# **Exercise 1 (5 minutes).** Write the function. Mind boxes that do not overlap.


# %% tags=["solution"]
# Exercise: intersection over union of two boxes (x0, y0, x1, y1), both ends included.
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
def iou_by_counting(a, b, side=48):  # count pixels: slow, and impossible to get wrong
    x, y = np.arange(side), np.arange(side)[:, None]
    inside = [(x >= c[0]) & (x <= c[2]) & (y >= c[1]) & (y <= c[3]) for c in (a, b)]
    return (inside[0] & inside[1]).sum() / (inside[0] | inside[1]).sum()


corners = np.sort(np.random.default_rng(0).integers(0, 48, (60, 2, 2)), axis=1).reshape(60, 4)
counted = [[iou_by_counting(a, b) for b in corners[30:]] for a in corners[:30]]
worst = np.abs(metrics.box_iou(corners[:30], corners[30:]) - counted).max()
assert worst < 1e-12
print("metrics.box_iou equals the share of pixels counted, on 900 pairs of boxes")

# %% [markdown]
# ### A perfect name, a useless box
#
# Imagine the *ideal* shortcut: a method whose map is exactly the mark, no pixel more or less. Its
# names are perfect. How good are its boxes? **Predict** the IoU before you look.

# %%
part_boxes = torch.from_numpy(boxes_of(test.parts.numpy()))  # tight boxes of the marks, (N, 4)
true_boxes = test.boxes
part_iou = np.array(
    [metrics.box_iou([p], [t])[0, 0] for p, t in zip(part_boxes, true_boxes, strict=True)]
)
figures.show(world.part_and_object_boxes(test, range(5), part_boxes[:5], part_iou[:5]))

# %% [markdown]
# The boxes are where the name is decided, and they miss the fish. Over the whole test split, beside two
# boxes that never look at the picture:

# %%
centre = [12, 12, 36, 36]  # half the picture's side, in the middle
whole = [0, 0, 47, 47]
ious = {
    "box of the mark": part_iou,
    "centred box": metrics.box_iou([centre], true_boxes)[0],
    "whole picture": metrics.box_iou([whole], true_boxes)[0],
}
figures.show(shortcut.share_above(ious))

# %% [markdown]
# Localisation scores are read off such curves: "IoU of at least 0.5" is the usual question. At that
# question the perfect shortcut scores below a box that was drawn without opening its eyes. A *better*
# classifier would change nothing about it. That is what "the shortcut hurts" means: the name and the
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
#
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


def share_correct(boxes):  # (S,) share of pictures with IoU >= 0.5, for each side
    result = metrics.centre_box_baseline(boxes, size=48, iou_thresholds=[0.5], sides=sides)
    return result.curve[0]


sets = {"20 validation pictures": val.boxes[:20], "all validation pictures": val.boxes}
curves = {name: share_correct(boxes) for name, boxes in sets.items()}
curves["test set (oracle)"] = share_correct(test.boxes)
chosen = {name: int(curve.argmax()) for name, curve in curves.items()}

# %%
figures.show(shortcut.chosen_side(sides, curves, chosen))

# %% [markdown]
# The curve of the small set is ragged, and its best point is partly luck. The oracle's choice can never
# score lower than the others *on the pictures it was chosen on*: that is what makes it an upper bound.
# With one free number and a few hundred pictures the gap is small. It grows with the number of things
# that are chosen at once, and a paper chooses many. Note also that a blind box improved by using
# boxes. Any method that is compared with it should have the same help.
#
# ## 8. The real data sets
#
# The rest of the field works on photographs. The next cell prints what this course relies on. The last
# column says how we know: *verified* means read in the evaluation code's own lists or computed from
# them; what was not verified is not printed as a number.

# %%
columns = ("data set", "name given", "where", "score", "pictures", "centred box", "status")
rows = [
    ("CUB-200-2011", "1 of 200 birds", "1 box", "BoxAcc", "5994/1000/5794", "59.67", "verified"),
    ("OpenImages30k", "1 of 100", "mask, ignore", "PxAP", "29819/2500/5000", "-", "verified"),
    ("Flowers-102", "1 of 102", "mask", "PxAP", "-", "-", "split not verified"),
    ("Oxford-IIIT Pet", "breed", "mask", "PxAP", "-", "-", "split not verified"),
    ("PASCAL VOC 2012", "several", "class masks", "mPxAP", "-", "-", "split not verified"),
]
counts = "/".join(str(len(split)) for split in (train, val, test))
blind = f"{100 * curves['test set (oracle)'].max():.2f}"
rows.append(
    (
        "embedded reef",
        f"1 of {train.num_classes} fish",
        "all exact",
        "all",
        counts,
        blind,
        "counted",
    )
)
widths = (17, 16, 14, 8, 17, 13, 18)
for row in [columns, *rows]:
    print("".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
print("pictures: training with names/validation with boxes or masks/test")
print("centred box: per cent of test pictures at IoU 0.5, best side chosen on the test set")

# %% [markdown]
# Three remarks on the table.
#
# * **CUB** has one bird and one box a picture. Look at its centred box, and keep that number by you
#   when you read a table of CUB scores. Its licence allows research and education only, not commercial use.
# * **OpenImages** has masks, and *ignore* regions: pixels that count neither for nor against. Scores on
#   pixels need no choice of a box threshold; the average precision runs over all thresholds.
# * **VOC** pictures have several names at once, so the loss is another one, and the score is averaged
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
# Exercise: best accuracy from one cue of reliability 0.05 among 8 classes.
#! best_accuracy = None
best_accuracy = max(0.05, (1 - 0.05) / (8 - 1))

# %% tags=["check"]
checks.expected_accuracy(best_accuracy, reliability=0.05, num_classes=8)

# %% [markdown]
# **Exercise 3 (10 minutes).** Paint over the mark in every tenth picture (`part_visibility=0.9`; `cues`
# is then -1 in its first column). How accurate is a classifier that uses the mark where it is painted
# and the body where it is not? And do you expect the shortcut to be as strong in this world?

# %% tags=["solution"]
# Exercise: accuracy of "mark if painted, else body" on this test split, in 0..1.
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
# *erasing* methods (Hide-and-Seek, CutMix, ADL), which notebook [05](05_cam_baselines.ipynb) builds: they take the shortcut away
# by force. Entropy regularisation leaves the picture alone and changes the loss.
#
# ## Summary
#
# * WSOL trains on names and is scored on places. Boxes may measure; where they choose, say so.
# * A cue of reliability $r$ allows an accuracy of $\max(r, (1-r)/(C-1))$. The part alone allows all of it.
# * Training drives the evidence onto the part while the entropy falls, because impostors hold the body.
# * The part's box is far too small. The name does not care; the score does.
# * Every score stands beside a centred box, and beside the rule that chose its threshold.
#
# **Next:** [02](02_entropy_and_regularisers.ipynb) makes "hold the entropy up" precise: entropy, label
# smoothing, and the other regularisers, with values and gradients.
# [03](03_cam_from_scratch.ipynb) shows where a map comes from.
