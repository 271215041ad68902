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
# **Before:** softmax, cross-entropy, a derivative. **To read:** 30 minutes.
# **To run:** 10 seconds on two CPU cores, without network.

# %%
import math

import pandas as pd
import torch
import torch.nn.functional as F

from entreg_utils import checks, figures, losses
from entreg_utils.figures import losses as plots

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
# model that is very sure. What will it print there?

# %%
logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [3.0, 1.0, 0.0, 0.0], [200.0, 0.0, 0.0, 0.0]])
p = logits.softmax(dim=1)  # (3 rows, 4 classes)
naive = -(p * p.log()).sum(dim=1)  # (3,)
print("by the formula:", [round(value, 3) for value in naive.tolist()])

# %% [markdown]
# A probability underflowed to 0, its logarithm is minus infinity, and 0 times infinity is not a number.
# A library function that knows the limit $0 \log 0 = 0$ repairs the value. It does not repair training:
# look at the gradient.

# %%
z = logits.clone().requires_grad_()
torch.special.entr(z.softmax(dim=1)).sum().backward()
print("gradient with special.entr: ", z.grad[2].tolist())


def entropy(logits):  # (N, C) -> (N,)
    log_p = logits.log_softmax(dim=1)  # stays finite for every finite logit
    return (log_p.exp() * -log_p).sum(dim=1)


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
print("entropy at logits of ten thousand:", [round(h, 3) for h in losses.entropy(wild).tolist()])

# %% [markdown]
# ## 2. Cross-entropy has nowhere to stop
#
# Training with labels minimises $\mathrm{CE} = -\log p_y$, where $y$ is the right class. Its gradient is
# the plainest in machine learning, $\partial \mathrm{CE}/\partial z_k = p_k - y_k$ (with $y_k$ the
# one-hot label). The next cell checks that against automatic differentiation.


# %%
def gradient(function, logits):  # of a sum over rows, so each row has its own
    z = logits.clone().requires_grad_()
    return torch.autograd.grad(function(z).sum(), z)[0]


torch.manual_seed(0)
z = 2 * torch.randn(5, 6, dtype=double)  # five predictions, six classes
y = torch.tensor([0, 1, 2, 3, 4])
p, one_hot = z.softmax(dim=1), F.one_hot(y, 6).to(double)
error = (gradient(lambda z: losses.cross_entropy(z, y), z) - (p - one_hot)).abs().max()
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
# be used both ways round, and combined:
#
# | name | value | used as |
# |---|---|---|
# | $\mathrm{KL}(u\|p)$ | $-\log C - \frac1C \sum_k \log p_k$ | entropy regularisation (ER); label smoothing (Szegedy et al., CVPR 2016) |
# | $\mathrm{KL}(p\|u)$ | $\log C - H(p)$ | confidence penalty (Pereyra et al., 2017) |
# | Jeffreys | $\mathrm{KL}(u\|p) + \mathrm{KL}(p\|u)$ | |
# | JSD | $\frac12 \mathrm{KL}(p\|m) + \frac12 \mathrm{KL}(u\|m)$, $m = \frac12 (p+u)$ | Jensen-Shannon variant |
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


package = [losses.kl_uniform, losses.kl_to_uniform, losses.jeffreys, losses.jsd]
for mine, theirs in zip(four_distances(z), package, strict=True):
    assert torch.allclose(mine, theirs(z), rtol=0, atol=1e-12)
    print(f"{theirs.__name__:14} agrees; first row: {mine[0]:.3f} nats")

# %% [markdown]
# With three classes, all predictions fit in a triangle: a corner is certainty, the middle is uniform.
# Before you look: on the *edge* of the triangle one class has probability 0. Which of the four are
# infinite there?

# %%
figures.show(plots.simplex(strength=0.5))

# %% [markdown]
# $\mathrm{KL}(u\|p)$ averages $-\log p_k$ over *all* classes, so it forbids any class to vanish. The
# confidence penalty asks only how spread $p$ is: at a corner it has reached its largest value and can
# hurt no more. JSD is bounded and weak. The lower row shows what matters for training: where the sum
# of cross-entropy and regulariser is lowest. The same strength means four different things.
#
# Three mistakes about these definitions are common in print. The next cell puts numbers to them.

