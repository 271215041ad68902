# %% [markdown]
# # 02 · Entropy and its regularisers
#
# The method of this course adds one term to the loss, and the term is about *entropy*: how undecided a
# prediction is. Several such terms are in use, some of them under two names, with strengths that cannot
# be compared. This notebook puts them side by side, without any network: what each one measures, how hard
# it pulls, and where it wants a prediction to end. On the way it puts numbers to
# statements that are often made about them and are wrong.
#
# **When you are through, you can**
#
# 1. write cross-entropy, entropy and four divergences from uniform so that they survive extreme logits;
# 2. derive their gradients, and say which of them stop pulling once the model is sure;
# 3. prove in two lines that entropy regularisation *is* label smoothing;
# 4. find the prediction that a given strength aims at, and convert between $\lambda$ and $\varepsilon$;
# 5. read a $\lambda$ in a paper and ask the question that decides what it means.
#
# **Before:** softmax, cross-entropy, a derivative. **To read:** 35 minutes.
# **To run:** 6 seconds on two CPU cores, without network.

# %%
import math

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import torch
import torch.nn.functional as F
from entreg_utils import checks, figures, losses, widgets
from entreg_utils.figures import OKABE_ITO
from entreg_utils.sliders import FloatSlider
from ipywidgets import Dropdown
from matplotlib.colors import PowerNorm
from matplotlib.patches import Polygon

figures.use_style()
double = torch.float64

# %% [markdown]
# ## 1. Entropy, and a trap on the first line
#
# Write $z$ for the $C$ logits of a picture, $p=\mathrm{softmax}(z)$ for the prediction, and $u$ for the
# uniform distribution, $u_k = 1/C$. The **entropy** of the prediction,
#
# $$H(p) = -\sum_k p_k \log p_k,$$
#
# runs from 0 (all on one class) to $\log C$ (uniform). With the natural logarithm its unit is the
# *nat*. The next cell takes the formula at its word, on three rows of logits. The last row belongs to a
# model that is very sure. **Predict:** what will it print there?

# %%
logits = torch.tensor([[0.0, 0, 0, 0], [3, 1, 0, 0], [200, 0, 0, 0]])
p = logits.softmax(dim=1)  # (3 rows, 4 classes)
naive = -(p * p.log()).sum(dim=1)  # (3,)
print("by the formula:", [round(value, 3) for value in naive.tolist()])

# %% [markdown]
# <details><summary>Answer</summary>
#
# `nan`, although the entropy of so sure a prediction is almost 0: a probability underflowed to 0, its
# logarithm is minus infinity, and 0 times infinity is not a number.
#
# </details>

# %% [markdown]
# A library function that knows the limit $0 \log 0 = 0$ repairs the value. It does not repair training:
# look at the gradient.


# %%
def entropy(logits):  # (N, C) -> (N,)
    # log_softmax stays finite for every finite logit
    log_p = logits.log_softmax(dim=1)
    return (log_p.exp() * -log_p).sum(dim=1)


z = logits.clone().requires_grad_()
torch.special.entr(z.softmax(dim=1)).sum().backward()
print("gradient with special.entr: ", z.grad[2].tolist())
z = logits.clone().requires_grad_()
entropy(z).sum().backward()
print("gradient through log_softmax:", z.grad[2].abs().tolist())

# %% [markdown]
# **Take $\log p$ from `log_softmax`, and $p$ from $\log p$; never the other way round.** That is the
# whole trick, and everything below is written so. The package's `losses.entropy` is the same function;
# the next cell says so, on logits up to ten thousand.

# %%
wild = 1e4 * torch.tensor([[1.0, -1.0, 0.0], [0.5, 0.5, -1.0]])
assert torch.equal(entropy(wild), losses.entropy(wild))
values = [round(h, 3) for h in losses.entropy(wild).tolist()]
print("entropy at logits of ten thousand:", values)

# %% [markdown]
# ## 2. Cross-entropy has nowhere to stop
#
# Training with labels minimises $\mathrm{CE} = -\log p_y$, where $y$ is the right class. Its gradient is
# the plainest in machine learning, $\partial \mathrm{CE}/\partial z_k = p_k - y_k$ (with $y_k$ the
# one-hot label). The next cell checks that against automatic differentiation.


# %%
def gradient(function, logits):
    # of a sum over rows, so that each row has its own
    z = logits.clone().requires_grad_()
    return torch.autograd.grad(function(z).sum(), z)[0]


torch.manual_seed(0)
z = 2 * torch.randn(5, 6, dtype=double)  # five predictions, six classes
y = torch.tensor([0, 1, 2, 3, 4])
p, one_hot = z.softmax(dim=1), F.one_hot(y, 6).to(double)
automatic = gradient(lambda z: losses.cross_entropy(z, y), z)
error = (automatic - (p - one_hot)).abs().max()
print("p - y is the gradient of cross-entropy:", error.item() < 1e-12)

# %% [markdown]
# The gradient is zero only where $p$ equals the one-hot label, and a softmax reaches that at infinite
# logits. So on data that can be separated, plain cross-entropy keeps raising the gap between the right
# logit and the others for as long as one trains, and the entropy of the predictions falls. Nothing in
# the loss says *enough*. The regularisers do.
#
# ## 3. Four distances from uniform
#
# To keep a prediction from becoming too sure, add something that is 0 at the uniform distribution and
# grows away from it. The Kullback-Leibler divergence $\mathrm{KL}(a\|b) = \sum_k a_k \log (a_k/b_k)$ can
# be used both ways round, and combined. It is 0 for equal distributions, never negative, and not symmetric: the *first* of the two says which
# classes count. $\mathrm{KL}(u\|p)$ averages over $u$, so every class counts alike, however improbable the model finds it.
# $\mathrm{KL}(p\|u)$ averages over $p$, so only the classes count that the model believes in.
#
# | name | value | used as |
# |---|---|---|
# | $\mathrm{KL}(u\|p)$ | $-\log C - \frac1C \sum_k \log p_k$ | entropy regularisation (ER, the method of this course); label smoothing (Szegedy et al., CVPR 2016) |
# | $\mathrm{KL}(p\|u)$ | $\log C - H(p)$ | confidence penalty (Pereyra et al., 2017) |
# | Jeffreys | $\mathrm{KL}(u\|p) + \mathrm{KL}(p\|u)$ | |
# | JSD (Jensen-Shannon divergence) | $\frac12 \mathrm{KL}(p\|m) + \frac12 \mathrm{KL}(u\|m)$, $m = \frac12 (p+u)$ | Jensen-Shannon variant |
#
# From scratch, each is a line or two.


