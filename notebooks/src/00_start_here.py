# %% [markdown]
# # 00 · Start here
#
# Show a network thousands of pictures with nothing but a name under each, and it learns to name new ones. Unasked, it
# also learns something about *where* the thing is. This course is about that second lesson: how to read it, measure it,
# and make it better or worse with one line in the loss. Here is the whole story in two minutes.
#
# **When you are through, you can**
#
# 1. say what a class activation map shows, and how a box comes out of it;
# 2. say what the course changes in training (one term in the loss) and what it measures (entropy and localisation);
# 3. read the curve of the course, on its stretched axis and with its intervals;
# 4. find your way: which notebook answers which question, and how a stored training becomes a fresh one.
#
# **Before:** nothing. **To read:** 10 minutes. **To run:** 5 seconds on two CPU cores, without network.

# %%
import math
import textwrap

import matplotlib.pyplot as plt
from entreg_utils import analysis, cam, experiments, figures
from entreg_utils.experiments import cost
from entreg_utils.experiments.provenance import pick_device

figures.use_style()

# %% [markdown]
# ## A picture, a map, a box
#
# The course has a world of its own: fish on a reef, drawn by a program, so that every outline is known to the pixel and
# nothing has to be downloaded. A small network learned to name the species. It never saw an outline or a box. The next
# cell asks it about a new picture: *which places speak for your answer?*

# %% tags=["figure:first_map"]
# plain cross-entropy, no term added
plain = experiments.run(experiments.grids.EXAMPLE)
test = experiments.splits(plain.config)[2]
SHOWN = 0  # of the test pictures whose maps are stored; try 1, 2, 3
fish = plain.panel[SHOWN]
image, label = test.images[[fish]].float() / 255, test.labels[[fish]]
model = plain.model().cpu()
its_map, _ = cam.class_activation_map(model, image, label)
figures.show(figures.triptych(image[0], its_map[0], test.boxes[[fish]]))

# %% [markdown]
# The middle is a **class activation map** (CAM): a coarse picture of how much each place raised the score of the right
# species, bright where it raised it most. To get a box, the map is stretched so that its lowest value is 0 and its highest 1;
# what lies above a fixed **threshold** is kept, and the smallest box around its largest connected patch is drawn. That green
# box is the network's answer to *where*; the red dashes are the true box.
# The mark on the cheek settles the name, and the map shows it: much
# light around the head and on the water beside it, hardly any on the tail. The name needs no more. The box does.
#
# ## The same with one line changed
#
# Now the same picture and another network. Its loss holds one more term, which keeps its predictions from becoming too
# sure. How unsure a prediction is, is measured by its **entropy**: 0 when all the probability lies on one species, largest when
# all species are equally probable. Its unit here is the *nat*, since the logarithm in it is the natural one. Nothing
# else differs. The strength of the term is called $\varepsilon$, from 0 (off) to 1 (nothing left to learn).

# %% tags=["figure:first_map_regularised"]
regularised = experiments.run(experiments.er(0.8))
its_map = regularised.maps[-1, SHOWN]  # of the last epoch
figures.show(figures.triptych(image[0], its_map, test.boxes[[fish]]))

# %%
for run in (plain, regularised):
    entropy, accuracy = run.metrics["entropy"], run.metrics["accuracy"]
    print(f"eps {run.config.epsilon:.2f}:", end=" ")
    print(f"right names {accuracy:.1%}, entropy {entropy:.2f} nats")

# %% [markdown]
# Both name nearly every fish. The second one says so with far less certainty, and its map keeps to the fish. One
# picture proves nothing, of course. So:
#
# ## The curve of the course
#
# One network is one throw of the dice, so here are many strengths, each trained several times: the random start and the
# order of the pictures come from a **seed**, and each seed gives another network. Left, how well the maps fall on the fish
# (**PxAP**, pixel average precision: does the map rank the fish's pixels above all others? 1 is perfect). Right, how often
# the name is right. Both are drawn against the entropy of the predictions, on an axis that is stretched towards both its
# ends (equal steps are equal factors of the distance to the nearer end), since most networks lie close to one of them.
# **Predict:** where would you expect the best maps, at low entropy, in the middle, or at the highest?

# %%
runs = experiments.sweep(experiments.grids.SWEEP)
seeds = sorted({run.config.seed for run in runs})
print(f"{len(runs)} trainings, seeds {seeds}")
summary = analysis.over_seeds(analysis.final(runs))
history = analysis.history(runs)


def path_of(eps):  # the mean over the seeds at each epoch
    own = history[history.epsilon == eps]
    return own.groupby("epoch").mean(numeric_only=True)


