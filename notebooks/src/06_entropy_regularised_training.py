# %% [markdown]
# # 06 · Entropy-regularised training: one line
#
# Notebook [02](02_entropy_and_regularisers.ipynb) took **entropy regularisation** (ER) apart on paper, and notebook
# [04](04_from_map_to_score.ipynb) made a class activation map (CAM) into a number. Now the two meet. We write the training of a
# classifier in a dozen lines, change one of them, and watch what this does to the prediction *and* to the
# map, epoch by epoch. On the way stands a trap that has nothing to do with maps: a regulariser's strength can
# be a learning rate in disguise.
#
# **When you are through, you can**
#
# 1. write the training loop of an image classifier, and turn it into ER with one line;
# 2. show that ER and label smoothing train the same network, step for step, and say what a "strength" hides when
#    learning rate and weight decay stay fixed;
# 3. read a record: what was run, where it comes from, and when something is trained at all;
# 4. describe how entropy, accuracy, localisation and the map develop with and without ER;
# 5. stop a training without losing it, and recognise one that has diverged.
#
# **Before:** [02](02_entropy_and_regularisers.ipynb), [03](03_cam_from_scratch.ipynb),
# [04](04_from_map_to_score.ipynb). **To read:** 35 minutes. **To run:** 15 seconds on two CPU cores, without
# network.

# %%
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
import torch.nn.functional as F
from entreg_utils import (
    analysis,
    checks,
    data,
    experiments,
    figures,
    losses,
    training,
    widgets,
)
from entreg_utils.experiments import cost
from entreg_utils.experiments.provenance import pick_device
from entreg_utils.figures import training as draw
from torch.optim.lr_scheduler import OneCycleLR

figures.use_style()
pd.set_option("display.width", 79)


# %% [markdown]
# ## 1. A loop in a dozen lines
#
# Everything that decides a run of this course stands in one `Config`: the world, the network, the loss, the
# seed. The next cell takes the default and a few pictures for the experiments by hand.

# %%
config = experiments.Config()
few = data.load("toy", "train", num_images=400)  # the first 400
images = few.images.float() / 255  # (400, 3, 48, 48)
images = images.contiguous(memory_format=torch.channels_last)
labels = few.labels
print(f"{len(images)} pictures of {few.num_classes} species;", end=" ")
print("default learning rate", config.learning_rate)


def fresh():  # untrained; the weights depend on the seed alone
    return experiments.build(config)


# %% [markdown]
# A training step draws some pictures, computes the loss, and moves each weight against its gradient. Around
# it: stochastic gradient descent (SGD) with momentum and weight decay, and a learning rate that rises first and
# then falls to almost nothing (one cycle; PyTorch's also lowers the momentum a little while the rate is high).


# %%
RATE, DECAY = config.learning_rate, config.weight_decay


