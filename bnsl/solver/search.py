"""The search for the best fit of one form to one curve, as a few compiled programs.

Starts from the data are refined together: a few cheap steps of all, exact ones of the best. With two breaks
or more there are many local minima: the search then goes on from the best distinct solutions found so far,
kicked (basin hopping) or with a break or two replaced by random ones, or by sharp ones at any point, on data
thinned to a few points and with cheap steps, and refines what it found on all points.
`benchmarks/global_search.py` measures how often the best minimum is found.
"""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import combinations
from typing import Any, NamedTuple, TypeGuard

import jax
import jax.numpy as jnp
import numpy as np

from bnsl._base.checks import Array
from bnsl._base.programs import Program, compile_ahead, program
from bnsl.forms.broken import BNSL
from bnsl.forms.form import Form
from bnsl.solver import losses
from bnsl.solver.lm import Solution, levenberg_marquardt
from bnsl.solver.moves import distinct, kicked, sharp_breaks, trial_breaks
from bnsl.solver.sharp_starts import plateau_starts, sharp_starts
from bnsl.solver.starts import Linear, Trials, regrown_points, sprouting_points, starting_points

SCOUTING = 30  # steps that every start is given,
HOPPING = 12  # in a round of kicks,
MAX_STEPS = 400  # steps that the best of them are given,
MINIMUM = 1e-3  # squared distance of two minima, relative to the cost, after scouting
FURTHER = 5  # so many times on curves without noise, whose valleys are long


# One break: sharp ones are refined if one comes within this factor of the best cost.
SHARP_RIVAL = 1.3
PLATEAUS = 4  # so many of their starts end at a limit amid the points


class Effort(NamedTuple):
    """How hard to search."""

    starts: int  # starts that are refined together
    keep: int  # how many of them go on after scouting
    kicks: int = 0  # rounds of as many kicks and replaced breaks
    beams: int = 1  # rounds of starts from the data, where there are kicks


EFFORT = (Effort(16, 4), Effort(16, 6), Effort(72, 8, kicks=15, beams=2), Effort(72, 8, kicks=35, beams=2))
CONTINUED = 8  # best solutions that take part in a round as they are
THINNED = 256  # means of points on which the rounds of kicks run
# What the rounds do in turn, and how many breaks they replace.
MOVES = (("graft", 2), ("step", 2), ("sprout", 1), ("graft", 1))
LAST_OF_TWO, LAST = ("step", 1), ("kick", 0)  # on development curves kicks do more only with three breaks
SPROUTING = 8  # solutions of fewer breaks that a round adds breaks to
GRAFTED = 12  # solutions of which a round replaces breaks by random ones:
LEADERS = 4  # the best of them all,
DEEPEST = 48  # and some from among this many;
UNMOVED = 6  # so many keep their limit
# By sharp breaks at every one of N points so many over N^2: all pairs are tried.
STEPPED, FEWEST, MOST = 200_000, 4, 24
# Mean squared residuals: below the first a faint break may have been missed, below the second one beyond the
# end of the data may show and valleys are followed to their end, below the third nothing is left to explain.
FAINT = 2.5e-7
NOISELESS = 1e-8
ROUNDING = 1e-30

# These halve XLA's compile time on the CPU and cost nothing measurable in these small programs. In the course
# of JAX 0.11 XLA lost the choice of emitters, and now refuses the option.
FAST_COMPILE: dict[str, Any] = {"xla_backend_optimization_level": 1}
if jax.__version_info__ < (0, 11):
    FAST_COMPILE["xla_cpu_use_fusion_emitters"] = False


class Problem(NamedTuple):
    """One fit in normalised units, padded: rows of weight 0 do not count."""

    log_x: np.ndarray  # (N,) or (N, k), sorted
    y: np.ndarray  # (N,)
    weight: np.ndarray  # (N,) one over sigma in residual space; 0 for padding
    unit: float  # what one normalised unit of y is in the user's units
    scale: float  # residual at which a robust loss bends; 1 without one
    free: np.ndarray  # (p,) bool
    held: np.ndarray  # (p,) values of the parameters that are not free
    lower: np.ndarray  # (p,) further bounds of the user's; -inf and inf without
    upper: np.ndarray


