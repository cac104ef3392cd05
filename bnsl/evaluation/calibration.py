"""How often intervals contain later measurements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bnsl._base.checks import InputError, check_share, told
from bnsl._base.display import quietly
from bnsl.curves.curve import Curve
from bnsl.evaluation.backtest import Backtest
from bnsl.evaluation.extrapolation import Extrapolation

ACCEPTED = (
    "what bnsl.backtest or bnsl.extrapolate returns, a pair of a law and the Curve of later points, or a "
    "list of these"
)


def coverage(cases: Any, levels: Sequence[float]) -> np.ndarray:
    """The share of later points inside each interval, a row per curve or cut.

    Points of one curve err together, so they count as one row, whatever their number.

    Args:
        cases: a Backtest, an Extrapolation, a pair (law, held_out) of what has `interval(x, level)` and a
            Curve, or a list of these.
        levels: of the intervals, between 0 and 1 (L,).

    Returns:
        Shares (C, L). Cases without a known interval are left out.

    Raises:
        InputError: something else, a law without intervals, a bad level, or no case with a known interval.
    """
    asked = [check_share(level, f"levels[{i}]") for i, level in enumerate(levels)]
    rows = []
    for law, later in _pairs(cases):
        with quietly():
            ends = [law.interval(later.x, level) for level in asked]
        low, high = np.swapaxes(np.array(ends, dtype=float), 0, 1)
        known = ~np.isnan(low + high).any(axis=0)
        if known.any():
            rows.append(((low <= later.y) & (later.y <= high))[:, known].mean(axis=1))
    if not rows:
        raise InputError("cases: no interval is known for any later point")
    return np.array(rows)


def _pairs(cases: Any) -> Iterator[tuple[Any, Curve]]:
    """Each law with the points that came later."""
    if isinstance(cases, Backtest):
        parts = [cases.curve.split(train_until=cut)[1] for cut in cases.cuts]
        found = [(law, part) for law, part in zip(cases.laws, parts, strict=True) if part is not None]
    elif isinstance(cases, Extrapolation):
        found = [(cases.result, cases.held_out)]
    elif isinstance(cases, tuple) and len(cases) == 2 and isinstance(cases[1], Curve):
        found = [cases]
    elif isinstance(cases, Sequence) and not isinstance(cases, str) and len(cases):
        for case in cases:
            yield from _pairs(case)
        return
    else:
        raise InputError(f"{told('cases', cases)} must be {ACCEPTED}")
    for law, later in found:
        if not hasattr(law, "interval"):
            raise InputError(
                f"cases: a {type(law).__name__} has no interval(x, level), so no coverage either"
            )
        yield law, later
