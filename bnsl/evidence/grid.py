"""Bayesian average over broken power laws, in closed form on a grid.

A law is log y = log(a + exp eta(u)), u = log x less that of the last point, and eta is linear in its
coefficients once the places and widths of its breaks are given. Two kinds of law are averaged:

- smooth: `BREAKS` small breaks at even places, a Gaussian process on the slope;
- sharp: no, one, two or three breaks, at places and of widths that are summed over.

The noise on log y is white plus correlated along log x (Ornstein-Uhlenbeck). With the limit a, the size of
the slope changes, the share of correlated noise and the noise level given (a node), the law is linearised
about a smooth of the data; its coefficients then have a Gaussian posterior and the node an evidence in
closed form. Nodes are weighted by prior times evidence. docs/forecasting.md says how the prior was learnt.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import logsumexp, ndtr
from scipy.special import expit, log_softmax

from bnsl._base.checks import Array
from bnsl._base.programs import program
from bnsl.curves.curve import Curve
from bnsl.curves.ragged import SHORT, single_length
from bnsl.solver.search import FAST_COMPILE

# The quadrature: finer grids change nothing.
LIMITS = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.78, 0.85, 0.9, 0.94, 0.965, 0.985, 0.995])
NOISES = np.exp(np.linspace(-9.2, -2.0, 10))  # standard deviations of the white noise on log y
CORRELATED = np.arange(3.0)  # standard deviation of the correlated noise, in units of the prior's
BREAKS = 16  # of a smooth law
PLACES = 10  # trial places of a sharp break within the data, closer towards the end
BEYOND = np.array([0.2, 0.55])  # and beyond them, in log x
WIDTHS = np.array([0.1, 0.4, 1.2])
MOST_BREAKS = 3

CLEAN = 1e-3  # noise below which long curves are thinned to some of their points, not to means of them
ALWAYS = 2  # value and slope at the last point
SMOOTH = ALWAYS + BREAKS
TRIALS = (PLACES + len(BEYOND)) * len(WIDTHS)
NOTHING = SMOOTH + TRIALS  # index of a column of zeros
COLUMNS = NOTHING + 1

KEPT_SMOOTH = 256  # nodes that predict; the rest hold a few percent of the weight
KEPT_SHARP = (16, 96, 128, 96)  # likewise, by number of breaks
PAIRED = 160  # (noise, limit, level) for which pairs of breaks are summed
SHORTEST = 0.1  # least range of log x that breaks are laid out over
SMALLEST = 0.03  # share of the smallest y below which limits are equally likely
NO_LIMIT = 0.5 * LIMITS[1]  # and below which they are counted as none
VAGUE = 2.0  # prior standard deviation of the level, log y at the last point


class Prior(NamedTuple):
    """What is believed of a curve before it is seen; logs are natural."""

    limit_low: float = 0.05  # density of r = a / min y: r^limit_low (1 - r)^limit_high
    limit_high: float = 0.4
    limit_none: float = 0.5  # more log prior weight of no limit
    slope: float = 0.77  # of log(y - a) at the end of the data, downwards, in laws without a limit
    slope_sd: float = 0.45
    slope_rise: float = 0.36  # of that slope's mean from r = 0 to 1
    slope_spread: float = 2.2  # the ratio of its standard deviations there
    slope_plain: float = 0.6  # ratio of slope_sd of smooth laws without slope changes to that of the others
    slope_step: float = 1.28  # and of those of one step of roughness to the next
    climbing: float = (
        0.1  # prior weight of laws that climb at the end of the data, in units of those that fall
    )
    roughness: float = -0.4  # log standard deviation of a smooth law's slope changes per root log x
    roughness_step: float = 0.95
    roughness_tilt: float = 0.2  # log prior odds of each step
    plain: float = -2.0  # log prior weight of no slope changes
    growth: float = 0.5  # variance of slope changes ~ (distance from the end)^growth
    diffusion: float = -1.5  # log of the slope's drift beyond the data, in units of the roughness
    length: float = 0.15  # correlation length of noise in log x
    correlated: float = 1.4  # unit of the correlated noise's standard deviation, in those of the white
    correlated_tilt: float = 1.6
    noise: float = -4.8  # log standard deviation of the white noise
    noise_sd: float = 0.95
    sharp: float = -1.7  # log prior odds of sharp laws
    breaks_tilt: float = 0.4  # log prior odds of one more break
    change_small: float = 0.24  # standard deviations of a sharp law's slope changes, even odds
    change_large: float = 0.6
    drift: float = 0.05  # drift of a sharp law's slope beyond the data


class Data(NamedTuple):
    """One curve, ascending in x, padded with rows of weight 0."""

    log_x: np.ndarray  # (N,)
    log_y: np.ndarray  # (N,)
    weight: np.ndarray  # (N,) relative inverse variances; 0 for padding


def data_of(curve: Curve) -> Data:
    """log x and log y of a curve, long curves as means over even bins of log x, padded."""
    log_x, log_y = np.log(curve.x), np.log(curve.y)
    weight = np.ones(len(log_x))
    if curve.sigma is not None:
        precision = 2.0 * (np.log(curve.y) - np.log(curve.sigma))
        weight = np.exp(np.clip(precision - precision.mean(), -40.0, 40.0))
    longest = SHORT[-1]
    if len(log_x) > longest:
        share = (log_x - log_x[0]) / (log_x[-1] - log_x[0])
        bins = np.minimum(np.floor(share * longest), longest - 1).astype(int)
        total = np.bincount(bins, weight, longest)
        full = total > 0
        if noise_of(log_x, log_y) < CLEAN:  # a mean would be off by more, where the law turns within a bin
            middle = [int(np.median(np.flatnonzero(bins == i))) for i in np.flatnonzero(full)]
            log_x, log_y, weight = log_x[middle], log_y[middle], weight[middle]
        else:
            means = [np.bincount(bins, weight * v, longest)[full] / total[full] for v in (log_x, log_y)]
            log_x, log_y, weight = means[0], means[1], np.asarray(total[full])
    more = (0, single_length(len(log_x)) - len(log_x))
    edges = [np.pad(v, more, mode="edge") for v in (log_x, log_y)]
    return Data(edges[0], edges[1], np.pad(weight, more))


def noise_of(log_x: np.ndarray, log_y: np.ndarray) -> float:
    """Standard deviation of the noise, from how far points lie off the line through their neighbours."""
    left, right = log_x[1:-1] - log_x[:-2], log_x[2:] - log_x[1:-1]
    share = left / np.where(left + right > 0, left + right, 1.0)
    off = log_y[1:-1] - (1.0 - share) * log_y[:-2] - share * log_y[2:]
    scale = np.sqrt(1.0 + share**2 + (1.0 - share) ** 2)
    return float(np.median(np.abs(off / scale)) / 0.6745)


class Nodes(NamedTuple):
    """Laws with their posterior, p coefficients each on columns of the design."""

    weight: Array  # (T,) log posterior weight within the kind
    noise: Array  # (T,) index into the kinds of noise
    limit: Array  # (T,) index into LIMITS
    level: Array  # (T,) index into NOISES
    columns: Array  # (T, p)
    slope: Array  # (T,) prior mean of the end slope; that of all other coefficients is 0
    mean: Array  # (T, p) less the prior mean
    root: Array  # (T, p, p) square root of the covariance
    drift: Array  # (T,) of the slope beyond the data


class Posterior(NamedTuple):
    """All that prediction needs; see `posterior`."""

    evidence: Array  # (5,) log evidence of the smooth laws and of those with 0, 1, 2, 3 breaks, prior odds in
    smooth: Nodes
    sharp: tuple[Nodes, ...]  # by number of breaks
    limits: Array  # (A,) values of the limit
    krige: Array  # (R, A, N, 1 + COLUMNS) inverse noise covariance times residual and design
    whiten: Array  # (R, N, N) inverse Cholesky factor of the noise covariance
    unit: Array  # (R,) variance of the correlated noise relative to the white
    u: Array  # (N,)
    seen: Array  # (N,)
    origin: Array  # (2,) log x and log y of the last point
    span: Array  # range of u
    length: Array


def trial_breaks(span: Array) -> tuple[Array, Array]:
    """Places (relative to the last log x) and widths (TRIALS,) of the trial breaks of sharp laws."""
    within = -span * ((jnp.arange(PLACES) + 0.5) / PLACES) ** 1.3
    places = jnp.repeat(jnp.concatenate([within, BEYOND]), len(WIDTHS))
    return places, jnp.tile(WIDTHS, PLACES + len(BEYOND))


def design(u: Array, span: Array) -> Array:
    """The columns (N, COLUMNS) of eta at u (N,): value, slope, small breaks, trial breaks, nothing.

    A break is f softplus((d - u) / f), the same law as f softplus((u - d) / f) up to its straight part.
    Those of sharp laws are shifted to have no value and no slope at u = 0, so that the second coefficient
    is the slope at the end of the data.
    """
    places = -(jnp.arange(BREAKS) + 0.5) * span / BREAKS
    width = 0.7 * span / BREAKS
    small = width * jax.nn.softplus((places - u[:, None]) / width)
    d, f = trial_breaks(span)
    trial = f * (jax.nn.softplus((d - u[:, None]) / f) - jax.nn.softplus(d / f))
    trial = trial + u[:, None] * jax.nn.sigmoid(d / f)
    ones = jnp.ones_like(u)[:, None]
    return jnp.concatenate([ones, -u[:, None], small, trial, 0.0 * ones], axis=1)


def limit_density(prior: Prior, share: np.ndarray) -> Array:
    """Log prior density, but for a constant, of limits that are `share` of the smallest y."""
    density = prior.limit_high * np.log1p(-share) + prior.limit_low * np.log(np.maximum(share, SMALLEST))
    return density + prior.limit_none * (share < NO_LIMIT)


def slope_prior(prior: Prior, share: Any) -> tuple[Any, Any]:
    """Prior mean and standard deviation of the end slope of laws whose limit is `share` of the smallest y.

    Laws with a limit near the data are steeper and more various: what is left of y - a is small, so
    that a little of y moves its logarithm much.
    """
    return prior.slope + prior.slope_rise * share, prior.slope_sd * prior.slope_spread**share


def learnt_prior() -> Prior:
    """The prior as plain floats, so that all calls share one compiled program."""
    return Prior(*(float(value) for value in Prior()))


def odds_of_breaks(prior: Prior) -> np.ndarray:
    """Log prior probabilities of 0, 1, 2 and 3 breaks among sharp laws (4,)."""
    return np.asarray(log_softmax(prior.breaks_tilt * np.arange(MOST_BREAKS + 1.0)))


def as_bnsl(state: Posterior, n: int) -> np.ndarray:
    """The kept laws of n sharp breaks as coordinates of a BNSL (T, 3 + 3 n), heaviest first.

    They are relative to the last point; of two with breaks at the same places the lighter is left out.
    """
    nodes = state.sharp[n]
    places, widths = (np.asarray(v) for v in trial_breaks(state.span))
    trial = np.asarray(nodes.columns)[:, ALWAYS : ALWAYS + n] - SMOOTH
    _, first = np.unique(trial // len(WIDTHS), axis=0, return_index=True)
    first = np.sort(first) if n else np.arange(len(trial))
    mean, end = np.asarray(nodes.mean)[first], np.asarray(nodes.slope)[first]
    change, d, f = mean[:, ALWAYS : ALWAYS + n], places[trial[first]], widths[trial[first]]
    # f softplus((d - u) / f) = f softplus((u - d) / f) + d - u; both were shifted to end at 0.
    slope = end + mean[:, 1] + np.sum(change * expit(-d / f), axis=1)
    level = mean[:, 0] + np.sum(change * (d - f * np.logaddexp(0.0, d / f)), axis=1)
    order = np.argsort(d, axis=1)
    breaks = np.stack([np.take_along_axis(v, order, axis=1) for v in (-change, d, np.log(f))], axis=2)
    limit = np.asarray(state.limits)[np.asarray(nodes.limit)[first]]
    return np.concatenate([np.stack([limit, level, slope], axis=1), breaks.reshape(len(d), 3 * n)], axis=1)


class _Grams(NamedTuple):
    """Whitened inner products for every kind of noise and limit (R, A, ...)."""

    residual: Array  # (R, A) of the residual with itself
    along: Array  # (R, A, C) with the columns
    columns: Array  # (R, A, C, C)
    log_det: Array  # (R,)
    points: Array  # their number


def _grams(
    target: Array, weight: Array, columns: Array, whiten: Array, log_det: Array, count: Array
) -> tuple[_Grams, Array]:
    """Inner products, and the whitened columns (R, N, A, 1 + C).

    target and weight are (A, N), whiten is (R, N, N).
    """
    both = jnp.concatenate([target[:, :, None], columns[None] * jnp.ones_like(target)[:, :, None]], axis=2)
    both = both * weight[:, :, None]
    flat = both.transpose(1, 0, 2).reshape(both.shape[1], -1)
    white = (whiten @ flat).reshape(whiten.shape[0], both.shape[1], both.shape[0], both.shape[2])
    gram = jnp.einsum("rnap,rnaq->rapq", white, white)
    return _Grams(gram[:, :, 0, 0], gram[:, :, 0, 1:], gram[:, :, 1:, 1:], log_det, count), white


class _SmoothGrid(NamedTuple):
    """Posterior of the smooth laws at every node (noise R, limit A, roughness Q, level S)."""

    weight: Array  # (R, A, Q, S) log prior times evidence
    basis: Array  # (R, A, Q, p, p) eigen-directions of the coefficients
    along: Array  # (R, A, Q, S, p) posterior mean along them
    spread: Array  # (R, A, Q, S, p) posterior variance along them
    roughness: Array  # (Q,)


def _smooth_grid(grams: _Grams, span: Array, log_prior: Array, slope_sd: Array, prior: Prior) -> _SmoothGrid:
    """log_prior of the limits and slope_sd of their laws are (A,)."""
    steps = jnp.exp(prior.roughness + prior.roughness_step * (jnp.arange(4) - 1.5))
    roughness = jnp.concatenate([jnp.array([0.005]), steps])
    tilt = jnp.concatenate([jnp.array([prior.plain]), prior.roughness_tilt * jnp.arange(4)])
    profile = ((jnp.arange(BREAKS) + 0.5) / BREAKS + 0.02) ** prior.growth
    change = roughness[:, None] * jnp.sqrt(span / BREAKS * profile)
    each = (len(slope_sd), len(roughness))
    ratio = jnp.concatenate([jnp.array([prior.slope_plain]), prior.slope_step ** (jnp.arange(4) - 1.5)])
    always = jnp.stack([jnp.full(each, VAGUE), slope_sd[:, None] * ratio], axis=2)
    scale = jnp.concatenate([always, jnp.broadcast_to(change, (*each, BREAKS))], axis=2)  # (A, Q, p)
    square = scale[..., :, None] * grams.columns[:, :, None, :SMOOTH, :SMOOTH] * scale[..., None, :]
    value, vector = jnp.linalg.eigh(square)
    value = jnp.maximum(value, 0.0)[:, :, :, None, :]
    basis = scale[..., :, None] * vector
    variance = jnp.asarray(NOISES**2)[:, None]
    projected = jnp.einsum("raqpj,rap->raqj", basis, grams.along[:, :, :SMOOTH])[:, :, :, None, :]
    along = projected / (variance + value)
    misfit = (grams.residual[:, :, None, None] - jnp.sum(projected * along, axis=-1)) / variance[:, 0]
    volume = jnp.sum(jnp.log1p(value / variance), axis=-1)
    weight = -0.5 * (misfit + volume) + _level_and_noise(grams, prior)[:, None, None, :]
    weight = weight + log_prior[:, None, None] + jax.nn.log_softmax(tilt)[:, None]
    return _SmoothGrid(weight, basis, along, variance / (variance + value), roughness)


def _level_and_noise(grams: _Grams, prior: Prior) -> Array:
    """Log prior of noise kind and level, and the Gaussian's normalisation (R, S)."""
    level = -0.5 * ((jnp.log(NOISES) - prior.noise) / prior.noise_sd) ** 2
    kind = jax.nn.log_softmax(prior.correlated_tilt * CORRELATED)
    volume = grams.log_det[:, None] + grams.points * jnp.log(2.0 * jnp.pi * NOISES**2)
    return jax.nn.log_softmax(level) + kind[:, None] - 0.5 * volume