# %%
def kl(log_a, log_b):  # KL(a||b) of rows, (N, C) and (N, C) -> (N,)
    return (log_a.exp() * (log_a - log_b)).sum(dim=1)


def four_distances(logits):
    log_p = logits.log_softmax(dim=1)
    log_u = torch.full_like(log_p, -math.log(log_p.shape[1]))
    log_m = torch.logaddexp(log_p, log_u) - math.log(2)
    forward, backward = kl(log_u, log_p), kl(log_p, log_u)
    jsd = (kl(log_p, log_m) + kl(log_u, log_m)) / 2
    return forward, backward, forward + backward, jsd


package = [
    losses.kl_uniform,
    losses.kl_to_uniform,
    losses.jeffreys,
    losses.jsd,
]
for mine, theirs in zip(four_distances(z), package, strict=True):
    assert torch.allclose(mine, theirs(z), rtol=0, atol=1e-12)
    print(f"{theirs.__name__:14} agrees; first row: {mine[0]:.3f} nats")

# %% [markdown]
# With three classes, all predictions fit in a triangle: a corner is certainty, the middle is uniform.
# **Predict:** on the *edge* of the triangle one class has probability 0. Which of the four are
# infinite there? The lower row adds half of each to cross-entropy and marks where the sum is lowest. A
# search finds that place: the loss treats the wrong classes alike, so one gap is all there is to vary.


# %%
def first_is_right(z):  # cross-entropy, right class first, (N,)
    return -z.log_softmax(dim=1)[:, 0]


# p_y and entropy where CE + strength * value is lowest
def optimum(value, strengths, classes):
    gap = torch.linspace(0, 40, 4001, dtype=double)  # z_y - z_k
    z = F.pad(gap[:, None], (0, classes - 1))  # (G, C)
    strengths = torch.as_tensor(strengths, dtype=double)
    loss = first_is_right(z) + strengths[:, None] * value(z)  # (S, G)
    best = loss.argmin(dim=1)
    return z.softmax(dim=1)[best, 0], losses.entropy(z)[best]


names = ("KL(u‖p)", "KL(p‖u)", "Jeffreys", "JSD")
members = dict(zip(names, package, strict=True))
colours = ("blue", "vermillion", "green", "purple")
shades = [figures.ink(colour) for colour in colours]
inks = dict(zip(names, shades, strict=True))


# %%
def triangle(axes, value, most, levels, cells=300):
    """A value, logits (N, 3) -> (N,), over all predictions of three
    classes, white lines at `levels`; class 0 is in the upper corner."""
    height, look = math.sqrt(3) / 2, {"interpolation": "bilinear"}
    steps = torch.linspace(0, 1, cells + 1, dtype=double)
    x, top = torch.meshgrid(steps, steps, indexing="xy")
    p = [top, 1 - x - top / 2, x - top / 2]
    z = torch.stack(p, dim=-1).reshape(-1, 3).clamp_min(1e-4).log()
    field = value(z).reshape(x.shape).numpy()
    # The square root: the distances differ at small values.
    look |= {"norm": PowerNorm(0.5, vmin=0, vmax=most)}
    look |= {"origin": "lower", "extent": (0, 1, 0, height)}
    image = axes.imshow(field, **look)
    white = {"levels": levels, "colors": "white", "linewidths": 0.7}
    lines = axes.contour(x, top * height, field, **white)
    corners = [(0, 0), (1, 0), (0.5, height)]
    for artist in (image, lines):
        edge = Polygon(corners, transform=axes.transData)
        artist.set_clip_path(edge)
    axes.add_patch(Polygon(corners, fill=False, lw=1))
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 0.9), aspect="equal")
    axes.axis("off")
    return image


# %%
strength, levels = 0.5, (0.1, 0.3, 0.5, 1)
uses = {
    "KL(u‖p)": "ER, label smoothing",
    "KL(p‖u)": "confidence penalty",
    "Jeffreys": "both KLs together",
    "JSD": "Jensen-Shannon",
}
lowest = {
    name: optimum(value, [strength], 3)[0].item()
    for name, value in members.items()
}


def draw_loss(
    axes, value, p_y
):  # CE + strength * value, its lowest place
    def loss(z):
        return first_is_right(z) + strength * value(z)

    other = (1 - p_y) / 2
    least = torch.tensor([[p_y, other, other]], dtype=double).log()
    lines = [loss(least).item() + step for step in (0.03, 0.2, 0.6)]
    drawn = triangle(axes, loss, 3, lines)
    place, dot = (0.5, math.sqrt(3) / 2 * p_y), OKABE_ITO["skyblue"]
    axes.plot(*place, "o", mfc=dot, mec="white", ms=8)
    words = f"lowest at $p_y$ = {p_y:.2f}"
    axes.text(0.5, -0.05, words, ha="center", va="top")
    return drawn


# %% tags=["figure:simplex"]
figure, axes = plt.subplots(2, 4, figsize=(9, 4.9))
for name, (above, below) in zip(names, axes.T, strict=True):
    upper = triangle(above, members[name], 1.5, levels)
    lower = draw_loss(below, members[name], lowest[name])
    title = f"{name}\n{uses[name]}"
    above.set_title(title, fontsize=10, loc="center")
bars = {"extend": "max", "pad": 0.01, "aspect": 14}
figure.colorbar(upper, ax=axes[0], label="divergence (nats)", **bars)
figure.colorbar(lower, ax=axes[1], label="loss (nats)", **bars)
corner = torch.tensor([[30.0, 0, 0]], dtype=double)
bound = math.log(3) + 1e-6
finite = [name for name in names if members[name](corner) < bound]
listed = ", ".join(f"{name} {p_y:.2f}" for name, p_y in lowest.items())
figures.show(
    figure,
    "Three classes, the right one at the top. Upper row: each "
    "divergence is 0 in the middle; white lines at "
    f"{', '.join(map(str, levels))} nats. In the corners "
    f"{' and '.join(finite)} stay finite, the others grow without "
    f"bound. Lower row: with strength {strength:g} added to "
    f"cross-entropy, the loss is lowest at p_y: {listed}.",
)