paths = {eps: path_of(eps) for eps in (0, 0.5)}


# %%
def draw_path(axes, eps, score, colour, side):  # epoch by epoch
    x = paths[eps].test_entropy
    y = paths[eps][f"test_{score}"]
    ink, words = figures.ink(colour), f"epochs of ε = {eps:g}"
    axes.plot(x, y, ".-", color=ink, alpha=0.7, lw=1.2)
    axes.text(x.iloc[0], y.iloc[0] - 0.06, words, ha=side, color=ink)


def draw_strengths(axes, score):  # means of the seeds, 95 % interval
    x = summary["entropy"]["mean"]
    y, half = summary[score]["mean"], summary[score]["half"]
    axes.errorbar(x, y, half, fmt="o-", capsize=2)
    for eps in summary.index:
        height = (y + half)[eps] + 0.02
        axes.text(x[eps], height, f"{eps:g}", ha="center", fontsize=9)


# %% tags=["figure:first_plane"]
figure, panels = plt.subplots(1, 2, figsize=(10, 4))
titles = {
    "pxap": "Localisation: a hill",
    "accuracy": "Accuracy: a plateau, then a cliff",
}
for axes, (score, title) in zip(panels, titles.items(), strict=True):
    draw_path(axes, 0, score, "grey", "right")
    draw_path(axes, 0.5, score, "orange", "center")
    draw_strengths(axes, score)
    figures.entropy_axis(axes, num_classes=8)
    axes.set(ylim=(0, 1.12), title=title)
panels[0].set_ylabel("PxAP (0 to 1)")
panels[1].set_ylabel("accuracy")
pxap, path = summary["pxap"]["mean"], paths[0]
best, top = pxap.idxmax(), summary["entropy"]["mean"][pxap.idxmax()]
peak, end = path.loc[path.test_pxap.idxmax()], path.iloc[-1]
figures.show(
    figure,
    "Across strengths (blue, labelled by ε) the hill tops at ε = "
    f"{best:g}, at an entropy of {top:.2f} nats, "
    f"{top / math.log(8):.0%} of the largest there is; along the "
    f"epochs of ε = 0 (grey) PxAP is best at epoch {peak.name} "
    f"({peak.test_pxap:.2f}, entropy {peak.test_entropy:.2f}) and "
    f"ends at {end.test_pxap:.2f} (entropy {end.test_entropy:.2f}).",
)

# %% [markdown]
# <details><summary>Answer</summary>
#
# Neither at the lowest nor at the highest: there is a hill. Its top lies closer to the high end than the stretched axis
# makes it look; the sentence under the figure says at which share of the largest entropy.
#
# </details>

# %% [markdown]
# The top of the hill is not where an ordinary training ends. The grey line follows such trainings epoch by epoch (an
# **epoch** is one pass over all training pictures), as the mean over their seeds: it
# climbs, and then walks down the other side while the names stay right. Regularisation stops it higher up. Too much
# of it, and both name and place are learned worse in the same number of epochs.
#
# The numbers behind it: means over the seeds, with their 95 % intervals. (*Validation*: pictures kept apart from training and
# test, on which choices are made.)

# %%
print(textwrap.fill(analysis.verdict(runs), 79))
analysis.headline(runs)

# %% [markdown]
# In short: **GT-known Loc** is the share of pictures whose box overlaps the true one by at least one half (IoU, notebook 01),
# when the map of the true species is asked (GT: *ground truth*) at a threshold fixed in advance; **Top-1 Loc** asks for the right name as
# well. **BoxAcc** is the first share at a threshold that was chosen on validation pictures and *carried* over, **MaxBoxAcc** at the one that is best on the very
# test pictures (an *oracle*: no one can do that on new pictures). PxAP needs no threshold. Notebook 04 says what each column rewards. A
# score means little without what one gets *without looking*: the same box for all pictures, or a constant map.

# %%
analysis.baselines(test)