class Method(NamedTuple):
    """What is minimised; a static argument of the compiled programs."""

    form: Form
    loss: str = "log"
    robust: str | None = None
    straight: bool = True  # walk in the form's working coordinates; not if breaks are constrained


class Pool(NamedTuple):
    """Where the search ended, best first."""

    theta: np.ndarray  # (M, p)
    cost: np.ndarray  # (M,) infinite where a start failed
    converged: np.ndarray  # (M,)


def search(method: Method, problem: Problem, first: np.ndarray | None = None, *, quick: bool = False) -> Pool:
    """The local minima that the starts lead to, best first.

    Args:
        method: form and loss.
        problem: the data in normalised units.
        first: starting coordinates (M, p) to use in the place of those from the data.
        quick: refine the starts from the data, and search no further.
    """
    form, effort = method.form, effort_for(method.form)
    given = first is not None
    if form.picks and not given:
        _prepare(method, len(problem.y), np.shape(problem.log_x)[1:], quick)
    if first is None:
        wanted = effort.starts * (effort.beams if effort.kicks and not quick else 1)
        first = np.asarray(_starts(form, wanted, problem))
    if effort.kicks and not quick and not given:
        best = _hop(method, problem, first, effort)
        pool = _pool(_refine(method, effort.keep, problem, best))
    else:
        scouted = _pool(_scout(method, problem, first, np.array(method.straight), np.array(SCOUTING)))
        pool = _best_refined(method, problem, scouted, effort.keep)
        if has_break(form) and not quick and not given:
            pool = _join(pool, _sharp_breaks(form, method, problem, pool, effort))
    if not np.isfinite(pool.cost[0]):  # all starts overflow: begin at a law that hardly depends on x
        pool = _pool(_refine(method, effort.keep, problem, np.where(problem.free, 0.0, first)))
    if given:
        return pool
    faint = NOISELESS if quick else FAINT
    if form.picks and form.per_pick and problem.free.all() and _remains(pool, problem, faint):
        pool = _join(pool, _hidden_breaks(method, problem, effort))
    for _ in range(FURTHER):
        if pool.converged[0] or not _remains(pool, problem, NOISELESS):
            break
        pool = _join(_pool(_refine(method, effort.keep, problem, pool.theta[: effort.keep])), pool)
    return pool


@lru_cache(maxsize=256)
def _prepare(method: Method, rows: int, inputs: tuple[int, ...], quick: bool) -> None:
    """Begin to compile what a search on so many rows calls after its starts, with their numbers known.

    The first fit of a process is compilation, of which this does some at the same time.
    """
    form, effort = method.form, effort_for(method.form)
    p = len(form.parameters)
    numbers, held = np.zeros(rows), np.zeros(p)
    log_x = np.zeros((rows, *inputs))
    problem = Problem(log_x, numbers, numbers, 1.0, 1.0, np.ones(p, bool), held, held, held)
    hops = bool(effort.kicks) and not quick
    few = problem._replace(log_x=log_x[:THINNED], y=numbers[:THINNED], weight=numbers[:THINNED])
    scouted = few if hops else problem
    starts, kept = np.zeros((effort.starts, p)), np.zeros((effort.keep, p))
    calls: list[tuple[Program, tuple[Any, ...]]] = [
        (_scout, (method, scouted, starts, np.array(True), np.array(SCOUTING))),
        (_refine, (method, effort.keep, problem, kept)),
        (_fits, (method, scouted, starts)),
    ]
    if has_break(form) and not quick:
        calls.insert(1, (_sharp, (form, effort.starts, problem)))
    if not quick:
        calls.append((_linearised, (method, problem, held)))
    compile_ahead(*calls)


def _sharp_breaks(form: BNSL, method: Method, problem: Problem, pool: Pool, effort: Effort) -> Pool:
    """Where the best sharp breaks at or half-way between two points lead, one a position.

    Of each such place there is a local minimum, into which no wider break needs to lead.
    """
    starts = np.asarray(_sharp(form, effort.starts, problem))
    scouted = _pool(_scout(method, problem, starts, np.array(False), np.array(SCOUTING)))
    if not scouted.cost[0] < SHARP_RIVAL * pool.cost[0]:
        return scouted._replace(converged=np.zeros_like(scouted.converged))
    return _best_refined(method, problem, scouted, effort.keep)