# %% [markdown]
# <details><summary>Answer</summary>
#
# The two that contain $\mathrm{KL}(u\|p)$: on an edge, as in a corner, one $-\log p_k$ is infinite, and it
# counts with the weight $1/C$ whatever $p_k$ is. $\mathrm{KL}(p\|u)$ and JSD weigh it with $p_k$, or take its
# logarithm after mixing with $u$, and stay finite.
#
# </details>

# %% [markdown]
# $\mathrm{KL}(u\|p)$ averages $-\log p_k$ over *all* classes, so it forbids any class to vanish. The
# confidence penalty asks only how spread $p$ is: at a corner it has reached its largest value and can
# hurt no more. JSD is bounded (by $\log 2$) and weak. The lower row shows what matters for training: where the sum
# of cross-entropy and regulariser is lowest. The same strength means four different things.
#
# Three mistakes about these definitions are common in print. The next cell puts numbers to them.

# %%
sure = torch.zeros(1, 200, dtype=double)
sure[0, 3] = 10.0
forward, backward, jeffreys, jsd = map(float, four_distances(sure))
without = -sure.log_softmax(dim=1).mean().item()
constant, log_c = without - forward, math.log(200)
print(f"KL(u||p) {forward:.2f}, and without its -log C: {without:.2f}")
print(f"  difference {constant:.3f}, log 200 = {log_c:.3f}")
print("'JSD = KL(u||p) + KL(p||u)':", end=" ")
print(f"the sum is {jeffreys:.3f} (Jeffreys), JSD is {jsd:.3f}")
print("'JSD is the square root of KL':", end=" ")
print(f"sqrt of KL(p||u) is {math.sqrt(backward):.3f}")

# %% [markdown]
# The first is harmless for training (a constant has no gradient) and fatal for comparing values. The
# second swaps two columns of the figure above. The third mixes up a true sentence: the square root *of
# JSD* is a metric. A metric obeys the triangle inequality; the next cell tries both on three
# distributions in a row.


# %%
def jsd_between(a, b):
    m = (a + b) / 2
    kls = [torch.special.xlogy(x, x / m).sum().item() for x in (a, b)]
    return sum(kls) / 2


a, b = torch.tensor([0.9, 0.1]), torch.tensor([0.1, 0.9])
middle = (a + b) / 2
direct = jsd_between(a, b)
halves = jsd_between(a, middle), jsd_between(middle, b)
root, roots = math.sqrt(direct), sum(map(math.sqrt, halves))
print(f"JSD:       direct {direct:.3f}, by the middle", end=" ")
print(f"{sum(halves):.3f}: the detour is shorter")
print(f"sqrt(JSD): direct {root:.3f}, by the middle", end=" ")
print(f"{roots:.3f}: it is not")

# %% [markdown]
# ## 4. How hard they pull
#
# Gradients decide, not values. By hand (try the second; it is Exercise 1):
#
# | | $\partial / \partial z_k$ |
# |---|---|
# | $\mathrm{KL}(u\|p)$ | $p_k - 1/C$ |
# | $\mathrm{KL}(p\|u)$ | $p_k\,(\log p_k + H(p))$ |
# | Jeffreys | the sum of both |
# | JSD | $\frac12 p_k\,[\log (p_k/m_k) - \mathrm{KL}(p\|m)]$ |
#
# The next cell checks three of them against automatic differentiation.

# %%
m = (p + 1 / 6) / 2
kl_pm = (p * (p / m).log()).sum(dim=1, keepdim=True)  # (5, 1)
forms = {
    losses.kl_uniform: p - 1 / 6,
    losses.kl_to_uniform: p * (p.log() + losses.entropy(z)[:, None]),
    losses.jsd: 0.5 * p * ((p / m).log() - kl_pm),
}
for function, closed in forms.items():
    error = (gradient(function, z) - closed).abs().max().item()
    holds = f"closed form holds to 1e-12: {error < 1e-12}"
    print(f"{function.__name__:14} {holds}")

# %% [markdown]
# Look at what multiplies $p_k$. In the forms of $\mathrm{KL}(p\|u)$ and JSD all of it is: $p_k$ is a factor of
# the whole, so their pull on a wrong class fades together with its probability. $\mathrm{KL}(u\|p)$ has a term
# without $p_k$, and Jeffreys has it from there: they pull a vanishing class back with $1/C$, whatever happens.
# The next cell prints that pull for 200 classes and a prediction that is 50 to 99.9 per cent sure; the figure
# after it draws the whole range.


# %%
# right class first, the others equal; (M,) -> logits (M, C)
def prediction(p_y, classes):
    p_y = torch.as_tensor(p_y, dtype=double)
    logits = torch.zeros(len(p_y), classes, dtype=double)
    logits[:, 0] = (p_y * (classes - 1) / (1 - p_y)).log()
    return logits


sureness = [0.5, 0.9, 0.99, 0.999]
start = prediction(sureness, 200)
pull = {f.__name__: gradient(f, start)[:, 1].tolist() for f in package}
table = pd.DataFrame(pull, index=pd.Index(sureness, name="p_y")).T
# gradient on a wrong logit; minus: descent raises it
table.map(lambda value: f"{value:.1e}")

# %%
C = 200
# from uniform to sure
all_p = torch.linspace(1 / C, 1 - 1e-6, 500, dtype=double)
# ever surer
late_p = 1 - torch.logspace(math.log10(0.6), -5, 300, dtype=double)


def late_axes(axes):  # each tick is ten times surer than the last
    axes.set(xscale="logit", yscale="log", xlim=(0.4, 1 - 1e-5))
    axes.set_xticks(ticks := [0.9, 0.99, 0.999, 0.9999])
    axes.set_xticklabels(map(str, ticks))
    axes.minorticks_off()
    axes.set_xlabel("$p_y$ (stretched towards 1)")
    axes.set_ylabel("pull up on each wrong logit")


