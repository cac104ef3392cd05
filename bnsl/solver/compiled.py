"""The search of `bnsl.solver.crowd` compiled by JAX, for very many curves and for GPUs, in fixed shapes.

On a CPU the starts that are worth following ride a conveyor (`bnsl.solver.conveyor`), and what ends along a
valley is settled in NumPy. On a GPU all rows are in step (`bnsl.solver.march`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bnsl.forms.autodiff import runnable
from bnsl.solver.conveyor import ride
from bnsl.solver.crowd import Refined, settled
from bnsl.solver.march import fetched, march
from bnsl.solver.problem import Method, Problem, in_precision, several
from bnsl.solver.traced import ANYWHERE, Placement, running
from bnsl.solver.valleys import leave_valleys

Search = Callable[[np.ndarray | None], Refined]


def begin_search(
    method: Method,
    problems: Problem,
    *,
    dtype: str = "float64",
    report: Callable[[int], object] = lambda count: None,
    placement: Placement = ANYWHERE,
) -> Search:
    """Begin to search the best fit of each of C problems, from starts of its own; of one break at most.

    Args:
        method: form and loss.
        problems: arrays with C rows in front, or shared; `y` has C rows.
        dtype: "float64", or "float32" for the search.
        report: told how many more curves were scouted, which is about half of the work.
        placement: the devices to use.

    Returns:
        A function that gives what was found, of the costs (C,) of other laws, by far above which a fit need
        not be followed to its end, or None. A GPU is at work already; a CPU begins when it is called.
    """
    method = method._replace(form=runnable(method.form))
    whole = several(method.form, problems)
    total, p = len(whole.y), whole.free.shape[-1]
    # One shape for all calls: what is shared gets one row per curve, but for numbers.
    points = np.broadcast_to(whole.log_x, whole.y.shape), np.broadcast_to(whole.weight, whole.y.shape)
    wide = {
        name: np.broadcast_to(getattr(whole, name), (total, p)) for name in ("free", "held", "lower", "upper")
    }
    whole = whole._replace(log_x=points[0], weight=points[1], **wide)
    whole = in_precision(whole, dtype)
    if placement.wide:
        with running(dtype, placement):
            launched = march(method, whole, placement)
        return lambda known: fetched(launched, report)

    def search(known: np.ndarray | None) -> Refined:
        limit = np.full(total, np.inf) if known is None else known
        with running(dtype, placement), np.errstate(all="ignore"):
            theta, walk = ride(method, whole, limit, dtype, report, placement)
        with np.errstate(all="ignore"):
            if dtype != "float32":
                return settled(method, whole, theta, walk, limit)
            leave_valleys(method, whole, theta, walk, limit)  # its user has no need of the last digits
        return Refined(theta, np.where(np.isfinite(walk.cost), walk.cost, np.inf), walk.converged, walk.steps)

    return search