# %% [markdown]
# ## How to use the course
#
# | # | notebook | the question it answers |
# |---|---|---|
# | 00 | start here | what will I see? |
# | 01 | [WSOL preliminaries](01_wsol_preliminaries.ipynb) | what is labelled, what is asked for, why does the classifier's shortcut hurt? |
# | 02 | [entropy and its regularisers](02_entropy_and_regularisers.ipynb) | which terms are there, how do they pull, what does $\lambda$ mean? |
# | 03 | [CAM from scratch](03_cam_from_scratch.ipynb) | where does a map come from, and what may one do to it? |
# | 04 | [from map to score](04_from_map_to_score.ipynb) | how does a map become a number, and which traps are on the way? |
# | 05 | [CAM baselines](05_cam_baselines.ipynb) | what do erasing methods hide, and does the map move? |
# | 06 | [entropy-regularised training](06_entropy_regularised_training.ipynb) | what does the one line do, seen while it trains? |
# | 07 | [entropy against localisation](07_entropy_against_localisation.ipynb) | where is the sweet spot, why, and when does it hurt? |
# | 08 | [which regulariser](08_which_regulariser.ipynb) | which one, at matched entropy? |
# | 09 | [looking inside](09_looking_inside.ipynb) | what do the layers show, and where is the limit? |
# | 10 | [real photographs](10_real_photographs.ipynb) | does it hold on birds and on animals, and where does its sign turn? |
# | 11 | [reading critically](11_reading_critically.ipynb) | what should one ask of a paper's table? |
# | 12 | [your own photographs](12_your_own_photographs.ipynb) | what does it take to do this with your pictures? |
#
# **Alone at night?** Go through 01 to 12 in order, half an hour to an hour each. Where a page says *predict*, guess before
# you run the cell. Do the exercises in the copies under `exercises/`; each answer is checked at once.
#
# **Teaching a class?** 01 with 03 fills a session, 04 another, 06 with 07 a third; 02 is reading in between. Under every
# figure stands a sentence computed from its data; the exercises name their minutes.
#
# **Here to challenge a number?** Begin with 07 and 04. Every figure comes from records with their settings, seeds and
# origin, and `make tutorial` trains all of them anew.
#
# **Here with photographs or maps of your own?** 12, with 03 and 04 for what the words mean.
#
# **Run or load.** Every page asks for its networks by `experiments.run(config)`. What is stored is loaded, so an unchanged
# page is there within seconds. Turn any knob (a strength, a seed, a habitat) and the same line really trains, on a graphics
# card where PyTorch can use one, else on the CPU. The next cell says where that would be on this machine and estimates the
# time of one more strength from the stored records. To start it: `experiments.run(experiments.er(0.45))`, or
# `python -m entreg_utils run --epsilon 0.45` on the command line.

# %% tags=["nbval-ignore-output"]
price = cost.outline([experiments.er(0.45)]).splitlines()[-1]
print("on this machine a fresh training runs on:", pick_device().type)
print(textwrap.fill(price, 79))

# %% [markdown]
# ### Exercise (1 minute)
#
# Go back to the first picture, set `SHOWN` to 1, 2 or 3, and run the two cells again. Does the regularised map keep to the
# fish better in all four pictures? If not, you have met the reason why the next notebooks measure instead of look.

# %% [markdown]
# ## Quiz
#
# **1.** What did the network of the first picture get to see while it was trained?
#
# - a) pictures, names and boxes
# - b) pictures and names
# - c) pictures and outlines
#
# <details><summary>Answer</summary>
#
# b). That is what *weakly supervised* means here: places are asked for, and only names are given. The boxes and outlines of the
# drawn world serve to score the maps afterwards.
#
# </details>
#
# **2.** The second network names nearly as many fish as the first, at a much higher entropy. How can a prediction be unsure
# and right?
#
# <details><summary>Answer</summary>
#
# The name is the species with the largest probability, however large that is. A high entropy says that the others keep a good part
# of the probability, not that the largest one has changed. So accuracy alone does not show what the added term does.
#
# </details>
#
# **3.** In the figure the top of the blue hill lies near the middle of the axis. Does that mean that its entropy is about
# half of the largest possible one?
#
# <details><summary>Answer</summary>
#
# No. The axis is stretched towards both ends, so a place on it is no share of the whole. The sentence under the
# figure gives the share in per cent, and it is close to the upper end.
#
# </details>
#
# **4.** You watch the *accuracy* of an ordinary training (the grey line) and stop when it no longer rises. Have you found the
# epoch with the best maps?
#
# - a) yes, a better classifier has a better map
# - b) not necessarily: accuracy can stay where it is while the maps get worse
#
# <details><summary>Answer</summary>
#
# b). On the grey line PxAP climbs and then falls, and the names stay right all along the way down. Names and places are two
# different scores, and the loss pays for the names only.
#
# </details>
#
# **5.** A friend trains one network with the new term and one without, looks at three maps, and finds the new ones better. Name
# two things that are missing before this is a result.
#
# <details><summary>Answer</summary>
#
# Several seeds for each, with an interval: one network is one throw of the dice. And a score on all test pictures instead
# of a look at three, beside what a box or a constant map reaches that never looks at the picture. A third: who chose the
# threshold, and on which pictures.
#
# </details>

# %% [markdown]
# **Next:** [01](01_wsol_preliminaries.ipynb) asks what exactly is given, and what is asked for.