# %% tags=["figure:pulls"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.7))
ends = []
for name, value in members.items():
    down = gradient(value, prediction(all_p, C))[:, 0]
    left.plot(all_p, down, color=inks[name])
    pull = -gradient(value, prediction(late_p, C))[:, 1]
    right.plot(late_p, pull, color=inks[name], label=name)
    ends.append(f"{name} {pull[-1]:.1e}")
left.set(xlim=(0, 1), xlabel="$p_y$")
left.set_ylabel("pull down on the right logit")
late_axes(right)
right.legend(loc="lower left")
figures.show(
    figure,
    f"{C} classes. At p_y = {late_p[-1]:.5f} the pull on each wrong "
    f"logit is: {', '.join(ends)}. Whatever contains KL(u‖p) keeps "
    f"pulling, with 1/C = {1 / C:g}; the others let go.",
)

# %% [markdown]
# Both panels show one quantity (the gradients of a row add up to 0, so the left one is the right one
# times $C-1$), but different stories. Around $p_y = 1/2$ the confidence penalty pulls harder than
# $\mathrm{KL}(u\|p)$ (first column of the table).
# Once a network has learned its training set, and that is where training spends its time, only the
# losses that contain $\mathrm{KL}(u\|p)$ still say something. Hence the rule of this course: **never
# compare regularisers at equal strength; compare them at matched entropy.**
#
# ## 5. Entropy regularisation is label smoothing
#
# **Label smoothing** mixes the one-hot label with the uniform distribution before cross-entropy is
# taken: the target becomes $(1-\varepsilon)\,y + \varepsilon\, u$. **Entropy regularisation** (Hwang et
# al., 2023) adds a divergence: $\mathrm{CE} + \lambda\,\mathrm{KL}(u\|p)$. From here on $\lambda$, from 0 to infinity, is what a
# divergence is multiplied with before it is added to the *whole* cross-entropy, and $\varepsilon$, from 0 to 1, is a *share*,
# as in label smoothing: what the uniform distribution gets, the label loses. Their values change from cell to cell, and each cell sets its own. Write
# $H(u,p) = -\frac1C\sum_k \log p_k$, so that $\mathrm{KL}(u\|p) = H(u,p) - \log C$. Then
#
# $$\mathrm{CE} + \lambda\,\mathrm{KL}(u\|p) = (1+\lambda)\Big[\tfrac{1}{1+\lambda}\mathrm{CE} +
# \tfrac{\lambda}{1+\lambda} H(u,p)\Big] - \lambda \log C = (1+\lambda)\,\mathrm{LS}_\varepsilon -
# \lambda\log C, \qquad \varepsilon = \frac{\lambda}{1+\lambda}.$$
#
# The two losses have the same minimum and, but for the factor $1+\lambda$, the same gradient. Here it
# is in numbers, from scratch, and against the package.

# %%
lam, classes = 0.25, 6
eps = lam / (1 + lam)
ce = -p.log()[torch.arange(5), y].mean()
er = ce + lam * four_distances(z)[0].mean()
smooth = (1 - eps) * one_hot + eps / classes  # (5, 6), rows sum to 1
ls = -(smooth * p.log()).sum(dim=1).mean()
rebuilt = (1 + lam) * ls - lam * math.log(classes)
print(f"ER {er:.6f}   from label smoothing {rebuilt:.6f}")
by_name = losses.objective(z, y, "kl_uniform", lam)
assert math.isclose(er, by_name, abs_tol=1e-12)
by_name = losses.objective(z, y, "label_smoothing", eps)
assert math.isclose(ls, by_name, abs_tol=1e-12)
converted = losses.epsilon_from_lambda(lam, classes)
print("both equal losses.objective; eps =", round(converted, 3))

# %% [markdown]
# So a table that reports "ER against label smoothing" compares two *strengths*, not two methods. Keep
# that in mind for notebook 08. And mind the sign: with a minus the loss has no minimum. (The next figure has
# another strength than the cell above, $\lambda = 0.05$, and 200 classes, so that the bend can be seen; the sign
# matters at any strength.)

# %%
weak, C = 0.05, 200
gap = torch.linspace(0, 30, 301, dtype=double)
far = F.pad(gap[:, None], (0, C - 1))
ce, penalty = first_is_right(far), weak * losses.kl_uniform(far)
plus, minus = ce + penalty, ce - penalty
lowest = plus.argmin()
slope = (minus[-2] - minus[-1]) / (gap[-1] - gap[-2])

# %% tags=["figure:sign"]
figure, axes = plt.subplots(figsize=(9, 3.2))
for name, loss, colour, line in (
    (f"CE + {weak:g} KL(u‖p)", plus, "blue", "-"),
    ("CE", ce, "black", "--"),
    (f"CE − {weak:g} KL(u‖p)", minus, "vermillion", "-"),
):
    axes.plot(gap, loss, line, color=OKABE_ITO[colour])
    ink = figures.ink(colour)
    axes.text(30.3, loss[-1], name, color=ink, va="center")
axes.plot(gap[lowest], plus[lowest], "o", color=OKABE_ITO["blue"])
axes.set(xlim=(0, 30), ylabel="loss (nats)")
axes.set_xlabel("gap between the right logit and the others")
figures.show(
    figure,
    f"One sample, {C} classes. With plus the loss is lowest at a gap "
    f"of {gap[lowest]:.1f}; plain CE only approaches 0; with minus the "
    f"loss falls for ever, in the end by {slope:.3f} nats for each "
    "unit of the gap.",
)

# %% [markdown]
# Four sentences that you may meet, each followed by its check. **"The loss is
# $\mathrm{CE} - \lambda\,\mathrm{KL}(u\|p)$."** Then a larger logit is always better, without end; here
# with 200 classes and a strength 500 times smaller than in the figure, $\lambda = 10^{-4}$.

# %%
for size in (1e2, 1e4, 1e6):
    far = torch.zeros(1, 200, dtype=double)
    far[0, 0] = size
    ce = losses.cross_entropy(far, torch.tensor([0]))
    loss = ce - 1e-4 * losses.kl_uniform(far)
    print(f"right logit {size:9,.0f}: loss {loss.item():7.2f}")