def _best(weight: Array, count: int) -> tuple[Array, tuple[Array, ...]]:
    """The `count` largest entries and their indices along every axis.

    They lie in the `count` rows of largest maximum, and sorting rows first is much faster.
    """
    rows = weight.reshape(-1, weight.shape[-1])
    chosen = jax.lax.top_k(jnp.max(rows, axis=1), min(count, rows.shape[0]))[1]
    top, index = jax.lax.top_k(rows[chosen].ravel(), count)
    index = chosen[index // rows.shape[1]] * rows.shape[1] + index % rows.shape[1]
    return top, jnp.unravel_index(index, weight.shape)


def _smooth_nodes(grid: _SmoothGrid, slope: Array, prior: Prior) -> Nodes:
    top, (r, i, q, s) = _best(grid.weight, KEPT_SMOOTH)
    basis = grid.basis[r, i, q]
    mean = jnp.einsum("tpj,tj->tp", basis, grid.along[r, i, q, s])
    root = basis * jnp.sqrt(grid.spread[r, i, q, s])[:, None, :]
    columns = jnp.tile(jnp.arange(SMOOTH), (KEPT_SMOOTH, 1))
    drift = jnp.exp(prior.diffusion) * grid.roughness[q]
    return Nodes(top - logsumexp(top), r, i, s, columns, slope[i], mean, root, drift)


def _sharp(
    grams: _Grams, log_prior: Array, slope: Array, slope_sd: Array, prior: Prior
) -> tuple[Array, tuple[Nodes, ...]]:
    """Log evidence by number of breaks (4,), and the best nodes of each.

    log_prior of the limits, and mean and standard deviation of the end slope of their laws, are (A,).
    Value and slope are eliminated first; then one, two and three trial breaks are added in closed form.
    Triples are extensions of the best pairs, so that their evidence is a lower bound.
    """
    variance = jnp.asarray(NOISES**2)
    precision = jnp.stack([jnp.full_like(slope_sd, VAGUE), slope_sd], axis=1) ** -2.0  # (A, 2)
    head = grams.columns[:, :, None, :ALWAYS, :ALWAYS]
    head = head + variance[:, None, None] * (precision[:, :, None] * jnp.eye(ALWAYS))[:, None]
    det = head[..., 0, 0] * head[..., 1, 1] - head[..., 0, 1] ** 2
    swap = jnp.stack([head[..., 1, 1], -head[..., 0, 1], -head[..., 0, 1], head[..., 0, 0]], axis=-1)
    inverse = swap.reshape(head.shape) / det[..., None, None]
    cross = grams.columns[:, :, None, :ALWAYS, SMOOTH:NOTHING]  # (R, A, 1, 2, V)
    first = grams.along[:, :, None, :ALWAYS]
    solved = inverse @ cross
    along = grams.along[:, :, None, SMOOTH:NOTHING] - jnp.einsum("rasiv,raxi->rasv", solved, first)
    gram = grams.columns[:, :, None, SMOOTH:NOTHING, SMOOTH:NOTHING] - jnp.einsum(
        "rasiv,raxiw->rasvw", solved, cross
    )
    explained = jnp.einsum("raxi,rasij,raxj->ras", first, inverse, first)
    volume = jnp.log(det) - jnp.sum(jnp.log(precision), axis=1)[:, None] - ALWAYS * jnp.log(variance)
    none = -0.5 * ((grams.residual[:, :, None] - explained) / variance + volume)
    none = none + _level_and_noise(grams, prior)[:, None, :] + log_prior[:, None]  # (R, A, S)

    change = jnp.stack([jnp.asarray(prior.change_small), jnp.asarray(prior.change_large)])
    count = jnp.log(2.0) + jnp.log(TRIALS)

    # One break: (R, A, S, 2, V)
    ridge = variance[:, None, None] / change[:, None] ** 2
    diagonal = jnp.diagonal(gram, axis1=-2, axis2=-1)[..., None, :] + ridge
    one = none[..., None, None] - count
    one = one + 0.5 * (
        along[..., None, :] ** 2 / diagonal / variance[:, None, None] - jnp.log(diagonal / ridge)
    )

    # Two: only for the nodes that matter, (W, 2, V, V)
    _, (r, i, s) = _best(logsumexp(one, axis=(3, 4)), PAIRED)
    gram, along, variance = gram[r, i, s], along[r, i, s], variance[s]
    ridge = variance[:, None] / change**2  # (W, 2)
    diagonal = jnp.diagonal(gram, axis1=-2, axis2=-1)[:, None] + ridge[..., None]
    pair_det = diagonal[..., :, None] * diagonal[..., None, :] - gram[:, None] ** 2
    pair_det = jnp.maximum(pair_det, 1e-12 * diagonal[..., :, None] * diagonal[..., None, :])
    square = along[:, None, :] ** 2
    quadratic = square[..., :, None] * diagonal[..., None, :] + square[..., None, :] * diagonal[..., :, None]
    quadratic = quadratic - 2.0 * gram[:, None] * (along[:, :, None] * along[:, None, :])[:, None]
    two = 0.5 * (
        quadratic / pair_det / variance[:, None, None, None] - jnp.log(pair_det / ridge[..., None, None] ** 2)
    )
    place = jnp.arange(TRIALS) // len(WIDTHS)
    ordered = place[:, None] < place
    pairs = jnp.log(2.0) + jnp.log(jnp.sum(ordered))
    two = jnp.where(ordered, two + none[r, i, s][:, None, None, None] - pairs, -jnp.inf)

    # Three: one more break beside the best pairs, (U, V)
    top, (w, t, j, k) = _best(two, KEPT_SHARP[2])
    g, b, v = gram[w], along[w], variance[w]
    rows = jnp.arange(KEPT_SHARP[2])
    lambda_ = ridge[w, t]
    g_jj, g_kk, g_jk = g[rows, j, j] + lambda_, g[rows, k, k] + lambda_, g[rows, j, k]
    det2 = jnp.maximum(g_jj * g_kk - g_jk**2, 1e-12 * g_jj * g_kk)
    p_j = (g_kk[:, None] * g[rows, j] - g_jk[:, None] * g[rows, k]) / det2[:, None]
    p_k = (g_jj[:, None] * g[rows, k] - g_jk[:, None] * g[rows, j]) / det2[:, None]
    left = jnp.diagonal(g, axis1=1, axis2=2) - p_j * g[rows, j] - p_k * g[rows, k]
    left = jnp.maximum(left, 0.0) + lambda_[:, None]
    rest = b - p_j * b[rows, j][:, None] - p_k * b[rows, k][:, None]
    three = top[:, None] + 0.5 * (rest**2 / left / v[:, None] - jnp.log(left / lambda_[:, None]))
    other = (place != place[j][:, None]) & (place != place[k][:, None])
    # A triple may be reached from each of its three pairs.
    three = jnp.where(other, three - jnp.log(3.0) - jnp.log(TRIALS / 3.0), -jnp.inf)

    evidence = jnp.stack([logsumexp(none), logsumexp(one), logsumexp(two), logsumexp(three)])
    evidence = jnp.where(jnp.isfinite(evidence), evidence, -jnp.inf)

    def nodes(weight: Array, *where: Array, breaks: tuple[Array, ...]) -> Nodes:
        r, i, s, t = where
        picked = [jnp.zeros_like(r), jnp.ones_like(r), *(SMOOTH + trial for trial in breaks)]
        picked += [jnp.full_like(r, NOTHING)] * (MOST_BREAKS - len(breaks))
        columns = jnp.stack(picked, axis=1)
        changes = jnp.tile(change[t][:, None] ** -2.0, MOST_BREAKS)
        ridge = jnp.concatenate([precision[i], changes], axis=1)
        level = jnp.asarray(NOISES**2)[s]
        matrix = grams.columns[r[:, None, None], i[:, None, None], columns[:, :, None], columns[:, None, :]]
        matrix = matrix + level[:, None, None] * ridge[:, :, None] * jnp.eye(columns.shape[1])
        scale = 1.0 / jnp.sqrt(jnp.diagonal(matrix, axis1=1, axis2=2))
        unit = matrix * scale[:, :, None] * scale[:, None, :] + 1e-10 * jnp.eye(columns.shape[1])
        low = jnp.linalg.cholesky(unit)
        eye = jnp.tile(jnp.eye(columns.shape[1]), (len(r), 1, 1))
        half = scale[:, :, None] * solve_triangular(low, eye, lower=True).transpose(0, 2, 1)
        mean = jnp.einsum("tij,tkj,tk->ti", half, half, grams.along[r[:, None], i[:, None], columns])
        root = half * jnp.sqrt(level)[:, None, None]
        drift = jnp.full(r.shape, prior.drift)
        return Nodes(weight - logsumexp(weight), r, i, s, columns, slope[i], mean, root, drift)

    top0, (r0, i0, s0) = _best(none, KEPT_SHARP[0])
    top1, (r1, i1, s1, t1, j1) = _best(one, KEPT_SHARP[1])
    top3, (pair, m) = _best(three, KEPT_SHARP[3])
    return evidence, (
        nodes(top0, r0, i0, s0, jnp.zeros_like(r0), breaks=()),
        nodes(top1, r1, i1, s1, t1, breaks=(j1,)),
        nodes(top, r[w], i[w], s[w], t, breaks=(j, k)),
        nodes(top3, r[w[pair]], i[w[pair]], s[w[pair]], t[pair], breaks=(j[pair], k[pair], m)),
    )


def _less_climbing(nodes: Nodes, prior: Prior) -> tuple[Nodes, Array]:
    """Nodes weighted by the prior of laws that climb at the end of the data, and log of their total weight.

    A normal prior of the end slope that is wide enough for steep laws gives too much to these.
    """
    sd = jnp.maximum(jnp.sqrt(jnp.sum(nodes.root[:, 1] ** 2, axis=-1)), 1e-300)
    falls = ndtr((nodes.slope + nodes.mean[:, 1]) / sd)
    weight = nodes.weight + jnp.log(falls + prior.climbing * (1.0 - falls))
    total = logsumexp(weight)
    # A kind without a law that counts has no finite weights, and an evidence of 0 already.
    return nodes._replace(weight=weight - total), jnp.where(jnp.isfinite(total), total, 0.0)


@partial(program, compiler_options=FAST_COMPILE)
def posterior(data: Data, prior: Prior) -> Posterior:
    """The average of all laws given one curve."""
    seen = data.weight > 0
    last = jnp.argmax(jnp.where(seen, data.log_x, -jnp.inf))
    origin = jnp.stack([data.log_x[last], data.log_y[last]])
    u = jnp.where(seen, data.log_x - origin[0], 0.0)
    log_y = jnp.where(seen, data.log_y - origin[1], 0.0)
    span = jnp.maximum(-jnp.min(u), SHORTEST)
    columns = design(u, span)
    slope, slope_sd = slope_prior(prior, jnp.asarray(LIMITS))
    unit = (prior.correlated * CORRELATED) ** 2
    kernel = jnp.exp(-jnp.abs(u[:, None] - u) / prior.length) * seen[:, None] * seen
    white = jnp.where(seen, 1.0 / jnp.where(seen, data.weight, 1.0), 1.0)
    factor = jnp.linalg.cholesky(jnp.diag(white) + unit[:, None, None] * kernel)
    eye = jnp.tile(jnp.eye(len(u)), (len(unit), 1, 1))
    whiten = solve_triangular(factor, eye, lower=True)
    log_det = 2.0 * jnp.sum(jnp.log(jnp.diagonal(factor, axis1=1, axis2=2)) * seen, axis=1)
    count = jnp.sum(seen)

    # 1. Without a limit: the averaged trend is the smooth about which all laws are linearised.
    trend = (log_y + slope[0] * u)[None]
    grams, _ = _grams(trend, seen[None].astype(u.dtype), columns[:, :SMOOTH], whiten, log_det, count)
    grid = _smooth_grid(grams, span, jnp.zeros(1), slope_sd[:1], prior)
    share = jnp.exp(grid.weight - logsumexp(grid.weight))
    mean = jnp.einsum("raqpj,raqsj,raqs->p", grid.basis, grid.along, share)
    smooth = columns[:, :SMOOTH] @ mean - slope[0] * u

    # 2. With all limits.
    level = jnp.exp(smooth)
    limits = LIMITS * jnp.min(jnp.where(seen, level, jnp.inf))
    gap = jnp.maximum(level - limits[:, None], 1e-300)
    weight = jnp.where(seen, gap / level, 0.0)
    target = jnp.where(seen, jnp.log(gap) + (log_y - smooth) * level / gap, 0.0) + slope[:, None] * u
    grams, whitened = _grams(target, weight, columns, whiten, log_det, count)
    log_prior = jax.nn.log_softmax(limit_density(prior, LIMITS) + np.log(np.gradient(LIMITS)))
    grid = _smooth_grid(grams, span, log_prior, slope_sd, prior)
    evidence, sharp = _sharp(grams, log_prior, slope, slope_sd, prior)
    odds = prior.sharp + jax.nn.log_softmax(prior.breaks_tilt * jnp.arange(MOST_BREAKS + 1.0))
    flat = whitened.reshape(len(unit), len(u), -1)
    krige = (whiten.transpose(0, 2, 1) @ flat).reshape(whitened.shape).transpose(0, 2, 1, 3)
    total = jnp.concatenate([logsumexp(grid.weight)[None], evidence + odds])
    kinds, less = zip(
        *(_less_climbing(n, prior) for n in (_smooth_nodes(grid, slope, prior), *sharp)), strict=True
    )
    return Posterior(
        evidence=total + jnp.stack(less),
        smooth=kinds[0],
        sharp=kinds[1:],
        limits=limits,
        krige=krige,
        whiten=whiten,
        unit=unit,
        u=u,
        seen=seen,
        origin=origin,
        span=span,
        length=jnp.asarray(prior.length),
    )


class Predictive(NamedTuple):
    """Mixture of normals for log y at M points, one component a law."""

    log_weight: Array  # (T,)
    mean: Array  # (T, M)
    sd: Array  # (T, M) of a new measurement


@partial(program, compiler_options=FAST_COMPILE)
def predictive(state: Posterior, log_x: Array) -> Predictive:
    """The predictive distribution of log y at log x (M,)."""
    u = log_x - state.origin[0]
    columns = design(u, state.span)
    near = jnp.exp(-jnp.abs(u[:, None] - state.u) / state.length) * state.seen
    kernel = state.unit[:, None, None] * near  # (R, M, N)
    krige = jnp.einsum("rmn,ranp->ramp", kernel, state.krige)
    shrunk = state.whiten @ kernel.transpose(0, 2, 1)
    departure = jnp.maximum(state.unit[:, None] - jnp.sum(shrunk**2, axis=1), 0.0)  # (R, M)
    total = state.evidence - logsumexp(state.evidence)
    kinds = [state.smooth, *state.sharp]
    parts = []
    for share, nodes in zip(total, kinds, strict=True):
        r, i = nodes.noise, nodes.limit
        design_t = columns[:, nodes.columns].transpose(1, 0, 2)  # (T, M, p)
        krige_t = krige[r, i]  # (T, M, 1 + COLUMNS)
        index = jnp.broadcast_to(1 + nodes.columns[:, None, :], design_t.shape)
        krige_columns = jnp.take_along_axis(krige_t, index, axis=2)
        eta = jnp.einsum("tmp,tp->tm", design_t, nodes.mean) - nodes.slope[:, None] * u
        limit = state.limits[i][:, None]
        level = limit + jnp.exp(jnp.clip(eta, -600.0, 600.0))
        gain = 1.0 - limit / level
        mean = jnp.log(level) + krige_t[..., 0] - jnp.einsum("tmp,tp->tm", krige_columns, nodes.mean)
        moved = jnp.einsum("tmp,tpj->tmj", gain[..., None] * design_t - krige_columns, nodes.root)
        drift = (gain * nodes.drift[:, None]) ** 2 * jnp.maximum(u, 0.0) ** 3 / 3.0
        noise = jnp.asarray(NOISES**2)[nodes.level][:, None]
        law = jnp.sum(moved**2, axis=-1) + drift + noise * departure[r]
        parts.append((share + nodes.weight, mean + state.origin[1], jnp.sqrt(law + noise)))
    return Predictive(*(jnp.concatenate(part) for part in zip(*parts, strict=True)))