def _best_refined(method: Method, problem: Problem, scouted: Pool, keep: int) -> Pool:
    """What was scouted, of which the best `keep` are refined, distinct ones first."""
    fits = np.asarray(_fits(method, problem, scouted.theta))
    chosen = distinct(scouted.cost, fits, keep, MINIMUM)
    order = [*chosen, *(i for i in range(len(scouted.cost)) if i not in chosen)]
    refined = _pool(_refine(method, keep, problem, scouted.theta[order[:keep]]))
    return _join(refined, Pool(*(part[order[keep:]] for part in scouted)))


def _remains(pool: Pool, problem: Problem, least: float) -> bool:
    """Whether the mean squared residual is below `least`, and rounding is not all that is left."""
    return bool(ROUNDING < pool.cost[0] / max(int(np.sum(problem.weight > 0)), 1) < least)


def has_break(form: Form) -> TypeGuard[BNSL]:
    """Whether the form is a BNSL of one break."""
    return isinstance(form, BNSL) and form.n_breaks == 1


def effort_for(form: Form) -> Effort:
    """The effort for the form's number of breaks."""
    return EFFORT[min(form.picks, len(EFFORT) - 1)]


def _pool(solution: Solution) -> Pool:
    return _sorted(*(np.asarray(part) for part in (solution.theta, solution.cost, solution.converged)))


def _sorted(theta: np.ndarray, cost: np.ndarray, converged: np.ndarray) -> Pool:
    cost = np.where(np.isfinite(cost), cost, np.inf)
    order = np.argsort(cost, kind="stable")
    return Pool(theta[order], cost[order], converged[order])


def _join(first: Pool, second: Pool) -> Pool:
    return _sorted(*(np.concatenate(pair) for pair in zip(first, second, strict=True)))


def _hop(method: Method, problem: Problem, starts: np.ndarray, effort: Effort) -> np.ndarray:
    """Basin hopping on thinned data: the distinct best solutions (effort.keep, p), best first."""
    form, few = method.form, block_means(problem, THINNED)
    scale = np.asarray(_kick_scale(form, few))
    moves = (*MOVES, LAST_OF_TWO if form.picks == 2 else LAST)
    rng = np.random.default_rng(0)
    best_theta, best_cost, best_fits = starts[:0], np.zeros(0), np.zeros((0, len(few.y)))
    for round_ in range(effort.beams + effort.kicks):
        if round_ < effort.beams:
            batch = starts[round_ * effort.starts :][: effort.starts]
            batch = np.resize(batch if len(batch) else starts, (effort.starts, starts.shape[1]))
        else:
            batch = kicked(rng, best_theta, scale, effort.starts, CONTINUED)
            move, drops = moves[(round_ - effort.beams) % len(moves)]
            drops, room = min(drops, form.picks), effort.starts - CONTINUED
            if move == "sprout" and form.per_pick:
                grown = _sprouted(rng, method, few, best_theta, drops, effort)
            elif move == "step":
                grown = _stepped(rng, form, few, best_theta, drops, room)
            elif drops:
                grown = _grafted(rng, form, few, best_theta, drops, room)
            else:
                grown = batch[:0]
            batch[: len(grown)] = grown
            batch = np.where(problem.free, batch, problem.held)
        # Some curves crawl in the form's own coordinates, some in the working ones: take turns.
        walk = method.straight and (round_ < effort.beams or round_ % 2 == 1)
        found = _pool(_scout(method, few, batch, np.array(walk), np.array(HOPPING)))
        theta = np.concatenate([best_theta, found.theta])
        cost = np.concatenate([best_cost, found.cost])
        fits = np.concatenate([best_fits, np.asarray(_fits(method, few, found.theta))])
        chosen = distinct(cost, fits, effort.starts)
        best_theta, best_cost, best_fits = theta[chosen], cost[chosen], fits[chosen]
    return np.resize(best_theta[: effort.keep], (effort.keep, starts.shape[1]))