# %% [markdown]
# **"The minus turns into $+\lambda \log p$ and so pulls $p$ to uniform."** Minimising $+\log p_k$ pushes
# it down, away from uniform. One gradient step with step size 1 in each direction shows it, at 200 classes and a
# prediction that is 90 per cent sure.

# %%
start = prediction([0.9], 200)
step = gradient(losses.kl_uniform, start)  # (1, 200)
before, plus, minus = (
    losses.entropy(start + s * step).item() for s in (0, -1, 1)
)
print(f"entropy {before:.2f} nats;", end=" ")
print(f"descending +KL: {plus:.2f}, descending -KL: {minus:.2f}")

# %% [markdown]
# **"Label smoothing is $\mathrm{CE} - \gamma\,\mathrm{KL}$."** It is $(1-\varepsilon)\,\mathrm{CE}$
# *plus* $\varepsilon\,\mathrm{KL}(u\|p)$, plus a constant. **"$\mathrm{CE} - \lambda H(p)$ equals
# $\mathrm{CE} - \lambda\,\mathrm{KL}(p\|u)$."** It is $\mathrm{CE} + \lambda\,\mathrm{KL}(p\|u) -
# \lambda\log C$: the claim loses a sign and a constant. In each line below the first two numbers should
# agree, and the third should not. (The logits are those of section 2, six classes; $\varepsilon = 0.2$ as
# in section 5's first cell. The confidence penalty's weight is written $\lambda$ in those papers; it multiplies
# *another* divergence, so that no $\varepsilon$ belongs to it. Here it is 0.5.)

# %%
ce, log_c = losses.cross_entropy(z, y).mean(), math.log(6)
part = eps * losses.kl_uniform(z).mean()
plus, minus = ((1 - eps) * ce + s * part + eps * log_c for s in (1, -1))
print(f"label smoothing    {ls:.3f};", end=" ")
print(f"with +KL {plus:.3f}; as claimed {minus:.3f}")

penalty = losses.objective(z, y, "confidence_penalty", 0.5)
part = 0.5 * losses.kl_to_uniform(z).mean()
plus, minus = ce + part - 0.5 * log_c, ce - part
print(f"confidence penalty {penalty:.3f};", end=" ")
print(f"with +KL {plus:.3f}; as claimed {minus:.3f}")

# %% [markdown]
# ## 6. Where a strength wants to end
#
# Set the gradient of the smoothed loss to zero: $p_k = (1-\varepsilon)\,y_k + \varepsilon/C$. One sample
# is therefore best predicted with
#
# $$p_y = 1 - \varepsilon + \varepsilon/C, \qquad z_y - z_k = \log\!\big(1 + C\,(1-\varepsilon)/\varepsilon\big).$$
#
# Now the loss *does* say enough: at a finite gap. **Predict:** label smoothing with
# $\varepsilon = 0.1$ and eight classes; is the gap nearer to 2, 4 or 8?

# %%
eps, classes, right = 0.1, 8, torch.tensor([0])


def smoothed(z):
    return losses.objective(z, right, "label_smoothing", eps)


z_free = torch.zeros(1, classes, dtype=double)
for _ in range(2000):  # gradient descent on the logits themselves
    z_free -= gradient(smoothed, z_free)
found = z_free.softmax(dim=1)[0, 0]
its_gap = z_free[0, 0] - z_free[0, 1]
print(f"descent: p_y {found:.4f}, gap {its_gap:.3f}")
p_y, best_entropy, gap = losses.smoothed_optimum(eps, classes)
print(f"formula: p_y {p_y:.4f}, gap {gap:.3f},", end=" ")
print(f"entropy {best_entropy:.3f} nats")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Nearer to 4, by descent and by the formula. Ten per cent of the label given away is enough to end at a finite gap.
#
# </details>

# %% [markdown]
# The larger $\varepsilon$, the higher the entropy of the optimum. The sentence "label smoothing lowers
# the entropy of the output" has it backwards, and the left panel below shows that for any number of
# classes. The right panel finds the optimum of each regulariser by search.

# %%
C, strengths = 200, torch.logspace(-2, 1.5, 200, dtype=double)
epsilons = torch.linspace(0, 0.999, 400).tolist()
best_of = {  # entropy (nats) at the optimum, for each strength
    name: optimum(value, strengths, C)[1]
    for name, value in members.items()
}


def share_of_log(eps, count):  # entropy of the optimum / log C
    return losses.smoothed_optimum(eps, count)[1] / math.log(count)


# %% tags=["figure:optima"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.7))
for count, colour in ((2, "orange"), (8, "skyblue"), (C, "black")):
    share = [share_of_log(eps, count) for eps in epsilons]
    ink = figures.ink(colour)
    left.plot(epsilons, share, color=ink, label=f"C = {count}")
left.set(xlim=(0, 1), xlabel="eps of label smoothing")
left.set_ylabel("entropy of the optimum / log C")
left.legend(loc="lower right")
for name, best in best_of.items():
    right.plot(strengths, best, color=inks[name], label=name)
right.axhline(math.log(C), color="black", lw=1, ls=":")
right.text(strengths[0], math.log(C) - 0.08, f"log {C}", va="top")
right.set(xscale="log", xlabel="strength")
right.set_ylabel("entropy of the optimum (nats)")
right.legend(loc="center left")
reach = ", ".join(
    f"{name} {strengths[best >= 1][0]:.2g}"
    for name, best in best_of.items()
)
figures.show(
    figure,
    "Left: entropy rises with eps from 0 to log C for any number of "
    f"classes. Right, {C} classes: the strength at which the optimum "
    f"reaches 1 nat is {reach}.",
)

# %% [markdown]
# Two shapes. With $\mathrm{KL}(u\|p)$, alone or in Jeffreys, the entropy grows smoothly from the smallest strength on. The
# confidence penalty and JSD do almost nothing below a strength, and above it they set in steeply: since their pull fades
# with $p_k$, a weak one lets the probabilities vanish. Anyone who sweeps the confidence penalty over a
# grid that suits label smoothing will report that it "has no effect" or "collapses".

