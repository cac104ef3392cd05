"""Sharp laws: no, one, two or three breaks, summed over trial positions and widths.

Value and slope are eliminated first; then one, two and three trial breaks are added in closed form.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bnsl._base.arrays import Array, logsumexp, namespace
from bnsl.evidence.design import ALWAYS, SMOOTH, TRIALS, WIDTHS, Grams, Nodes, best
from bnsl.evidence.prior import NOISES, VAGUE, Prior

KEPT = (16, 96, 128, 96)  # nodes that predict, by number of breaks
PAIRED = 160  # (noise, limit, level) for which pairs of breaks are summed

PLACE = np.arange(TRIALS) // len(WIDTHS)
LEFT, RIGHT = np.nonzero(PLACE[:, None] < PLACE)  # pairs of trial breaks at two places
SINGULAR = 1e-12  # share of a 2 x 2 determinant that rounding leaves of it


class _Rest(NamedTuple):
    """What value and slope leave of every node (noise R, limit A, level S), for V trial breaks."""

    none: Array  # (R, A, S) log prior times evidence of the law without a break
    cross: Array  # (R, A, 1, 2, V) inner products of breaks with value and slope
    solved: Array  # (R, A, S, 2, V) coefficients of value and slope that imitate a break
    along: Array  # (R, A, S, V) inner products with the target
    square: Array  # (R, A, S, V) of breaks with themselves


class _Laws(NamedTuple):
    """The best laws (T,) with some breaks."""

    weight: Array
    where: tuple[Array, ...]  # noise, limit, level, size of the slope changes
    breaks: tuple[Array, ...]


def sharp_laws(
    grams: Grams, log_prior: Array, slope: Array, slope_sd: Array, prior: Prior
) -> tuple[Array, tuple[Nodes, ...]]:
    """Log evidence by number of breaks (4,), and the best nodes of each.

    log_prior of the limits, and mean and standard deviation of the end slope of their laws, are (A,).
    Triples are extensions of the best pairs, so that their evidence is a lower bound.
    """
    xp = namespace(grams.columns)
    precision = xp.stack([xp.full_like(slope_sd, VAGUE), slope_sd], axis=1) ** -2.0  # (A, 2)
    change = xp.asarray([prior.change_small, prior.change_large])
    rest = _without(grams, log_prior, precision)
    one = _one(rest, change)
    two, pairs = _two(grams, rest, one, change)
    three = _three(grams, rest, pairs, change)
    evidence = xp.stack([logsumexp(rest.none), logsumexp(one), logsumexp(two), logsumexp(three)])
    evidence = xp.where(xp.isfinite(evidence), evidence, -xp.inf)

    none, at = best(rest.none, KEPT[0])
    single, on = best(one, KEPT[1])
    triple, (pair, m) = best(three, KEPT[3])
    found = (
        _Laws(none, (*at, xp.zeros_like(at[0])), ()),
        _Laws(single, on[:4], on[4:]),
        pairs,
        _Laws(triple, tuple(i[pair] for i in pairs.where), (*(i[pair] for i in pairs.breaks), m)),
    )
    return evidence, tuple(_nodes(grams, slope, precision, change, prior, laws) for laws in found)


def _without(grams: Grams, log_prior: Array, precision: Array) -> _Rest:
    xp = namespace(grams.columns)
    variance = xp.asarray(NOISES) ** 2
    ridge = variance[:, None] * precision[:, None, :]  # (A, S, 2)
    head = grams.columns[:, :, None, :ALWAYS, :ALWAYS]
    first, mixed, second = head[..., 0, 0] + ridge[..., 0], head[..., 0, 1], head[..., 1, 1] + ridge[..., 1]
    det = first * second - mixed**2  # (R, A, S)
    mixed = xp.broadcast_to(mixed, det.shape)
    swapped = xp.stack([second, -mixed, -mixed, first], axis=-1)
    inverse = xp.reshape(swapped, (*det.shape, ALWAYS, ALWAYS)) / det[..., None, None]
    cross = grams.columns[:, :, None, :ALWAYS, SMOOTH:]
    target = grams.along[:, :, None, :ALWAYS]
    solved = inverse @ cross
    along = grams.along[:, :, None, SMOOTH:] - (target[..., None, :] @ solved)[..., 0, :]
    square = xp.linalg.diagonal(grams.columns)[:, :, None, SMOOTH:] - xp.sum(solved * cross, axis=-2)
    explained = (target[..., None, :] @ inverse @ target[..., None])[..., 0, 0]
    volume = xp.log(det) - xp.sum(xp.log(precision), axis=1)[:, None] - ALWAYS * xp.log(variance)
    none = -0.5 * ((grams.residual[:, :, None] - explained) / variance + volume)
    none = none + grams.noise[:, None, :] + log_prior[:, None]
    return _Rest(none, cross, solved, along, square)


def _one(rest: _Rest, change: Array) -> Array:
    """Log weights (R, A, S, 2, V) of laws with one break."""
    xp = namespace(change)
    variance = xp.asarray(NOISES)[:, None, None] ** 2
    ridge = variance / change[:, None] ** 2
    square = rest.square[..., None, :] + ridge
    gain = rest.along[..., None, :] ** 2 / square / variance - xp.log(square / ridge)
    return rest.none[..., None, None] - float(np.log(2 * TRIALS)) + 0.5 * gain


def _two(grams: Grams, rest: _Rest, one: Array, change: Array) -> tuple[Array, _Laws]:
    """Log weights (W, 2, pairs) of laws with two breaks, for the nodes that matter; and the best of them."""
    xp = namespace(change)
    _, (r, a, s) = best(logsumexp(one, axis=(3, 4)), PAIRED)
    level = xp.asarray(NOISES)[s][:, None, None]
    ridge = level**2 / change[:, None] ** 2
    gram = grams.columns[r, a, SMOOTH:, SMOOTH:] - rest.solved[r, a, s].mT @ rest.cross[r, a, 0]
    square = rest.square[r, a, s][:, None] + ridge  # (W, 2, V)
    # A break's gain is half the square of its signal less its cost; cosines are those between breaks.
    size = 1.0 / xp.sqrt(square)
    signal = size * rest.along[r, a, s][:, None] / level
    cost = 0.5 * xp.log(square / ridge)
    alone = 0.5 * signal**2 - cost + rest.none[r, a, s][:, None, None] - float(np.log(2 * len(LEFT)))
    left, right = xp.asarray(LEFT), xp.asarray(RIGHT)
    cosine = xp.take(size, left, axis=2)
    cosine *= xp.take(size, right, axis=2)
    cosine *= xp.take(xp.reshape(gram, (-1, TRIALS**2)), left * TRIALS + right, axis=1)[:, None]
    apart = xp.maximum(1.0 - cosine * cosine, SINGULAR)
    cosine *= xp.take(signal, right, axis=2)
    two = xp.take(signal, left, axis=2)
    two -= cosine
    two *= two
    two /= apart
    two -= xp.log(apart)
    two *= 0.5
    two += xp.take(alone, right, axis=2)
    two -= xp.take(cost, left, axis=2)
    weight, (w, t, pair) = best(two, KEPT[2])
    return two, _Laws(weight, (r[w], a[w], s[w], t), (left[pair], right[pair]))


def _three(grams: Grams, rest: _Rest, pairs: _Laws, change: Array) -> Array:
    """Log weights (U, V) of the best pairs with one break more."""
    xp = namespace(change)
    (r, a, s, t), (j, k) = pairs.where, pairs.breaks
    variance = (xp.asarray(NOISES) ** 2)[s][:, None]
    ridge = variance / change[t][:, None] ** 2
    cross, square, along = rest.cross[r, a, 0], rest.square[r, a, s], rest.along[r, a, s]

    def row(i: Array) -> Array:
        """Inner products (U, V) of a break with all."""
        return grams.columns[r, a, SMOOTH + i, SMOOTH:] - (rest.solved[r, a, s, :, i][:, None] @ cross)[:, 0]

    def at(values: Array, i: Array) -> Array:
        return xp.take_along_axis(values, i[:, None], axis=1)

    g_j, g_k = row(j), row(k)
    g_jj, g_kk, g_jk = at(square, j) + ridge, at(square, k) + ridge, at(g_j, k)
    det = xp.maximum(g_jj * g_kk - g_jk**2, SINGULAR * g_jj * g_kk)
    p_j, p_k = (g_kk * g_j - g_jk * g_k) / det, (g_jj * g_k - g_jk * g_j) / det
    left = xp.maximum(square - p_j * g_j - p_k * g_k, 0.0) + ridge
    target = along - p_j * at(along, j) - p_k * at(along, k)
    three = pairs.weight[:, None] + 0.5 * (target**2 / left / variance - xp.log(left / ridge))
    place = xp.asarray(PLACE)
    other = (place != place[j][:, None]) & (place != place[k][:, None])
    # A triple may be reached from each of its three pairs, and its last break from TRIALS / 3 on average.
    return xp.where(other, three - float(np.log(TRIALS)), -xp.inf)


def _nodes(
    grams: Grams,
    slope: Array,
    precision: Array,
    change: Array,
    prior: Prior,
    laws: _Laws,
) -> Nodes:
    """Posterior of the coefficients of laws with some breaks."""
    xp = namespace(change)
    weight, (r, a, s, t), breaks = laws
    columns = xp.stack([xp.zeros_like(r), xp.ones_like(r), *(SMOOTH + trial for trial in breaks)], axis=1)
    level = xp.asarray(NOISES)[s]
    changes = xp.broadcast_to(change[t][:, None] ** -2.0, (*t.shape, len(breaks)))
    ridge = level[:, None] ** 2 * xp.concat([precision[a], changes], axis=1)
    eye = xp.eye(columns.shape[1])
    matrix = grams.columns[r[:, None, None], a[:, None, None], columns[:, :, None], columns[:, None, :]]
    matrix = matrix + ridge[:, :, None] * eye
    scale = 1.0 / xp.sqrt(xp.linalg.diagonal(matrix))
    low = xp.linalg.cholesky(matrix * scale[:, :, None] * scale[:, None, :] + 1e-10 * eye)
    half = scale[:, :, None] * xp.linalg.inv(low).mT
    along = grams.along[r[:, None], a[:, None], columns]
    mean = (half @ (half.mT @ along[..., None]))[..., 0]
    root = half * level[:, None, None]
    drift = xp.full_like(weight, prior.drift)
    return Nodes(weight - logsumexp(weight), r, a, s, columns, slope[a], mean, root, drift)