def train(model, x, y, loss_of, rate=RATE, decay=DECAY, batch=50):
    sgd = torch.optim.SGD(
        model.parameters(), rate, 0.9, weight_decay=decay, nesterov=True
    )
    cycle = OneCycleLR(sgd, rate, total_steps=len(x) // batch)
    generator = torch.Generator().manual_seed(0)
    history = []
    model.train()
    for rows in torch.randperm(len(x), generator=generator).split(
        batch
    ):
        loss = loss_of(model(x[rows]), y[rows])  # (batch, C), (batch,)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        cycle.step()
        history.append(loss.item())
    return history


def distance(one, other):  # largest difference of two networks
    ours, theirs = one.state_dict(), other.state_dict()
    return max(
        (ours[name] - theirs[name]).abs().max().item() for name in ours
    )


# %% [markdown]
# That is one epoch. The package's `training.fit` adds mirrored pictures, several epochs, a history and a
# checkpoint, and is otherwise the same. The next cell trains one network with each and compares all weights.

# %%
mine, theirs = fresh(), fresh()
train(mine, images, labels, F.cross_entropy)
training.fit(theirs, few, training.Recipe(epochs=1, flip=False, seed=0))
assert distance(mine, theirs) < 1e-6
print("moved away from the start:   ", distance(mine, fresh()) > 0.01)
print("the package ends at the same:", distance(mine, theirs) < 1e-6)

# %% [markdown]
# ## 2. The one line
#
# Here is the whole method. In place of `F.cross_entropy` stands cross-entropy (CE) plus $\lambda$ times the
# Kullback-Leibler divergence $\mathrm{KL}(u\|p)$, the push of the prediction $p$ towards the uniform one, $u$, divided
# by the sum of the two weights:
#
# $$L = \frac{\mathrm{CE} + \lambda\,\mathrm{KL}(u\|p)}{1+\lambda}
#     = (1-\varepsilon)\,\mathrm{CE} + \varepsilon\,\mathrm{KL}(u\|p),\qquad \varepsilon = \frac{\lambda}{1+\lambda},$$
#
# where, with the label $y$ and $C$ classes,
#
# $$\mathrm{CE} = -\log p_y,\qquad \mathrm{KL}(u\|p) = -\frac1C\sum_k \log p_k - \log C,$$
#
# both averaged over the pictures of a batch. We write the strength as $\varepsilon$, the share of the pull that goes to
# uniform: 0 is plain cross-entropy, and at 1 nothing of the label would be left. A strong setting, 0.8, will stay with us
# through this notebook.

# %%
STRONG = 0.8


def averaged(epsilon):
    lam = losses.lambda_from_epsilon(epsilon, few.num_classes)

    def loss_of(z, y):  # the one line
        return losses.objective(z, y, "kl_uniform", lam) / (1 + lam)

    return loss_of


# %% [markdown]
# ### Exercise 1 (8 minutes)
#
# Write it without the package: `er_loss(logits, labels, epsilon)`, from logits (N, C) and labels (N,) to one number, the
# right-hand side of the formula. (`logits.log_softmax(1)` gives $\log p$, also where the logits are in the thousands.)


# %% tags=["solution"]
# Exercise: the averaged ER loss from scratch, in nats.
#! er_loss = None
def er_loss(logits, labels, epsilon):
    log_p = logits.log_softmax(1)
    ce = -log_p[torch.arange(len(labels)), labels].mean()
    kl = -log_p.mean() - np.log(logits.shape[1])
    return (1 - epsilon) * ce + epsilon * kl


# %% tags=["check"]
checks.er_loss(er_loss)

# %% [markdown]
# **Predict.** A network of eight classes starts with the entropy $\log 8$. After one short epoch, what are
# the entropies with $\varepsilon = 0$ and with $\varepsilon = 0.8$? And which of the two losses is lower? We
# compute in float64 from here to section 3, so that the digits are the same on your machine.

# %%
x = images.double()


def mean_entropy(model):
    model.eval()
    with torch.no_grad():
        return losses.entropy(model(x)).mean().item()


most = torch.tensor(8.0).log()
for epsilon in (0.0, STRONG):
    model = fresh().double()
    history = train(model, x, labels, averaged(epsilon), batch=20)
    h = mean_entropy(model)  # and evaluation mode
    right = (model(x).argmax(1) == labels).double().mean()
    figures.say(
        f"eps {epsilon:.2f}: loss {history[0]:.3f} ->",
        f"{history[-1]:.3f} nats, entropy {h:.2f} of at most",
        f"{most:.2f}, {right:.0%} right (chance {1 / 8:.0%})",
        indent="  ",
    )

# %% [markdown]
# <details><summary>Answer</summary>
#
# Plain cross-entropy has begun to leave $\log 8$; with the regulariser the entropy has hardly moved. The lower loss
# is the one at $\varepsilon = 0.8$, from the first step on, when neither network knows anything: of the cross-entropy
# only a fifth is counted, and at a uniform prediction the KL is zero.
#
# </details>
#
# So the losses live on different scales: a low value at $\varepsilon = 0.8$ says nothing about being *right*. What is
# the lowest value that the regularised loss can reach?
#
# ### Exercise 2 (8 minutes)
#
# For one picture, the averaged loss is lowest where notebook 02 found the optimum: $p_y = 1 - \varepsilon +
# \varepsilon/C$ and $p_k = \varepsilon/C$ for the others. Compute the lowest loss for $\varepsilon = 0.8$ and
# eight classes. `losses.smoothed_optimum(epsilon, num_classes)` gives $p_y$, the entropy and the logit gap.

# %% tags=["solution"]
# Exercise: lowest value of the averaged loss at eps = 0.8 with 8
# classes, in nats.
#! answer = None
p_y, h, _ = losses.smoothed_optimum(STRONG, 8)
best = torch.tensor([p_y] + [STRONG / 8] * 7, dtype=torch.float64)
logits = best.log()[None]  # logits whose softmax is best
answer = averaged(STRONG)(logits, torch.tensor([0])).item()

# %% tags=["check"]
checks.lowest_loss(answer, epsilon=STRONG, num_classes=8)

# %% [markdown]
# Keep this line in mind. The loss curves further down have it drawn in, and a regularised loss that "no longer
# falls" has usually arrived there.
#
# ## 3. What a strength hides
#
# **Label smoothing** (LS) of strength $\varepsilon$ is cross-entropy with another target: the label gets
# $1-\varepsilon$, and $\varepsilon$ is spread evenly over all $C$ classes. Notebook 02 showed that it is the averaged loss up
# to a constant, which has no gradient:
#
# $$(1-\varepsilon)\,\mathrm{CE} + \varepsilon\,\mathrm{KL}(u\|p) = \mathrm{LS}_\varepsilon - \varepsilon\log C.$$
#
# So the gradients of the two are equal, and the whole training must be: same pictures, same steps, same weights. Papers
# mostly print the *undivided* loss, $\mathrm{CE} + \lambda\,\mathrm{KL}(u\|p)$, which is $1+\lambda$ times as large. Below, a
# network trained with the averaged loss and four others start alike and take ten steps each.
#
# **Predict.** Which of the four end where the first one does?

# %%
LAM = losses.lambda_from_epsilon(STRONG, 8)
x, y = images[:200].double(), labels[:200]


def plain(z, y):  # as papers print it: not divided by 1 + lambda
    return losses.objective(z, y, "kl_uniform", LAM)


def smoothing(z, y):
    return losses.objective(z, y, "label_smoothing", STRONG)


low, high, both = RATE / (1 + LAM), DECAY * (1 + LAM), "rate / (1+lam)"
cases = {
    "label smoothing, same settings": (smoothing, RATE, DECAY),
    "undivided, same settings": (plain, RATE, DECAY),
    f"undivided, {both}": (plain, low, DECAY),
    f"undivided, {both}, decay * (1+lam)": (plain, low, high),
}
reference = fresh().double()
train(reference, x, y, averaged(STRONG), batch=20)
for name, settings in cases.items():
    other = fresh().double()
    train(other, x, y, *settings, batch=20)
    gap = distance(reference, other)
    print(f"{name:43s} same to 1e-5: {gap < 1e-5!s:6s}", end=" ")
    print(f"distance {max(gap, 1e-9):.0e}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The first and the last: label smoothing at the same settings, and the undivided loss once both learning rate and
# weight decay are translated.
#
# </details>
#
# (Distances below one in a thousand million are printed as that: they are rounding.) Label smoothing **is** ER
# here, step for step. The undivided loss is not, at the same settings. Its gradient is $1+\lambda$ times as
# long, so it is the same training at a learning rate $1+\lambda$ times as high. Dividing the rate repairs most of
# it. The rest is weight decay: SGD moves a weight by
#
# $$-\,\text{rate}\cdot(\text{gradient} + \text{decay}\cdot w),$$
#
# so a smaller rate also means less decay. Multiply the decay by $1+\lambda$, and both terms are what they were:
# the paths are the same again. (Momentum adds up such steps and scales with them; the one-cycle schedule scales
# with its peak.)
#
# That matters as soon as somebody *sweeps* $\lambda$ with everything else fixed. How large is the hidden learning
# rate along our own grid?

# %%
strengths = (0.1, 0.5, STRONG, 0.95, 0.98)
lams = [losses.lambda_from_epsilon(eps, 8) for eps in strengths]
columns = {"eps": strengths, "lambda": lams}
hidden = pd.DataFrame(columns)
hidden["hidden learning rate"] = RATE * (1 + hidden["lambda"])
hidden.round(2)

# %% [markdown]
# At the lower end it is harmless, at the upper end it is another training. The next cell takes the last row: the
# largest loss on the way, divided and undivided, in units of its own first value.

# %%
LAM = losses.lambda_from_epsilon(0.98, 8)  # `plain` reads it
cases = {"divided": averaged(0.98), "undivided": plain}
for name, loss_of in cases.items():
    history = train(fresh().double(), x, y, loss_of, batch=20)
    times = max(history) / history[0]
    print(f"{name:10s} largest loss / first loss: {times:.1f}")

# %% [markdown]
# The undivided training is thrown out of the valley within ten steps. In a table of results this would read
# "$\lambda$ too large: the model collapses", and the regulariser would take the blame for the step size. So in
# this package the weights of the two terms add up to one (`training.regularised_loss`), one learning rate
# serves the whole sweep, and what changes along it is the *target*.
#
# ### Exercise 3 (6 minutes)
#
# A paper minimises the undivided $\mathrm{CE} + 1.5\,\mathrm{KL}(u\|p)$ (true KL, mean over the batch) by SGD with
# learning rate 0.03 and weight decay 0.0001. You have only `F.cross_entropy` with its `label_smoothing`. Which
# $\varepsilon$, learning rate and weight decay train the same network?

# %% tags=["solution"]
# Exercise: (eps, learning rate, weight decay) for label smoothing.
#! answer = None
answer = (1.5 / 2.5, 0.03 * 2.5, 1e-4 / 2.5)

# %% tags=["check"]
checks.translated_recipe(answer, lam=1.5, rate=0.03, decay=1e-4)

# %% [markdown]
# ## 4. Run or load
#
# A real training takes longer than a notebook should make you wait, and you should not have to trust numbers
# typed into prose. So the course has one mechanism: `experiments.run(config)` looks the config up in the
# **store**, and trains only when it is not there. The next cell asks for two runs that the project brings
# along.

# %%
without = experiments.run(experiments.er(0.0))  # eps 0, seed 0
with_er = experiments.run(experiments.er(STRONG))
for run in (without, with_er):
    last = run.history.iloc[-1]
    figures.say(
        f"eps {run.config.epsilon:.2f}: {len(run.history)} epochs,",
        f"entropy {last.test_entropy:.2f}, accuracy",
        f"{last.test_accuracy:.3f}, PxAP {last.test_pxap:.3f}",
    )

# %% [markdown]
# Notice the accuracies: both networks name nearly every fish, and their difference is what the regulariser costs
# here, with this seed. Their entropies could hardly differ more, and their maps score differently: PxAP, the average
# precision of the pixels, ranks all pixels by their map and asks how far the fish's come first (notebook 04; 0 to 1).
# Maps are of the true class, min-max, at the last epoch. Sections 5 and 6 look at how they got there.
#
# What came back is a `Run`, made from a **record**: a small text file. What does it hold?

# %%
columns = ", ".join(c for c in without.history if "test" in c)
scores = without.metrics
on_test = [name for name in scores if not name.startswith("val_")]
figures.say(f"history, a row an epoch: {columns}")
figures.say(
    f"metrics: {len(scores)} final numbers, {len(on_test)} on test"
)
print("maps:", without.maps.shape, "(epochs, test pictures, h, w)")
print("  of pictures", without.panel)
figures.say("provenance:", ", ".join(sorted(without.provenance)))

# %% [markdown]
# The *provenance* says which commit of the code, which seed, which library versions and which machine made the
# numbers; its values are not printed here, since your own runs will have others. A record is found by a hash of
# everything in its config, and it carries a hash of its own content, so that a damaged one is not read.
#
# Turn one knob, and the hash is another one. Nothing is stored under it, so `run` would really train:

# %%
turned = replace(without.config, learning_rate=0.05)
again = experiments.er(0.0)
print("same config, same name:", again.name == without.config.name)
print("other learning rate, same name:", turned.name == again.name)

# %% [markdown]
# Where would it train, and for how long? A graphics card is taken where PyTorch can use one (`cuda`, then Apple's `mps`),
# else the CPU; the time is an estimate from the stored runs. On the command line it is
# `python -m entreg_utils run --learning-rate 0.05`; a progress bar says what is left.

# %% tags=["nbval-ignore-output"]
print("a fresh training runs here on:", pick_device().type)
figures.say(cost.outline([turned]).splitlines()[-1])
print("to start it: experiments.run(turned)")

# %% [markdown]
# ## 5. Seen while it trains
#
# The sweep of this course runs every strength with several seeds. `sweep` is `run` for many configs: what the store
# has is loaded, the rest is trained in parallel.

# %%
runs = experiments.sweep(experiments.grids.SWEEP)
history = analysis.history(runs)
test = experiments.splits(without.config)[2]
strengths = sorted(set(history.epsilon))
print(len(runs), "runs, seeds", sorted(set(history.seed)))
print("eps:", ", ".join(f"{eps:g}" for eps in strengths))

# %% [markdown]
# **Predict.** Without a regulariser, entropy falls towards zero for as long as training goes on. What does localisation
# do meanwhile: does it rise with accuracy, stay, or fall again?

# %%
four = {0.0: "black", 0.5: "blue", STRONG: "green", 0.98: "orange"}
colours = {f"ε = {e:g}": figures.OKABE_ITO[c] for e, c in four.items()}
shown = history[history.epsilon.isin(four)]
shown = shown.assign(strength=shown.epsilon.map("ε = {:g}".format))
mean = shown.groupby(["strength", "epoch"]).mean(numeric_only=True)
peaks, said = {}, []
for name in colours:
    path = mean.loc[name]
    pxap, entropy = path.test_pxap, path.test_entropy
    peaks[name] = pxap.idxmax(), pxap.max()
    said.append(
        f"{name}: entropy {entropy.iloc[0]:.2f} to "
        f"{entropy.iloc[-1]:.2f} nats, PxAP best at epoch "
        f"{pxap.idxmax()} ({pxap.max():.2f}), {pxap.iloc[-1]:.2f} at "
        "the last"
    )

# %% tags=["figure:over_epochs"]
figure, axes = plt.subplots(1, 3, figsize=(10, 3.4))
titles = {
    "entropy": "entropy (nats; dotted: train)",
    "accuracy": "accuracy",
    "pxap": "PxAP (0 to 1; ring: best)",
}
look = {"palette": colours, "errorbar": ("pi", 100)}  # all seeds
look |= {"err_kws": {"alpha": 0.15, "lw": 0}}
for panel, (score, title) in zip(axes, titles.items(), strict=True):
    sns.lineplot(
        shown, x="epoch", y=f"test_{score}", hue="strength", ax=panel,
        legend=score == "accuracy", **look,
    )  # fmt: skip
    panel.set(title=title, xlabel="epoch", ylabel="", ylim=(0, None))
    panel.locator_params(axis="x", integer=True)
for name, colour in colours.items():
    dotted = mean.loc[name].train_entropy
    axes[0].plot(dotted, color=colour, ls=":", lw=1.2)
    axes[2].plot(*peaks[name], "o", ms=8, mfc="none", color=colour)
axes[1].legend(loc="lower right", title=None)
figures.show(figure, f"{'; '.join(said)}.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# It rises with accuracy for the first epochs, and then falls again, while accuracy creeps up to its end.
#
# </details>
#
# Follow the black line first. Accuracy climbs and stays. PxAP climbs with it, has its ring early on, and then
# *decays*, while accuracy has little left to gain and entropy goes on falling. The network gets surer, and its maps
# get worse.
#
# Then the coloured ones. Each entropy settles at a level of its own, which the strength has chosen. Compare the ring of
# the moderate strength (blue) with its end: some decay is left. At $\varepsilon = 0.8$ (green) PxAP comes later and
# *stays*. At the strongest one something else happens: so little of the label is left that, in the same number
# of epochs, the fish is hardly found. More is not better.
#
# The bands run from the lowest to the highest seed. Where they overlap, this figure alone shows no difference; runs
# of the same seed can still be compared in pairs, and notebook [08](08_which_regulariser.ipynb) does so. The
# next cell gives the epoch that validation prefers and the end for every strength. Above the table stands the floor,
# which a map without any information gets.

# %%
rows = {}
for eps, own in history.groupby("epsilon"):
    path = own.groupby("epoch").mean(numeric_only=True)
    best = path.val_pxap.idxmax()  # chosen on validation, read on test
    there, end = path.loc[best], path.iloc[-1]
    rows[eps] = {
        "best epoch (val)": best,
        "entropy there": there.test_entropy,
        "PxAP there": there.test_pxap,
        "entropy at end": end.test_entropy,
        "PxAP at end": end.test_pxap,
        "change": end.test_pxap - there.test_pxap,
    }
floor = analysis.baselines(test).loc["constant map", "PxAP"]
print("PxAP of a constant map:", floor)
peaks = pd.DataFrame(rows).T.rename_axis("eps")
peaks.round(2) + 0.0  # no "-0.00"

# %% [markdown]
# ### Exercise 4 (6 minutes)
#
# So why not simply stop early? Take $\varepsilon = 0$. Average over the seeds, choose the epoch with the best
# `val_pxap`, and report the mean `test_pxap` there. (The columns of `history`: those that section 4 printed, the same
# with `val_` in place of `test_`, and `epoch`, `epsilon` and `seed`.)

# %% tags=["solution"]
# Exercise: mean test PxAP of eps = 0, stopped at the epoch that
# validation picks.
#! answer = None
plain_runs = history[history.epsilon == 0]
path = plain_runs.groupby("epoch").mean(numeric_only=True)
answer = path.test_pxap[path.val_pxap.idxmax()]

# %% tags=["check"]
checks.early_stopping(answer, history)

# %% [markdown]
# So early stopping helps. Compare it with the row of $\varepsilon = 0.8$ before you call the matter settled, and that
# with the early-stopped rows between them. Are stopping and regularising two ways to one place, high entropy?

# %%
stopped, strong = peaks.loc[0.0], peaks.loc[STRONG]
early, late = stopped["entropy there"], strong["entropy at end"]
figures.say(
    f"eps 0, stopped: {early:.2f} nats,",
    f"PxAP {stopped['PxAP there']:.2f};",
)
figures.say(
    f"eps {STRONG:g}, to the end: {late:.2f} nats,",
    f"PxAP {strong['PxAP at end']:.2f}; at most {np.log(8):.2f} nats",
)
far = "not one place: the stopped network is far surer"
print("one place" if abs(late - early) < 0.2 else far)

# %%
own = history[history.epsilon == 0]
top = own.groupby("epoch").test_pxap.mean().max()
back = stopped["PxAP there"] - stopped["PxAP at end"]
lost = top - stopped["PxAP at end"]
figures.say(
    f"stopping gives back {back:.3f} of the {lost:.3f} that plain",
    "training loses after its peak",
)

# %% [markdown]
# Both have a price that is easy to overlook: choosing an epoch or a strength by PxAP needs *masks* for the validation
# pictures. Notebook 07 chooses the strength that way, and says so.
#
# ## 6. The map itself
#
# Scores are averages. A record also keeps the maps of a few test pictures at every epoch, so we can watch one. The
# number under each map is its own PxAP; the white line is the true outline.

# %% tags=["figure:map_strip"]
epochs = (1, 2, 3, 4, 5, 6, 9, len(without.history))
figure, grid = plt.subplots(2, 1 + len(epochs), figsize=(10, 2.9))
said = []
for (left, *row), run in zip(grid, (without, with_er), strict=True):
    figures.draw_picture(left, test.images[run.panel[0]])
    strength = f"ε = {run.config.epsilon:g}"
    left.set_ylabel(strength)
    pxap = [
        draw.draw_map(axes, run, test, image=0, epoch=epoch)
        for axes, epoch in zip(row, epochs, strict=True)
    ]
    top = int(np.argmax(pxap))
    said.append(
        f"at {strength} best at epoch {epochs[top]} ({pxap[top]:.2f}), "
        f"{pxap[-1]:.2f} at epoch {epochs[-1]}"
    )
for axes, epoch in zip(grid[0, 1:], epochs, strict=True):
    axes.set_title(f"epoch {epoch}", fontsize=10)
sentence = "PxAP of this one image, of the epochs shown: "
figures.show(figure, f"{sentence}{'; '.join(said)}.")

# %% [markdown]
# The earliest maps are noise, for longer with the regulariser: its gradient has less of the label in it.
# Then both find the fish. In the upper row the light then moves to the head, where the mark is, and spreads over
# the water around it. In the lower row most of it stays inside the outline and reaches further over the body. Neither
# training was ever told where the fish is.
#
# One picture proves nothing. Here are all kept pictures and all strengths:

# %% tags=["figure:map_grid"]
first_seed = [run for run in runs if run.config.seed == 0]
kept, columns = len(without.panel), 1 + len(first_seed)
size = 10, kept * (10 / columns + 0.2) + 0.25
figure, grid = plt.subplots(kept, columns, figsize=size)
pxap = np.zeros((kept, len(first_seed)))
for image, (left, *row) in enumerate(grid):
    figures.draw_picture(left, test.images[without.panel[image]])
    for place, run in enumerate(first_seed):
        found = draw.draw_map(row[place], run, test, image)
        pxap[image, place] = found
said = []
for place, run in enumerate(first_seed):
    strength = f"ε = {run.config.epsilon:g}"
    grid[0, 1 + place].set_title(strength, fontsize=10)
    said.append(f"{pxap[:, place].mean():.2f} at {strength}")
sentence = f"Mean PxAP of these {kept} images: {'; '.join(said)}."
figures.show(figure, sentence)

# %% [markdown]
# Read it by columns. On the left the light sits around the mark, and spills from there into the water: it is not too
# small for the fish, it lies in the wrong place. Towards the right it draws in and moves over the body, until specks
# appear in the water and the whole breaks up, in some pictures earlier than in others. Remember that each map is stretched to its own range: a bright map does
# not belong to a sure network. The specks of the last columns are there because the whole map is weak: when the
# fish contributes little more than the water, stretching shows the water.
#
# ## 7. Turn the knob
#
# The slider below shows one stored run at a time: the map, the entropy on test (solid) and on train (dotted), and
# the training loss. The dashed lines are the values that the strength aims at, from the formulas of Exercise 2. Move
# $\varepsilon$, and change the picture with the second slider. Nothing is trained by moving it: it has the strengths
# that are stored. For one of your own, `experiments.run(experiments.er(0.6))` trains it (where and how long, says section
# 4); add it to the list and it has a place on the slider. Without a running kernel the picture of the start stands in its place; the next figure holds
# the same for all stored strengths, for the first picture.

# %% tags=["nbval-ignore-output"]
widgets.epsilon_explorer(first_seed, test, start=STRONG)

# %% tags=["figure:dashboards"]
look = {"figsize": (10, 4.1), "height_ratios": (1.11, 1, 1)}
figure, grid = plt.subplots(3, len(first_seed), sharey="row", **look)
said = []
for (top, middle, bottom), run in zip(grid.T, first_seed, strict=True):
    strength = f"ε = {run.config.epsilon:g}"
    pxap = draw.draw_map(top, run, test, image=0)
    top.set_title(strength, fontsize=10, loc="center")
    draw.draw_entropy(middle, run)
    draw.draw_loss(bottom, run)
    bottom.set_xlabel("epoch")
    entropy = run.metrics["entropy"]
    said.append(f"{entropy:.2f} and {pxap:.2f} at {strength}")
grid[1, 0].set_ylabel("entropy (nats)")
grid[2, 0].set_ylabel("loss (nats)")
highest = max(run.history.loss.max() for run in first_seed)
bottom.set_ylim(0, 1.06 * highest)
sentence = "Test entropy in nats, and PxAP of this image: "
figures.show(figure, f"{sentence}{'; '.join(said)}.")

# %% [markdown]
# Row by row: the map; the entropy, which settles near its dashed line; the loss, which does too. With $\varepsilon = 0$
# both lines are at zero, which no finite weights reach: there is no level to settle at. All maps are of the last epoch, so nothing here
# was chosen by looking at test pictures.
#
# ## 8. When it goes wrong
#
# **A loss that is no number.** A learning rate far too high sends the weights to infinity. From then on the loss
# is NaN ("not a number"), and a naive loop goes on to the end, and stores nonsense. This one stops. The next cell uses an absurd
# rate to show the sentence:

# %%
absurd = training.Recipe(epochs=1, learning_rate=1e30)
try:
    training.fit(fresh(), few, absurd)
except training.TrainingError as error:
    figures.say(str(error))

# %% [markdown]
# It names the step, the learning rate of that step, and what is kept. If you meet it: lower the rate; if it comes
# only at high strengths, think of section 3.
#
# **A training that is interrupted.** Press Ctrl-C (or the stop button) during a run and start the same cell again:
# it goes on from its last whole epoch. To show that nothing is lost by this, we interrupt one in its third epoch,
# resume it, and compare with one that was left alone.


# %%
def disturb(epoch, model):
    if epoch == 3:
        raise KeyboardInterrupt  # what Ctrl-C does
    return {}


small = data.load("toy", "train", num_images=200)
recipe = training.Recipe(epochs=4)
straight, resumed = fresh(), fresh()
training.fit(straight, small, recipe)
with tempfile.TemporaryDirectory() as folder:
    keep = {"checkpoint": Path(folder) / "unfinished"}
    try:
        training.fit(
            fresh(), small, recipe, after_epoch=disturb, **keep
        )
    except KeyboardInterrupt:
        there = keep["checkpoint"].exists()
        print("interrupted; a checkpoint is there:", there)
    training.fit(resumed, small, recipe, **keep)  # goes on: epoch 3
gap = distance(straight, resumed)
print("largest difference to the undisturbed run:", gap)

# %% [markdown]
# Not small: zero. Two habits make that possible. The checkpoint holds *all* the state: weights, the optimiser's
# momentum, the position in the schedule. And the order and the mirroring of the pictures in epoch $e$ come from a
# generator seeded with (seed, $e$), so no random state has to be carried along. (On a GPU, sums may be taken in
# another order each time, so there the two runs agree up to rounding only.)
#
# ## Summary
#
# - ER is one line in the loss. With the weights of both terms adding up to one it trains, step for step, the same
#   network as label smoothing at $\varepsilon = \lambda/(1+\lambda)$.
# - Undivided, a strength $\lambda$ is also a learning rate $1+\lambda$ times as high and a weight decay $1+\lambda$ times
#   as low. A sweep over $\lambda$ at fixed settings mixes the two.
# - Without ER, localisation peaks early and decays while the entropy falls on and accuracy hardly moves. With
#   ER the entropy settles at a chosen level; where that is high enough, localisation stays, and where it is too high,
#   localisation is not learned in the same number of epochs.
# - The loss of a regularised run has a floor above zero. Know it before you worry.
# - `run` loads what is stored and trains what is not; a record says where its numbers come from; an interrupted run
#   goes on as if nothing had happened.
#
# ## Quiz
#
# **1.** Which loss is ER as this course trains it? (a) $\mathrm{CE} - \lambda H(p)$, (b) $\mathrm{CE} +
# \lambda\,\mathrm{KL}(u\|p)$, divided by $1+\lambda$, (c) $\mathrm{CE} + \lambda\,\mathrm{KL}(p\|u)$, divided by $1+\lambda$.
#
# <details><summary>Answer</summary>
#
# (b): the uniform distribution stands first, so the average over the classes is taken with $u$. (a) is the confidence
# penalty, and $\mathrm{KL}(p\|u) = \log C - H(p)$ makes (c) the same up to a constant and the division. The two kinds pull
# towards uniform with other gradients.
#
# </details>
#
# **2.** Two students train the same network with the same settings and seed, one with label smoothing of $\varepsilon$, one with
# the averaged ER loss of the same $\varepsilon$. Their loss curves differ. Do their networks?
#
# <details><summary>Answer</summary>
#
# No. The two losses differ by the constant $\varepsilon\log C$, which has no gradient, so every step is the same, up to
# rounding; only the curves are shifted.
#
# </details>
#
# **3.** A paper sweeps $\lambda$ in $\mathrm{CE} + \lambda\,\mathrm{KL}(u\|p)$ at a fixed learning rate and finds that training
# collapses at large $\lambda$. What else, besides the regulariser, may have done it?
#
# <details><summary>Answer</summary>
#
# The step size. The undivided gradient is $1+\lambda$ times that of the averaged loss, so the learning rate grows along the
# sweep. Divided by $1+\lambda$, the same strength may train without trouble.
#
# </details>
#
# **4.** A regularised training loss stops falling well above zero. Is something wrong?
#
# <details><summary>Answer</summary>
#
# Not by that alone. CE is zero for a sure prediction, where the KL is infinite; the KL is zero for a uniform one, where the CE
# is $\log C$. So their average has a lowest value above zero, and the loss of a trained network settles near it.
#
# </details>
#
# **5.** While plain training goes on, accuracy stays high and entropy falls. What happens to PxAP, and why is stopping early not
# the same as ER?
#
# <details><summary>Answer</summary>
#
# PxAP rises first and then decays. A network that was stopped early has not come as near to uniform as the regularised one: it is
# far surer, and its PxAP lies below. Stopping and regularising do not lead to one place, and choosing an epoch, like choosing a
# strength, needs masks on validation.
#
# </details>

# %% [markdown]
# **Next:** notebook [07](07_entropy_against_localisation.ipynb) puts entropy on the axis: localisation against entropy, over
# strengths and over epochs in one plane; why there is a sweet spot; and a world in which the method hurts.