# %% [markdown]
# ### Play: one prediction in the triangle
#
# Everything so far, under your hand: a prediction of three classes (white square), the right one at the top. An arrow
# each for cross-entropy and regulariser points where descent takes the prediction, and is as long as the
# gradient on the logits. Colours and white lines are the loss, the sum of both, and the white path is descent
# along it. **Predict** before you move: bring the prediction close to the upper corner. Which
# regularisers still have an arrow there? And with the minus sign, where does the path go, and does it stop?


# %%
def smoothing(z):  # label smoothing: CE + eps times this
    return -z.log_softmax(1).mean(1) - first_is_right(z)


TERMS = {
    "KL(u‖p): ER": losses.kl_uniform,
    "KL(p‖u): confidence penalty": losses.kl_to_uniform,
    "Jeffreys": losses.jeffreys,
    "JSD": losses.jsd,
    "label smoothing": smoothing,
}


def weigh(term, strength, sign):  # eps = lambda / (1 + lambda)
    share = strength / (1 + strength)
    weight = share if term == "label smoothing" else strength
    return -weight if sign == "minus" else weight


def descend(loss, z, steps=60):  # (1, 3) -> (steps + 1, 3)
    path = [z]
    for _ in range(steps):
        path.append(path[-1] - gradient(loss, path[-1]))
    return torch.cat(path)


def spot(z):  # x and y of predictions in the triangle
    p = z.softmax(1)
    return p[:, 2] + p[:, 0] / 2, math.sqrt(3) / 2 * p[:, 0]


# %%
def values_said(z):
    p = ", ".join(f"{value:.2f}" for value in z.softmax(1)[0])
    values = {"entropy": losses.entropy} | members
    said = (f"{n} {f(z).item():.2f}" for n, f in values.items())
    return f"p = ({p}): {', '.join(said)} nats."


def arrow(axes, z, g, name, colour):  # against g, as long as g
    ends = torch.stack(spot(torch.cat([z, z - 1e-3 * g])))  # (2, 2)
    way = F.normalize(ends[:, 1] - ends[:, 0], dim=0) * 0.4 * g.norm()
    look = {"color": OKABE_ITO[colour], "width": 0.012, "zorder": 3}
    look |= {"angles": "xy", "scale_units": "xy", "scale": 1}
    axes.quiver(*ends[:, :1], *way, **look)
    axes.plot([], color=look["color"], lw=4, label=name)


def triangle_of(loss, z, lowest):  # with the way down from z
    def above(z):  # the lowest in the triangle
        values = loss(z)
        return values - values.min()

    figure, axes = plt.subplots(figsize=(6.4, 4))
    triangle(axes, above, 3, (0.03, 0.2, 0.6, 1.5), 100)
    path = descend(loss, z)
    axes.plot(*spot(path), "w.-", ms=4, lw=1)
    axes.plot(*spot(z), "ws", mec="black", label="prediction", zorder=4)
    if lowest is not None:
        look = {"mfc": OKABE_ITO["skyblue"], "label": "lowest loss"}
        y = math.sqrt(3) / 2 * lowest
        axes.plot(0.5, y, "o", mec="black", ls="", **look)
    for x, y, name in ((0.53, 0.85, "right"), (0, -0.07, "second")):
        axes.text(x, y, f"{name} class")
    axes.text(1, -0.07, "third class", ha="right")
    return figure, axes, path


# %%
def simplex(p_y, other, term, strength, sign):
    left = 1 - p_y
    p = torch.tensor([[p_y, left * (1 - other), left * other]])
    z, weight = p.double().log(), weigh(term, strength, sign)
    parts = first_is_right, lambda z: weight * TERMS[term](z)

    def loss(z):
        return parts[0](z) + parts[1](z)

    low = None
    if weight > 0:
        low = optimum(TERMS[term], [weight], 3)[0].item()
    figure, axes, path = triangle_of(loss, z, low)
    pulls = [gradient(part, z) for part in parts]
    arrow(axes, z, pulls[0], "cross-entropy", "green")
    arrow(axes, z, pulls[1], "regulariser", "orange")
    axes.legend(loc="upper left", bbox_to_anchor=(0.85, 1))
    gap = path[-1, 0] - path[-1, 1:].max()
    ce, own = (g[0, 0].item() for g in pulls)
    said = "It has no minimum"
    if low is not None:
        said = f"It is lowest at p_y = {low:.2f}"
    return figure, (
        f"{values_said(z)} Loss: CE {weight:+.2f} times {term}. Its "
        f"gradient on the right logit is {ce:+.3f} {own:+.3f}. {said}; "
        f"{len(path) - 1} steps of descent end at a gap of {gap:.1f}."
    )


# %% tags=["nbval-ignore-output"]
p_y = FloatSlider(0.6, min=0.02, max=0.99, step=0.01)
p_y.description = "p of the right class"
other = FloatSlider(0.2, min=0.02, max=0.98, step=0.02)
other.description = "share of the third class in the rest"
term = Dropdown(options=list(TERMS), description="regulariser")
strength = FloatSlider(0.5, max=3, step=0.05, description="strength λ")
sign = Dropdown(options=["plus", "minus"], description="its sign")
widgets.Explorer(
    simplex,
    p_y=p_y,
    other=other,
    term=term,
    strength=strength,
    sign=sign,
)

# %% [markdown]
# <details><summary>Answer</summary>
#
# Close to the corner cross-entropy has hardly an arrow left, and neither have the confidence penalty and JSD: their
# gradients vanish with the probabilities of the other classes. $\mathrm{KL}(u\|p)$ still pushes, and with it Jeffreys and label
# smoothing: its gradient on the right logit tends to a constant. With the minus sign, the regulariser pushes the same way
# as cross-entropy once the right class leads. The path runs up to the border, where an ever larger gap has an ever smaller loss; the last step is
# where the drawing ends, not the path. Choose $\mathrm{KL}(u\|p)$ and then label smoothing, and the dot stays: $\lambda$ and
# $\varepsilon = \lambda/(1+\lambda)$ have one minimum.
#
# </details>

