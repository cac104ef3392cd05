"""Curves in a solver's normalised units, on one set of points, and both engines that fit many of them."""

import numpy as np

from bnsl.forms.broken import BNSL
from bnsl.solver.problem import Problem
from bnsl.solver.walk import fresh

U = np.linspace(-7.0, 0.0, 64)
GAP = U[1] - U[0]


def problems(y, p, **changes):
    """Problems (C, 64) that share log x = U, with p free parameters."""
    inf = np.full(p, np.inf)
    return Problem(U, y, np.ones(len(U)), 1.0, 1.0, np.ones(p, bool), np.zeros(p), -inf, inf)._replace(
        **changes
    )


def sharp_law(place, limit=0.4, form=None):
    """A law with a break at log x = place that is sharp on the scale of the points."""
    theta = np.array([limit, -1.0, 0.3, 0.6, place, np.log(1e-3)])
    return (form or BNSL(1)).evaluate(theta, np.exp(U))


def noisy(count, seed=0):
    """Curves (C, 64), every other one with a sharp break at a point."""
    rng = np.random.default_rng(seed)
    smooth = BNSL(1).evaluate(np.array([0.3, -1.0, 0.2, 0.5, -3.0, 0.0]), np.exp(U))
    laws = [sharp_law(U[10 + i]) if i % 2 else smooth for i in range(count)]
    return np.array(laws) * np.exp(0.01 * rng.normal(size=(count, len(U))))


def engine(backend):
    """What fits many curves: a function of a method, problems, and costs of other laws."""
    from bnsl.solver.crowd import search_many

    def compiled(method, problem, known=None):
        from bnsl.solver.compiled import begin_search

        return begin_search(method, problem)(known)

    def plain(method, problem, known=None):
        return search_many(method, problem, known=known)

    return compiled if backend == "jax" else plain


def stood(theta, cost, steps, gram=None):
    """Rows at given places (B,), of given costs and numbers of steps."""
    walk = fresh(np.asarray(theta, float)[:, None])
    gram = np.ones((len(cost), 1, 1)) if gram is None else gram
    return walk._replace(cost=np.asarray(cost), steps=np.asarray(steps), gram=gram)