# %%
sure = torch.zeros(1, 200, dtype=double)
sure[0, 3] = 10.0
forward, backward, jeffreys, jsd = (value.item() for value in four_distances(sure))
without = -sure.log_softmax(dim=1).mean().item()
print(f"KL(u||p) {forward:.2f}, and without its -log C: {without:.2f}")
print(f"  difference {without - forward:.3f}, log 200 = {math.log(200):.3f}")
print(f"'JSD = KL(u||p) + KL(p||u)': the sum is {jeffreys:.3f} (Jeffreys), JSD is {jsd:.3f}")
print(f"'JSD is the square root of KL': sqrt of KL(p||u) is {math.sqrt(backward):.3f}")

# %% [markdown]
# The first is harmless for training (a constant has no gradient) and fatal for comparing values. The
# second swaps two columns of the figure above. The third mixes up a true sentence: the square root *of
# JSD* is a metric. A metric obeys the triangle inequality; the next cell tries both on three
# distributions in a row.


# %%
def jsd_between(a, b):
    m = (a + b) / 2
    return sum(0.5 * torch.special.xlogy(x, x / m).sum().item() for x in (a, b))


a, b = torch.tensor([0.9, 0.1]), torch.tensor([0.1, 0.9])
middle = (a + b) / 2
direct, detour = jsd_between(a, b), jsd_between(a, middle) + jsd_between(middle, b)
roots = math.sqrt(jsd_between(a, middle)) + math.sqrt(jsd_between(middle, b))
print(f"JSD:       direct {direct:.3f}, by the middle {detour:.3f}: the detour is shorter")
print(f"sqrt(JSD): direct {math.sqrt(direct):.3f}, by the middle {roots:.3f}: it is not")

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
    print(f"{function.__name__:14} closed form holds to 1e-12: {error < 1e-12}")

# %% [markdown]
# Look at the factor in front. Every form but the first starts with $p_k$, so the pull on a wrong class
# fades together with its probability. $\mathrm{KL}(u\|p)$ pulls a vanishing class back with $1/C$,
# whatever happens. The next cell prints that pull for 200 classes and a prediction that is 90, 99 and
# 99.9 per cent sure; the figure after it draws the whole range.


# %%
def prediction(p_y, classes):  # right class first, the rest shared equally; (M,) -> (M, C)
    p_y = torch.as_tensor(p_y, dtype=double)
    logits = torch.zeros(len(p_y), classes, dtype=double)
    logits[:, 0] = (p_y * (classes - 1) / (1 - p_y)).log()
    return logits


sureness = [0.9, 0.99, 0.999]
pull = {f.__name__: gradient(f, prediction(sureness, 200))[:, 1].tolist() for f in package}
table = pd.DataFrame(pull, index=pd.Index(sureness, name="p_y")).T
table.map(lambda value: f"{value:.1e}")  # gradient on a wrong logit; minus: descent raises it

# %%
figures.show(plots.pulls(classes=200))

# %% [markdown]
# Both panels show one quantity (the gradients of a row add up to 0, so the left one is the right one
# times $C-1$), but different stories. Around $p_y = 1/2$ the confidence penalty is the stronger one.
# Once a network has learned its training set, and that is where training spends its time, only the
# losses that contain $\mathrm{KL}(u\|p)$ still say something. Hence the rule of this course: **never
# compare regularisers at equal strength; compare them at matched entropy.**
#
# ## 5. Entropy regularisation is label smoothing
#
# **Label smoothing** mixes the one-hot label with the uniform distribution before cross-entropy is
# taken: the target becomes $(1-\varepsilon)\,y + \varepsilon\, u$. **Entropy regularisation** (Hwang et
# al., 2023) adds a divergence: $\mathrm{CE} + \lambda\,\mathrm{KL}(u\|p)$. Write
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
er = (-p.log()[torch.arange(5), y]).mean() + lam * four_distances(z)[0].mean()
smooth = (1 - eps) * one_hot + eps / classes  # (5, 6), rows sum to 1
ls = -(smooth * p.log()).sum(dim=1).mean()
print(f"ER {er:.6f}   from label smoothing {(1 + lam) * ls - lam * math.log(classes):.6f}")
assert math.isclose(er, losses.objective(z, y, "kl_uniform", lam), abs_tol=1e-12)
assert math.isclose(ls, losses.objective(z, y, "label_smoothing", eps), abs_tol=1e-12)
print("both equal losses.objective; eps =", round(losses.epsilon_from_lambda(lam, classes), 3))