def _grafted(
    rng: np.random.Generator, form: Form, problem: Problem, pool: np.ndarray, drops: int, count: int
) -> np.ndarray:
    """Solutions of the pool with `drops` breaks replaced by the best of random ones: at most (count, p).

    The best go in as they are, others at a random limit too: with breaks that suit another limit, a
    solution's own limit hardly moves.
    """
    node = np.where(np.arange(GRAFTED) < UNMOVED, -1.0, rng.random(GRAFTED))
    trials = trial_breaks(rng, seen_log_x(problem))
    return np.asarray(_regrow(form, drops, count, problem, _parents(rng, pool, GRAFTED), node, *trials))


def _stepped(
    rng: np.random.Generator, form: Form, problem: Problem, pool: np.ndarray, drops: int, count: int
) -> np.ndarray:
    """The same with sharp breaks at all points, of which any step between two points can be made."""
    many = int(np.clip(STEPPED // len(problem.log_x) ** 2, FEWEST, MOST))
    trials = sharp_breaks(seen_log_x(problem), len(problem.log_x))
    parents = _parents(rng, pool, many)
    return np.asarray(_regrow(form, drops, count, problem, parents, np.full(many, -1.0), *trials))


def _parents(rng: np.random.Generator, pool: np.ndarray, count: int) -> np.ndarray:
    """The best of the pool and some of those behind, (count, p)."""
    deep = (DEEPEST * rng.random(max(count - LEADERS, 0)) ** 2).astype(int)
    return pool[np.concatenate([np.arange(LEADERS), deep])[:count] % len(pool)]


def _sprouted(
    rng: np.random.Generator, method: Method, problem: Problem, pool: np.ndarray, drops: int, effort: Effort
) -> np.ndarray:
    """Solutions fitted again without `drops` of their breaks, and with the best random ones added to them.

    Unlike with `_grafted`, all other coordinates may move with the new breaks, if not far.
    """
    form = method.form
    p = pool.shape[1]
    subsets = list(combinations(range(form.picks), drops))
    leading = effort.starts // 3 // len(subsets)
    which = (len(pool) * rng.random(effort.starts) ** 2).astype(int)
    which[: leading * len(subsets)] = np.repeat(np.arange(leading), len(subsets)) % len(pool)
    fewer = np.stack([form.without(pool[k], subsets[i % len(subsets)]) for i, k in enumerate(which)])
    rest = problem._replace(free=problem.free & (np.arange(p) < p - form.per_pick * drops))
    found = _pool(_scout(method, rest, fewer, np.array(method.straight), np.array(HOPPING)))
    fits = np.asarray(_fits(method, problem, found.theta))
    parents = np.resize(found.theta[distinct(found.cost, fits, SPROUTING)], (SPROUTING, p))
    trials = trial_breaks(rng, seen_log_x(problem))
    return np.asarray(_sprout(method, drops, effort.starts - CONTINUED, problem, parents, *trials))


def seen_log_x(problem: Problem) -> np.ndarray:
    """log x of the points that are no padding."""
    return problem.log_x[problem.weight > 0]


def _hidden_breaks(method: Method, problem: Problem, effort: Effort) -> Pool:
    """Fit without the last break, then start with a sharp one beyond the end of the data, or a faint one.

    A break beyond the end leaves a trace of relative size exp(-(log d - log x_last) / f) only, to which no
    start with a worse limit or slope leads. On noiseless data it determines the break all the same.
    """
    form = method.form
    p = len(problem.free)
    fewer = problem._replace(free=np.arange(p) < p - 3)
    first = np.asarray(_starts(form, effort.starts, problem))
    first = np.resize(first, (effort.starts, p))
    flat = first.copy()
    flat[:, -3:] = (0.0, -1.0, -1.0)
    base = _pool(_refine(method, effort.keep, fewer, flat)).theta[0]
    seen = problem.log_x[problem.weight > 0]
    span = float(seen.max() - seen.min())
    side = int(np.ceil(np.sqrt(effort.starts)))
    beyond, width = np.meshgrid(np.geomspace(0.02, 0.3, side), np.geomspace(0.004, 0.06, side))
    late = np.tile(base, (effort.starts, 1))
    late[:, -3] = 1.0
    late[:, -2] = float(seen.max()) + span * beyond.ravel()[: effort.starts]
    late[:, -1] = np.log(span * width.ravel()[: effort.starts])
    pool = _pool(_refine(method, effort.keep, problem, late))
    trials = trial_breaks(np.random.default_rng(0), seen_log_x(problem))
    grown = np.asarray(_sprout(method, 1, effort.starts, problem, base[None], *trials))
    return _join(pool, _pool(_refine(method, effort.keep, problem, grown)))


def polish(method: Method, problem: Problem, first: np.ndarray) -> Pool:
    """A few cheap steps from near a solution (M, p), for very many points."""
    return _pool(_scout(method, problem, first, np.array(method.straight), np.array(SCOUTING)))


def block_means(problem: Problem, blocks: int) -> Problem:
    """At most `blocks` points: weighted means of log x and log y (or y) over runs of neighbours."""
    seen = problem.weight > 0
    count = int(seen.sum())
    if count <= blocks or problem.log_x.ndim > 1:
        return problem
    index = np.arange(count) * blocks // count
    log_x, y, square = problem.log_x[seen], problem.y[seen], problem.weight[seen] ** 2
    total = np.bincount(index, square)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(index, square * values) / total

    average = np.exp(mean(np.log(y))) if y.min() > 0 else mean(y)
    return problem._replace(log_x=mean(log_x), y=average, weight=np.sqrt(total))


class Linearised(NamedTuple):
    """The fit near a solution, in the form's own coordinates and normalised units."""

    residual: np.ndarray  # (N,) weighted
    jacobian: np.ndarray  # (N, p) of the weighted residuals
    lower: np.ndarray  # (p,) bounds that held
    upper: np.ndarray


def linearised(method: Method, problem: Problem, theta: np.ndarray) -> Linearised:
    """Weighted residuals with their derivatives at theta (p,), and the box it was sought in."""
    residual, jacobian, lower, upper = (np.asarray(v) for v in _linearised(method, problem, theta))
    return Linearised(residual, jacobian.T, lower, upper)


def _box(form: Form, problem: Problem) -> tuple[Array, Array]:
    lower, upper = form.domain(problem.log_x, problem.y, problem.weight)
    return jnp.maximum(lower, problem.lower), jnp.minimum(upper, problem.upper)


def _residuals(method: Method, problem: Problem, theta: Array) -> tuple[Array, Array]:
    data = losses.transform(method.loss, problem.y, problem.unit)
    law, jacobian = losses.model_and_jacobian(method.form, method.loss, theta, problem.log_x, problem.unit)
    seen = problem.weight > 0
    return (
        jnp.where(seen, problem.weight * (law - data), 0.0),
        jnp.where(seen, problem.weight * jacobian, 0.0),
    )


@partial(program, static_argnums=(0, 1), compiler_options=FAST_COMPILE)
def _starts(form: Form, count: int, problem: Problem) -> Array:
    theta = starting_points(form, problem.log_x, problem.y, problem.weight, count)
    theta = jnp.clip(theta, *_box(form, problem))
    return jnp.where(problem.free, theta, problem.held)


@partial(program, static_argnums=(0, 1), compiler_options=FAST_COMPILE)
def _sharp(form: BNSL, count: int, problem: Problem) -> Array:
    data = problem.log_x, problem.y, problem.weight
    theta = jnp.concatenate(
        [sharp_starts(form, *data, count - PLATEAUS), plateau_starts(form, *data, PLATEAUS)]
    )
    theta = jnp.clip(theta, *_box(form, problem))
    return jnp.where(problem.free, theta, problem.held)


@partial(program, static_argnums=(0, 1, 2), compiler_options=FAST_COMPILE)
def _regrow(
    form: Form,
    drops: int,
    count: int,
    problem: Problem,
    parents: Array,
    node: Array,
    positions: Array,
    shapes: Array,
) -> Array:
    trials = Trials(parents, node, positions, shapes)
    theta = regrown_points(form, problem.log_x, problem.y, problem.weight, trials, drops, count)
    theta = jnp.clip(theta, *_box(form, problem))
    return jnp.where(problem.free, theta, problem.held)


@partial(program, static_argnums=(0, 1, 2), compiler_options=FAST_COMPILE)
def _sprout(
    method: Method, drops: int, count: int, problem: Problem, parents: Array, positions: Array, shapes: Array
) -> Array:
    form = method.form
    residual, jacobian = jax.vmap(lambda theta: _residuals(method, problem, theta))(parents)
    lower, upper = _box(form, problem)
    gradient = jnp.sum(jacobian * residual[:, None, :], axis=-1)
    blocked = ((parents <= lower) & (gradient > 0)) | ((parents >= upper) & (gradient < 0))
    jacobian = jnp.where((problem.free & ~blocked)[:, :, None], jacobian, 0.0)
    base = Linear(parents, residual, jacobian)
    theta = sprouting_points(form, problem.log_x, base, positions, shapes, drops, count)
    theta = jnp.clip(theta, lower, upper)
    return jnp.where(problem.free, theta, problem.held)


@partial(program, static_argnums=0, compiler_options=FAST_COMPILE)
def _fits(method: Method, problem: Problem, theta: Array) -> Array:
    return jax.vmap(lambda one: _residuals(method, problem, one)[0])(theta)


@partial(program, static_argnums=0, compiler_options=FAST_COMPILE)
def _kick_scale(form: Form, problem: Problem) -> Array:
    return form.kick_scale(problem.log_x, problem.weight)


@partial(program, static_argnums=(0, 1), compiler_options=FAST_COMPILE)
def _refine(method: Method, keep: int, problem: Problem, start: Array) -> Solution:
    walk = None if method.straight else False
    return _solve(method, problem, start, walk, steps=MAX_STEPS, keep=keep, exact=True)


@partial(program, static_argnums=0, compiler_options=FAST_COMPILE)
def _scout(method: Method, problem: Problem, start: Array, walk: Array, steps: Array) -> Solution:
    return _solve(method, problem, start, walk, steps=steps, keep=start.shape[0], exact=False)


def _solve(
    method: Method,
    problem: Problem,
    start: Array,
    walk: Array | bool | None,
    *,
    steps: Array | int,
    keep: int,
    exact: bool,
) -> Solution:
    """Levenberg-Marquardt from and to the form's coordinates.

    It walks in the working ones if `walk` is None, in the form's own if it is False; an array decides at
    run time.
    """
    form = method.form
    lower, upper = _box(form, problem)

    def either(working: Array, own: Array) -> Array:
        if walk is None or walk is False:
            return working if walk is None else own
        return jnp.where(walk, working, own)

    def inward(walker: Array) -> Array:
        return either(form.from_working(walker), walker)

    def cost_of(walker: Array) -> tuple[Array, Array, Array]:
        residual, jacobian = _residuals(method, problem, inward(walker))
        if walk is not False:
            jacobian = either(form.working_jacobian(walker, jacobian), jacobian)
        rho, slope = losses.robust_cost_and_weight(method.robust, (residual / problem.scale) ** 2)
        root = jnp.sqrt(slope)
        return root * residual, root * jacobian, problem.scale**2 * jnp.sum(rho)

    def box(walker: Array) -> tuple[Array, Array]:
        low, high = form.working_box(walker, lower, upper)
        return either(low, lower), either(high, upper)

    start = jnp.where(problem.free, jnp.clip(start, lower, upper), start)
    walker = jax.vmap(lambda theta: either(form.to_working(theta), theta))(start)
    floor = ROUNDING * jnp.sum(problem.weight > 0)
    solution = levenberg_marquardt(
        cost_of,
        walker,
        box,
        problem.free,
        max_steps=steps,
        scouting=SCOUTING,
        keep=keep,
        floor=floor,
        exact=exact,
        curved=exact,
    )
    return solution._replace(theta=jax.vmap(inward)(solution.theta))


@partial(program, static_argnums=0, compiler_options=FAST_COMPILE)
def _linearised(method: Method, problem: Problem, theta: Array) -> tuple[Array, ...]:
    return *_residuals(method, problem, theta), *_box(method.form, problem)
