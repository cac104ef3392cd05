"""How many times the compute one recipe needs to reach the loss of another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, as_number, check_tails, is_number
from bnsl._base.display import FitWarning
from bnsl._base.lazy import pd
from bnsl.planning.allocation import SIX_N_D
from bnsl.planning.decisions import best_losses, budget_of
from bnsl.planning.surface import Bounds, Law, Surface, choice_of, surface_of
from bnsl.planning.tables import budgets_of, tabled, with_notes

REACH, PER_DECADE = 4.0, 6  # decades to both sides of a budget, and budgets in each


def effective_speedup(
    a: Law,
    b: Law | float,
    at: ArrayLike | None = None,
    cost: Callable[..., Any] = SIX_N_D,
    *,
    bounds: Bounds | None = None,
    held: Mapping[str, float] | None = None,
    level: float = 0.9,
    draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """How many times the compute of `b` the baseline `a` needs to reach the same loss.

    Where both follow L = L_inf + K C^-alpha it is ((L_a - L_inf) / (L_b - L_inf))^(1 / alpha), with L_inf and
    alpha of `a` and both losses at that compute. It is found for any law, by inverting `a`.

    Args:
        a: the baseline, a fit of one input, compute, or of several, whose best for each compute counts.
        b: what is compared, likewise; or a loss that was measured.
        at: the compute, one or several; the most in the data of `b` (of `a`, if `b` is a loss) if not given.
        cost: with several inputs, of a run, as for `allocate`.
        bounds: of inputs, as for `allocate`.
        held: values of inputs that are not chosen, as for `allocate`.
        level: probability of the interval, between 0 and 1.
        draws: number of laws drawn from the uncertainty of each; 0 for no interval.
        seed: of the random numbers.

    Returns:
        One row per compute, with the columns compute, loss_a, loss_b and speedup, each with the ends of its
        interval; a speedup is infinite if `a` does not reach that loss within 10,000 times the compute, with
        a warning not_reached in attrs["warnings"].

    Raises:
        InputError: what is no law, or as `allocate`.
    """
    tails = check_tails(level)
    curve = partial(_Curve, draws=draws, cost=cost, bounds=bounds, held=held)
    first = curve(a, seed=seed)
    measured = as_number(b, "b") if is_number(b) else None
    if measured is not None and measured <= 0 and (a.curve.y > 0).all():
        raise InputError(f"b = {measured:g} must be positive, as all losses of the baseline are")
    other = first if measured is not None else curve(b, seed=seed + 1)  # type: ignore[arg-type]
    budgets = budgets_of(other.most if at is None else at)
    rows = []
    for budget in np.log(budgets):
        around = budget + np.log(10.0) * np.linspace(-REACH, REACH, int(2 * REACH * PER_DECADE) + 1)
        least = first(around)
        now = least[:, len(around) // 2]
        goal = np.full(len(now), measured) if measured is not None else other(np.array([budget]))[:, 0]
        with np.errstate(over="ignore"):
            ratio = np.exp(budget_of(goal, around, least) - budget)
        speedup = np.where(goal < least[:, -1], np.inf, ratio)
        rows.append({"loss_a": now, "loss_b": goal, "speedup": speedup})
    never = float(np.mean(np.isinf([row["speedup"] for row in rows])))
    text = f"of {never:.1%} of the laws the baseline does not reach that loss within 10^{REACH:g} times"
    note = FitWarning("not_reached", f"{text} the compute: the speedup has no upper end there")
    return with_notes(tabled({"compute": budgets}, rows, tails), [note] if never > 0 else [])


class _Curve:
    """The lowest loss against compute of a law and its draws."""

    def __init__(self, law: Law, *, draws: int, seed: int, **chosen: Any) -> None:
        """`chosen` is what `choice_of` takes: cost, bounds, held."""
        self.surface: Surface = surface_of(law, draws, seed, least=1)
        one = len(self.surface.names) == 1
        self.choice = None if one else choice_of(self.surface, **chosen)
        self.most = float(law.curve.x.max()) if self.choice is None else self.choice.costs[1]

    def __call__(self, log_budgets: np.ndarray) -> np.ndarray:
        """The lowest y (R, B)."""
        if self.choice is None:
            return self.surface(np.exp(log_budgets)[None, :, None])
        return best_losses(self.surface, self.choice, log_budgets)