# %% [markdown]
# ## 7. What does $\lambda = 10^{-4}$ mean?
#
# The paper's strength is known from a summary only: $\lambda = 10^{-4}$. In this section $\lambda$ is what a paper
# *writes*, and the question is which $\lambda$ of section 5 it stands for. Whether that is strong depends
# on something the formula does not show: how the sum over classes is reduced. Three readings are in
# use in code:
#
# - the true KL, with its $1/C$, averaged over the batch: the effective strength is $\lambda$;
# - a plain sum over classes, without $1/C$: it is $\lambda C$;
# - `F.kl_div` with its default reduction, which averages over batch *and* classes: it is $\lambda/C$.
#
# First the trap itself: one call, two reductions. (PyTorch warns when its default is used; the cell
# spells out what that default computes.)

# %%
log_p, uniform = z.log_softmax(dim=1), torch.full_like(z, 1 / 6)
true_kl = losses.kl_uniform(z).mean().item()
per_row = F.kl_div(log_p, uniform, reduction="batchmean").item()
# what the default does
per_entry = F.kl_div(log_p, uniform, reduction="none").mean().item()
print(f"KL(u||p) {true_kl:.4f}   batchmean {per_row:.4f}", end="   ")
print(f"default 'mean' {per_entry:.4f}")
print("the default is too small by the factor", end=" ")
print(f"{true_kl / per_entry:.1f}: the number of classes")

# %% [markdown]
# Now the three readings, on the class counts of three data sets: CUB has 200 classes, ImageNet 1,000,
# OpenImages30k 100. Mind the first column: CUB and ImageNet share $\lambda = 10^{-4}$, and OpenImages30k
# stands at $10^{-3}$, of which a summary of the paper says that it trains too little there.

# %%
written = ((1e-4, 200), (1e-4, 1000), (1e-3, 100))
rows = []
for lam, classes in written:
    readings = {
        "true KL": lam,
        "class sum": lam * classes,
        "F.kl_div mean": lam / classes,
    }
    for name, effective in readings.items():
        eps = losses.epsilon_from_lambda(effective, classes)
        _, h, gap = losses.smoothed_optimum(eps, classes)
        shown = f"{eps:.1e}", f"{h:.2g}", f"{gap:.1f}"
        rows.append((f"{lam:g}", classes, name, *shown))
head = "lambda written|C|reading|eps|entropy (nats)|logit gap"
pd.DataFrame(rows, columns=head.split("|"))

# %% [markdown]
# Read the rows of CUB and ImageNet together. The same $\lambda$ is either almost inert, or a label smoothing of
# ordinary size. A result for one $\lambda$ on two data sets is a result for two different $\varepsilon$
# under the class-sum reading, because $C$ differs. This is why the course sweeps $\varepsilon$, and why
# the package asks you to say which convention you mean.

# %%
for reduction in ("mean", "class_sum"):
    eps = losses.epsilon_from_lambda(1e-4, 200, reduction)
    back = losses.lambda_from_epsilon(eps, 200, reduction)
    print(f"reduction={reduction!r:12} eps {eps:.4f},", end=" ")
    print(f"and back: lambda {back:g}")

# %% [markdown]
# ## 8. One family for all
#
# Meister et al. (ACL 2020) put these regularisers on one line. With $m = (1-\alpha)\,u + \alpha\,p$,
#
# $$D_\alpha = \frac{(1-\alpha)\,\mathrm{KL}(u\|m) + \alpha\,\mathrm{KL}(p\|m)}{\alpha\,(1-\alpha)}.$$
#
# At $\alpha \to 0$ it is the confidence penalty, at $\alpha \to 1$ label smoothing, and at $\alpha =
# \frac12$ four times JSD. The next cell writes it down once and checks the three claims.


# %%
def d_alpha(logits, alpha):
    log_p = logits.log_softmax(dim=1)
    log_u = torch.full_like(log_p, -math.log(log_p.shape[1]))
    shares = math.log(1 - alpha), math.log(alpha)
    log_m = torch.logaddexp(log_u + shares[0], log_p + shares[1])
    mixed = (1 - alpha) * kl(log_u, log_m) + alpha * kl(log_p, log_m)
    return mixed / (alpha * (1 - alpha))


for alpha, member, name in (
    (1e-6, losses.kl_to_uniform(z), "KL(p||u)"),
    (0.5, 4 * losses.jsd(z), "4 JSD"),
    (1 - 1e-6, losses.kl_uniform(z), "KL(u||p)"),
):
    mine, theirs = d_alpha(z, alpha)[0], member[0]
    print(f"{alpha:<8g} {mine:.4f}   {name:9} {theirs:.4f}")
theirs = losses.alpha_divergence(z, 0.3)
assert torch.allclose(d_alpha(z, 0.3), theirs, rtol=0, atol=1e-12)

# %%
alphas = {
    0: "0: KL(p‖u)",
    0.5: "1/2: 4 JSD",
    0.9: "0.9",
    0.99: "0.99",
    1: "1: KL(u‖p)",
}
palette = sns.color_palette("viridis", 6)[:5]
shades = [figures.ink(shade) for shade in palette]


def member_of(alpha):  # D_alpha as a function of logits
    return lambda z: losses.alpha_divergence(z, alpha)


# %% tags=["figure:alpha_family"]
C, ends = 200, []
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.7))
for (alpha, name), shade in zip(alphas.items(), shades, strict=True):
    value = member_of(alpha)
    left.plot(all_p, value(prediction(all_p, C)), color=shade)
    pull = -gradient(value, prediction(late_p, C))[:, 1]
    right.plot(late_p, pull, color=shade)
    side = {0: "top", 0.5: "bottom"}.get(alpha, "center")
    right.text(1 - 0.8e-5, pull[-1], name, color=shade, va=side)
    ends.append(f"{alpha:g}: {pull[-1]:.1e}")
left.text(0.5, 2.5, "α = 0", color=shades[0], ha="right")
left.text(0.95, 5, "α = 1", color=shades[-1], ha="right")
left.set(xlim=(0, 1), ylim=(0, 6), xlabel="$p_y$")
left.set_ylabel("$D_α$ (nats)")
late_axes(right)
figures.show(
    figure,
    f"{C} classes, alpha beside the curves. The pull on a wrong logit "
    f"at p_y = {late_p[-1]:.5f} is, by alpha, {', '.join(ends)}: only "
    "alpha = 1 does not let go.",
)