# %% [markdown]
# So a table that reports "ER against label smoothing" compares two *strengths*, not two methods. Keep
# that in mind for notebook 08. And mind the sign: with a minus the loss has no minimum.

# %%
figures.show(plots.sign(strength=0.05))

# %% [markdown]
# Four sentences that you may meet, each followed by its check. **"The loss is
# $\mathrm{CE} - \lambda\,\mathrm{KL}(u\|p)$."** Then a larger logit is always better, without end; here
# with 200 classes and $\lambda = 10^{-4}$.

# %%
for size in (1e2, 1e4, 1e6):
    far = torch.zeros(1, 200, dtype=double)
    far[0, 0] = size
    loss = losses.cross_entropy(far, torch.tensor([0])) - 1e-4 * losses.kl_uniform(far)
    print(f"right logit {size:9,.0f}: loss {loss.item():7.2f}")

# %% [markdown]
# **"The minus turns into $+\lambda \log p$ and so pulls $p$ to uniform."** Minimising $+\log p_k$ pushes
# it down, away from uniform. One gradient step in each direction shows it.

# %%
start = prediction([0.9], 200)
step = gradient(losses.kl_uniform, start)  # (1, 200)
before, plus, minus = (losses.entropy(start + s * step).item() for s in (0, -1, 1))
print(f"entropy {before:.2f} nats; descending +KL: {plus:.2f}, descending -KL: {minus:.2f}")

# %% [markdown]
# **"Label smoothing is $\mathrm{CE} - \gamma\,\mathrm{KL}$."** It is $(1-\varepsilon)\,\mathrm{CE}$
# *plus* $\varepsilon\,\mathrm{KL}(u\|p)$, plus a constant. **"$\mathrm{CE} - \lambda H(p)$ equals
# $\mathrm{CE} - \lambda\,\mathrm{KL}(p\|u)$."** It is $\mathrm{CE} + \lambda\,\mathrm{KL}(p\|u) -
# \lambda\log C$: the claim loses a sign and a constant. In each line below the first two numbers should
# agree, and the third should not.

# %%
ce, log_c = losses.cross_entropy(z, y).mean(), math.log(6)
forward = losses.kl_uniform(z).mean()
right = [(1 - eps) * ce + sign * eps * forward + eps * log_c for sign in (1, -1)]
print(f"label smoothing    {ls:.3f}; with +KL {right[0]:.3f}; as claimed {right[1]:.3f}")

penalty = losses.objective(z, y, "confidence_penalty", 0.5)
backward = losses.kl_to_uniform(z).mean()
right = [ce + 0.5 * backward - 0.5 * log_c, ce - 0.5 * backward]
print(f"confidence penalty {penalty:.3f}; with +KL {right[0]:.3f}; as claimed {right[1]:.3f}")

# %% [markdown]
# ## 6. Where a strength wants to end
#
# Set the gradient of the smoothed loss to zero: $p_k = (1-\varepsilon)\,y_k + \varepsilon/C$. One sample
# is therefore best predicted with
#
# $$p_y = 1 - \varepsilon + \varepsilon/C, \qquad z_y - z_k = \log\!\big(1 + C\,(1-\varepsilon)/\varepsilon\big).$$
#
# Now the loss *does* say enough: at a finite gap. Before you run it: label smoothing with
# $\varepsilon = 0.1$ and eight classes; is the gap nearer to 2, 4 or 8?

# %%
eps, classes = 0.1, 8
z_free = torch.zeros(1, classes, dtype=double)
for _ in range(2000):  # gradient descent on the logits themselves
    z_free -= gradient(
        lambda z: losses.objective(z, torch.tensor([0]), "label_smoothing", eps), z_free
    )
p_y, best_entropy, gap = losses.smoothed_optimum(eps, classes)
print(f"descent: p_y {z_free.softmax(1)[0, 0]:.4f}, gap {z_free[0, 0] - z_free[0, 1]:.3f}")
print(f"formula: p_y {p_y:.4f}, gap {gap:.3f}, entropy {best_entropy:.3f} nats")

