"""Every tuning number of the engine: how hard it searches, and when it stops.

`benchmarks/global_search.py` measures how often the best minimum is found, `benchmarks/many_curves.py` at
what speed.
"""

from __future__ import annotations

from typing import NamedTuple

from bnsl.forms.form import Form

# --- a step -----------------------------------------------------------------------------------------

# In units of the rounding error: below it rounding in the products of the normal equations decides.
LEAST_DAMPING = 4500.0
LEAST_DAMPING_EXACT = 4.5e-11  # 1e-26 in double precision
MAX_DAMPING = 1e16
LAST_STEPS = 6  # exact steps so small that rounding hides what they gain
MOST_CURVED = 0.5  # length of the second-order correction, relative to the step
# Mean squared residuals: with the first nothing is left to explain; so many times it count as free of noise.
ROUNDING = 1e-30
CLEAN = 1e22
# Below the first a break beyond the end of the data may show, and valleys are followed to their end; below
# the second a faint break may have been missed.
NOISELESS = 1e-8
FAINT = 2.5e-7

# --- which rows go on -------------------------------------------------------------------------------

ROUND = 6  # steps between two looks at which rows are worth going on with
# Where several rows are rivals for one problem, those leave that are not worth going on with:
# from so many steps on, whose cost is above the problem's best by more than this share;
BEHIND = ((6, 0.1), (12, 0.05), (30, 0.02), (60, 0.005))
ALIKE = 1e-3  # whose squared distance from the best law, as a share of the cost, is no more than this;
STALLED = 1e-5  # whose cost falls by less than this share in a round, after PATIENCE steps.
ALMOST = 0.06  # share above the best cost of one curve within which other laws are of interest
SETTLING = 6  # steps before which rows alike may part yet
PATIENCE = 36

MAX_STEPS = 200
TOLERANCE = 1e-6  # square root of the share of the cost that a last step may still have promised
EXACT_STEPS = 400
EXACT_TOLERANCE = 1e-10
FURTHER = 5  # so many times as many on curves without noise, whose valleys are long

# --- starts -----------------------------------------------------------------------------------------

# Chosen on simulated curves of one break with 64 points, of which `benchmarks/many_curves.py` draws others.
STARTS = 8  # starts with breaks of every width,
SHARP_STARTS = 16  # and with sharp ones, for forms that have breaks
PLATEAU_STARTS = 4  # and that end at a limit amid the points;
SCOUTING = 12  # steps that starts are given,
SCOUT_DTYPE = "float32"  # compiled, in a precision that is enough to compare them;
NEAR = 1.3  # then those go on whose cost is within this factor of the curve's best:
LEAST, MOST = 2, 12  # at least and at most so many,
DISTINCT = 0.05  # and no two whose squared distance, as a share of the cost, is less than this
SCOUTED_TOGETHER = 8  # times as many starts as are at work together: so few are left after the first looks
MINIMUM = 1e-3  # the same for those that are refined exactly
AT_ONCE = 65_536  # numbers of rows times points that are at work together: what stays in a processor's cache


class Look(NamedTuple):
    """When starts are looked at on the way, and which of them go on."""

    after: int  # steps
    near: float  # those whose cost is within so many times NEAR of the curve's best,
    least: int  # at least so many,
    alike: float = 0.0  # and no two whose squared distance, as a share of the cost, is less than this


# Most starts are far behind after two steps. Of 1,200 curves the first two looks lose the best law of two.
LOOKS = (Look(2, 4.0, 4), Look(4, 4.0, 2), Look(6, 10.0, 2, alike=0.1))


class Effort(NamedTuple):
    """How hard to search for laws of several breaks."""

    starts: int  # starts that are refined together
    keep: int  # how many of them are refined exactly
    kicks: int = 0  # rounds of as many kicks and replaced breaks
    beams: int = 1  # rounds of starts from the data, where there are kicks
    patient: int = 99  # rounds without a better law after which the search is over


EFFORT = (
    Effort(16, 4),
    Effort(16, 6),
    Effort(72, 8, kicks=15, beams=2, patient=8),
    Effort(72, 8, kicks=35, beams=2),
)
CROWDED = 84  # cheap steps of very many curves, whose last few would go on alone
CREEPING = 120  # exact steps where cheap ones have not found it
VALLEY = 72  # exact steps along a valley,
CRAWLING = 1e-7  # the later ones only where PATIENCE of them have lowered the cost by more than this share
SHARPENING = 6  # and cheap ones where they have, of very many curves
POLISH = 12  # exact steps where there is noise: cheap ones have found the minimum, but for the last digits
QUICK_STARTS, QUICK_STEPS = 24, 60  # starts of several breaks of a quick search, cheap steps after scouting,
ROUGH_STARTS, ROUGH_STEPS = 16, 12  # and those of a rough one,
QUICK_NEAR = 3.0  # whose rivals may count for more than their cost says
POLISHING = 30  # cheap steps from a solution on fewer points
HOPPING = 12  # steps in a round of kicks


def effort_for(form: Form) -> Effort:
    """The effort for the form's number of breaks."""
    return EFFORT[min(form.n_breaks, len(EFFORT) - 1)]