# %% [markdown]
# One might expect $\alpha = 0.99$ to behave almost like $\alpha = 1$. The right panel says no: as long as
# $\alpha < 1$, the mixture $m$ holds a little of $u$, the logarithm stays finite, and the pull fades in
# the end. Label smoothing is the edge of the family, not a typical member.
#
# ## 9. Exercises
#
# **Exercise 1 (10 minutes).** Write the gradient of $\mathrm{KL}(p\|u)$ with respect to the logits by
# hand, as a function of logits (N, C), without automatic differentiation. Hint: $\partial \log p_j /
# \partial z_k = [j=k] - p_k$.


# %% tags=["solution"]
# Exercise: gradient of KL(p||u) with respect to the logits,
# (N, C) -> (N, C).
#! penalty_gradient = None
def penalty_gradient(logits):
    log_p = logits.log_softmax(dim=1)
    p = log_p.exp()
    h = -(p * log_p).sum(dim=1, keepdim=True)
    return p * (log_p + h)


# %% tags=["check"]
checks.penalty_gradient(penalty_gradient)

# %% [markdown]
# **Exercise 2 (15 minutes).** Eight classes. Which $\beta$ gives the confidence penalty
# $\mathrm{CE} - \beta H(p)$ the same optimum as label smoothing with $\varepsilon = 0.1$? Hint: at the
# optimum the gradient on a wrong logit, cross-entropy's part plus the penalty's, is 0.

# %% tags=["solution"]
# Exercise: beta that matches eps = 0.1 with 8 classes.
#! beta = None
p_y, h, _ = losses.smoothed_optimum(0.1, 8)
p_k = 0.1 / 8  # p_k + beta p_k (log p_k + H) = 0
beta = -1 / (math.log(p_k) + h)

# %% tags=["check"]
checks.matched_beta(beta, epsilon=0.1, num_classes=8)

# %% [markdown]
# **Exercise 3 (5 minutes).** A paper uses $\lambda = 10^{-4}$ on ImageNet (1,000 classes), as a plain sum
# over classes. You train on CUB (200 classes) with the same code, and want the same $\varepsilon$. Which
# $\lambda$ do you pass?

# %% tags=["solution"]
# Exercise: class-sum lambda for 200 classes with the eps of 1e-4
# at 1000 classes.
#! cub_lambda = None
eps = losses.epsilon_from_lambda(1e-4, 1000, "class_sum")
cub_lambda = losses.lambda_from_epsilon(eps, 200, "class_sum")

# %% tags=["check"]
checks.transferred_lambda(
    cub_lambda, lam=1e-4, source_classes=1000, target_classes=200
)

# %% [markdown]
# ## Summary
#
# - Entropy and divergences go through `log_softmax`; the textbook formula fails on a sure model.
# - $\mathrm{KL}(u\|p)$ forbids every class to vanish and never stops pulling; $\mathrm{KL}(p\|u)$ and JSD
#   let go of a class together with its probability.
# - $\mathrm{CE} + \lambda\,\mathrm{KL}(u\|p)$ is $(1+\lambda)$ times label smoothing with
#   $\varepsilon = \lambda/(1+\lambda)$, up to a constant. The sign is plus.
# - A strength aims at a finite gap and a definite entropy, and higher strength means higher entropy.
#   Compare regularisers at matched entropy.
# - A $\lambda$ without its reduction over classes says nothing. Report $\varepsilon$.

# %% [markdown]
# ## Quiz
#
# **1.** One of $\mathrm{KL}(u\|p)$ and $\mathrm{KL}(p\|u)$ forbids the model to give any class a probability of zero. Which one, and why?
#
# <details><summary>Answer</summary>
#
# $\mathrm{KL}(u\|p)$. It averages $-\log p_k$ over *all* classes with the same weight $1/C$, so one vanishing $p_k$ makes it infinite.
# $\mathrm{KL}(p\|u)$ weighs each class with $p_k$: where $p_k$ vanishes, its term and its pull vanish as well.
#
# </details>
#
# **2.** A table says that entropy regularisation, $\mathrm{CE} + \lambda\,\mathrm{KL}(u\|p)$, beats label smoothing. What can the
# difference be, and what can it not be?
#
# <details><summary>Answer</summary>
#
# It cannot be the method: the two losses are the same up to a factor and a constant, with $\varepsilon = \lambda/(1+\lambda)$. It can be
# the strength (another $\varepsilon$), or the step size: the factor $1+\lambda$ makes all gradients larger. Or it is chance, between seeds.
#
# </details>
#
# **3.** You raise the $\varepsilon$ of label smoothing. What happens to the best $p_y$, to the gap between the logits, and to the
# entropy at the optimum?
#
# - a) all three fall
# - b) $p_y$ and the gap fall, the entropy rises
# - c) $p_y$ and the gap rise, the entropy falls
#
# <details><summary>Answer</summary>
#
# b). The target gives a larger share to the other classes: $p_y = 1 - \varepsilon + \varepsilon/C$. At $\varepsilon = 0$ the gap has no
# finite optimum, and at $\varepsilon = 1$ the optimum is uniform and the label no longer matters.
#
# </details>
#
# **4.** "We compared label smoothing and the confidence penalty at the same strength." Why is that no comparison of the two, and what
# would be one?
#
# <details><summary>Answer</summary>
#
# The same number means different things: one term pulls with a constant part, the other with a part that fades with $p_k$, so their optima lie at
# different entropies. Compare them at *matched entropy*: choose the strengths so that the predictions are equally unsure.
#
# </details>
#
# **5.** Your code takes a plain sum over the classes, without $1/C$. You move from one data set to another with five times as many classes,
# and keep $\lambda$. What have you changed?
#
# <details><summary>Answer</summary>
#
# The strength: the effective $\lambda$ is $\lambda C$, five times what it was, and $\varepsilon$ grows with it. With the true KL, which has its
# $1/C$, nothing would have changed. So report $\varepsilon$, or say how the sum was reduced.
#
# </details>

# %% [markdown]
# What none of this says is what happens to the *map*. Cross-entropy sees logits only, and the same
# logits can come from different maps. Notebook 03 opens the network and shows where a class activation
# map comes from; notebooks 06 and 07 then turn the knob that you have met here.