# %% [markdown]
# The larger $\varepsilon$, the higher the entropy of the optimum. The sentence "label smoothing lowers
# the entropy of the output" has it backwards, and the left panel below shows that for any number of
# classes. The right panel finds the optimum of each regulariser by search.

# %%
figures.show(plots.optima(classes=200))

# %% [markdown]
# Two shapes. With $\mathrm{KL}(u\|p)$ the entropy grows smoothly from the smallest strength on. The
# confidence penalty and JSD do almost nothing, then set in within one decade: since their pull fades
# with $p_k$, a weak one lets the probabilities vanish. Anyone who sweeps the confidence penalty over a
# grid that suits label smoothing will report that it "has no effect" or "collapses".
#
# ## 7. What does $\lambda = 10^{-4}$ mean?
#
# The paper's strength is known from a summary only: $\lambda = 10^{-4}$. Whether that is strong depends
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
per_entry = F.kl_div(log_p, uniform, reduction="none").mean().item()  # what the default does
print(f"KL(u||p) {true_kl:.4f}   batchmean {per_row:.4f}   default 'mean' {per_entry:.4f}")
print(f"the default is too small by the factor {true_kl / per_entry:.1f}: the number of classes")

# %% [markdown]
# Now the three readings, on the class counts of three data sets: CUB has 200 classes, ImageNet 1,000,
# OpenImages30k 100.

# %%
rows = []
for lam, classes in ((1e-4, 200), (1e-4, 1000), (1e-3, 100)):
    for name, factor in (("true KL", 1), ("class sum", classes), ("F.kl_div mean", 1 / classes)):
        eps = losses.epsilon_from_lambda(lam * factor, classes)
        p_y, h, gap = losses.smoothed_optimum(eps, classes)
        rows.append((f"{lam:g}", classes, name, f"{eps:.1e}", f"{h:.2g}", f"{gap:.1f}"))
pd.DataFrame(rows, columns=["lambda", "C", "reading", "eps", "entropy (nats)", "logit gap"])

# %% [markdown]
# Read the first two rows together. The same $\lambda$ is either almost inert, or a label smoothing of
# ordinary size. A result for one $\lambda$ on two data sets is a result for two different $\varepsilon$
# under the class-sum reading, because $C$ differs. This is why the course sweeps $\varepsilon$, and why
# the package asks you to say which convention you mean.

# %%
for reduction in ("mean", "class_sum"):
    eps = losses.epsilon_from_lambda(1e-4, 200, reduction)
    back = losses.lambda_from_epsilon(eps, 200, reduction)
    print(f"reduction={reduction!r:12} eps {eps:.4f}, and back: lambda {back:g}")

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
    log_m = torch.logaddexp(log_u + math.log(1 - alpha), log_p + math.log(alpha))
    mixed = (1 - alpha) * kl(log_u, log_m) + alpha * kl(log_p, log_m)
    return mixed / (alpha * (1 - alpha))


for alpha, member, name in (
    (1e-6, losses.kl_to_uniform(z), "KL(p||u)"),
    (0.5, 4 * losses.jsd(z), "4 JSD"),
    (1 - 1e-6, losses.kl_uniform(z), "KL(u||p)"),
):
    print(f"{alpha:<8g} {d_alpha(z, alpha)[0]:.4f}   {name:9} {member[0]:.4f}")
assert torch.allclose(d_alpha(z, 0.3), losses.alpha_divergence(z, 0.3), rtol=0, atol=1e-12)

# %%
figures.show(plots.alpha_family(classes=200))

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
# Exercise: gradient of KL(p||u) with respect to the logits, (N, C) -> (N, C).
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
# Exercise: class-sum lambda for 200 classes with the eps of 1e-4 at 1000 classes.
#! cub_lambda = None
eps = losses.epsilon_from_lambda(1e-4, 1000, "class_sum")
cub_lambda = losses.lambda_from_epsilon(eps, 200, "class_sum")

# %% tags=["check"]
checks.transferred_lambda(cub_lambda, lam=1e-4, source_classes=1000, target_classes=200)

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
#
# What none of this says is what happens to the *map*. Cross-entropy sees logits only, and the same
# logits can come from different maps. Notebook 03 opens the network and shows where a class activation
# map comes from; notebooks 06 and 07 then turn the knob that you have met here.
