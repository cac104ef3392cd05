"""The average over laws of one curve: those of the grid and the refined ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bnsl._base.arrays import logsumexp
from bnsl.curves.curve import Curve
from bnsl.curves.scale import LOG, Scale
from bnsl.evidence.design import Nodes
from bnsl.evidence.grid import Posterior, posterior
from bnsl.evidence.points import Data, Points, data_of, inverted, noise_of, points_of, swing
from bnsl.evidence.predict import (
    Components,
    Places,
    as_one,
    beyond,
    of_grid,
    of_law,
    places,
    standard_deviation,
)
from bnsl.evidence.prior import LEARNT, MOST_BREAKS, Prior, limit_weights, odds_of_breaks
from bnsl.evidence.refined import Fitted, fitted_law
from bnsl.fitting.orientation import other_wanted
from bnsl.forecasting.mixture import Mixture, chunks, ends
from bnsl.forecasting.refining import best_laws
from bnsl.forecasting.tail import SOON, last_points, odds_of_tail
from bnsl.forms.broken import BNSL

CLOSE = 0.02  # noise on log y, above which a power law that grows cannot be told
BETTER = 3.0  # log evidence by which it must be ahead of the laws on the linear scale
NEGLIGIBLE = 1e-9  # weight of a law below which it is left out


class Average(NamedTuple):
    """Laws with their posterior; where they rise, `state` is one of -log y."""

    rising: bool
    state: Posterior  # without laws of negligible weight
    refined: tuple[Fitted | None, ...]  # by number of breaks
    log_evidence: np.ndarray  # (2, 5) of the grid's and of the refined laws: smooth, 0, 1, 2, 3 breaks
    prior: Prior
    tail: bool = False  # whether these are laws of the last points alone
    swing: float = 0.0  # how much the slope changes along all points


def averages(curve: Curve, scale: Scale = LOG, prior: Prior = LEARNT) -> tuple[Average, ...]:
    """The average over laws of all points, and that over laws of the last of them alone.

    Each is one of falling laws and, for a curve that climbs or falls ever faster, of rising ones.
    On a linear scale y has no way that is usual, and both are averaged.

    The grid's rising laws are those whose inverse falls to a limit: they are fitted to -log y. The refined
    ones are a - g.
    """
    data = data_of(curve, scale)
    last = last_points(data)
    whole, *end = _both_ways([data] if last is None else [data, last], scale, prior)
    return _pooled(swing(data), whole, *end)


def _pooled(swings: float, whole: tuple[Average, ...], end: tuple[Average, ...] = ()) -> tuple[Average, ...]:
    """The averages over laws of all points, with those of the last points, if any."""
    if not end:
        return tuple(part._replace(swing=swings) for part in whole)
    odds = odds_of_tail(_width(whole), _width(end), len(end[0].state.points.u))
    return tuple(
        part._replace(log_evidence=part.log_evidence - _total(parts) + more, tail=parts is end, swing=swings)
        for parts, more in ((whole, 0.0), (end, odds))
        for part in parts
    )


def _total(parts: tuple[Average, ...]) -> float:
    """Log of the weight of all laws."""
    return float(logsumexp(np.stack([part.log_evidence for part in parts])))


def _width(parts: tuple[Average, ...]) -> float:
    """Width of the 90 % interval of log y soon after the last x."""
    mixture = mixtures(parts, parts[0].state.points.origin[:1] + np.log(SOON))[0]
    low, high = ends(mixture, 0.05)
    return float((high - low)[0])


@np.errstate(all="ignore")
def _both_ways(curves: list[Data], scale: Scale, prior: Prior) -> list[tuple[Average, ...]]:
    """The averages over falling and, if need be, rising laws of each of some curves, fitted side by side."""
    if not scale.logarithmic:  # rewards need no more to fall than to rise: they may turn either way
        prior = prior._replace(later=0.0, turns=prior.turns + prior.later)
    points = [points_of(data, prior) for data in curves]
    found = [[falling] for falling in _averages(curves, points, prior, rising=False)]
    may_rise = [
        i for i, own in enumerate(points) if not scale.logarithmic or _climbs(own) or _bent(found[i][0], own)
    ]
    some = [curves[i] for i in may_rise], [points[i] for i in may_rise]
    for i, rising in zip(may_rise, _averages(*some, _unlimited(prior), rising=True), strict=True):
        found[i].append(rising)
    return [tuple(_heavy(part, _total(tuple(parts))) for part in parts) for parts in found]


def _climbs(points: Points) -> bool:
    """Whether the last third of the points is above the first."""
    third = max(len(points.log_y) // 3, 1)
    return bool(np.median(points.log_y[-third:]) > np.median(points.log_y[:third]))


def on_its_scale(curve: Curve, scales: tuple[Scale, ...]) -> tuple[Scale, tuple[Average, ...]]:
    """The averages of a curve on the linear scale, unless a power law explains it better than all of these.

    A power law that grows is one of log y. Noisy scores may be of either scale, and those that are taken to
    grow exponentially are off by far more.
    """
    if len(scales) == 1:
        return scales[0], averages(curve, scales[0])
    found = {scale: _both_ways([data_of(curve, scale)], scale, LEARNT)[0] for scale in scales}
    log, linear = found
    power = _log_evidence(curve, log, [part.log_evidence[:, 1] for part in found[log]])
    every = _log_evidence(curve, linear, [part.log_evidence for part in found[linear]])
    clear = noise_of(np.log(curve.x), np.log(curve.y)) < CLOSE
    chosen = log if clear and power > every + BETTER else linear
    data = data_of(curve, chosen)
    last = last_points(data)
    end = [] if last is None else _both_ways([last], chosen, LEARNT)
    return chosen, _pooled(swing(data), found[chosen], *end)


def _log_evidence(curve: Curve, scale: Scale, parts: list[np.ndarray]) -> float:
    """Log evidence of laws as a density of y itself, so that scales can be compared."""
    values = data_of(curve, scale).log_y
    stretch = -values.sum() if scale.logarithmic else -len(values) * np.log(scale.unit)
    return float(logsumexp(np.stack(parts)) + stretch)


def _unlimited(prior: Prior) -> Prior:
    """The prior with even odds for no limit at all.

    The prior of limits was learnt of curves that fall, to a limit as a rule. What grows need not saturate.
    """
    weight = limit_weights(prior)
    return prior._replace(limit_none=prior.limit_none + float(logsumexp(weight[1:]) - weight[0]))


def _bent(falling: Average, points: Points) -> bool:
    """Whether the falling laws leave what rising ones may explain, such as a fall ever faster."""
    left = [points.log_y - law.form.log_y(law.theta, points.u) for law in falling.refined if law is not None]
    if not left:
        return False
    residual = min(left, key=lambda each: float(np.sum(each**2)))
    seen = np.ones((1, len(residual)), bool)
    return bool(other_wanted(points.u[None], points.log_y[None], residual[None], seen)[0])


def _averages(curves: list[Data], points: list[Points], prior: Prior, *, rising: bool) -> list[Average]:
    """The average over falling, or over rising laws of each of some curves."""
    states = [posterior(inverted(own) if rising else own, prior) for own in points]
    laws = best_laws(curves, states, rising=rising)
    return [_average(*each, prior, rising=rising) for each in zip(points, states, laws, strict=True)]


def _average(
    points: Points, state: Posterior, laws: dict[int, np.ndarray], prior: Prior, *, rising: bool
) -> Average:
    """The average over laws of one curve: those of the grid, and refined ones by number of breaks."""
    odds = prior.sharp + odds_of_breaks(prior)
    refined: list[Fitted | None] = [None] * (MOST_BREAKS + 1)
    log_evidence = np.full((2, MOST_BREAKS + 2), -np.inf)
    log_evidence[0] = state.evidence
    for n, theta in laws.items():
        form = BNSL(n, rising)
        # y is positive, and a law that crosses 0 not far beyond the data is none of y.
        if form.stays_positive(theta, float(points.u[0]), 0.0):
            law = refined[n] = fitted_law(form, theta, points, prior)
            log_evidence[1, n + 1] = -np.inf if law is None else law.log_evidence + odds[n]
    return Average(rising, state, tuple(refined), log_evidence, prior)


def _heavy(part: Average, total: float) -> Average:
    """The average without laws of the grid whose share of the total log weight is negligible.

    The first of each kind stays.
    """
    kinds = []
    for nodes, log_weight in zip(part.state.kinds, part.log_evidence[0], strict=True):
        heavy = log_weight + nodes.weight > total + np.log(NEGLIGIBLE)
        heavy[0] = True
        kinds.append(Nodes(*(values[heavy] for values in nodes)))
    return part._replace(state=part.state._replace(smooth=kinds[0], sharp=tuple(kinds[1:])))


def components(part: Average, log_x: np.ndarray, *, apart: bool = True) -> list[tuple[Components, ...]]:
    """What all laws of an average say of log y at log x (M,), each kind as it may go on beyond the data.

    Log weights are evidences, comparable between averages. Laws that are not kept `apart` are `as_one`.
    """
    points = part.state.points
    where = places(points, np.append(log_x, points.origin[0]))
    there = Places(where.u[:-1], where.near[:, :-1], where.departure[:, :-1])
    kinds = laws_at(part, where)
    out = []
    for laws in kinds if apart else [as_one(kinds)]:
        here = Components(*(v[..., :-1] if v.ndim > 1 else v for v in laws))
        out.append(beyond(here, laws.mean[:, -1:], laws.bend[:, -1:], there, part.prior, part.swing))
    return out


def laws_at(part: Average, where: Places) -> list[Components]:
    """What all laws of an average are at some places."""
    out = []
    for share, laws in zip(part.log_evidence[0], of_grid(part.state, where), strict=True):
        mean = -laws.mean if part.rising else laws.mean
        out.append(laws._replace(log_weight=laws.log_weight + share, mean=mean))
    for share, law in zip(part.log_evidence[1, 1:], part.refined, strict=True):
        if law is not None:
            laws = of_law(law, where)
            out.append(laws._replace(log_weight=laws.log_weight + share))
    return out


def law_mean(parts: tuple[Average, ...], where: Places) -> np.ndarray:
    """The mean of log y (M,) over all laws."""
    with np.errstate(all="ignore"):
        laws = [found for part in parts for found in laws_at(part, where)]
        weight = np.concatenate([found.log_weight for found in laws])
        mean = np.concatenate([found.mean for found in laws])
        fine = np.isfinite(mean).all(axis=1)
        weight = np.exp(weight[fine] - logsumexp(weight[fine]))
        return np.asarray(weight @ mean[fine])


def shares(parts: tuple[Average, ...], log_x: np.ndarray) -> list[np.ndarray]:
    """How much of its weight every average has at log x (M,).

    The last points say nothing of what lies before them, and ever more towards the end.
    """
    end = tuple(part for part in parts if part.tail)
    if not end:
        return [np.ones(len(log_x)) for _ in parts]
    points = end[0].state.points
    spoken = np.clip((log_x - points.origin[0]) / -points.u[0] + 1.0, 0.0, 1.0)
    weight = np.exp(_total(end) - _total(parts))
    rest = (1.0 - weight * spoken) / (1.0 - weight)
    return [spoken if part.tail else rest for part in parts]


def mixtures(parts: tuple[Average, ...], log_x: np.ndarray) -> list[Mixture]:
    """The predictive distribution at log x (M,), in chunks."""
    with np.errstate(all="ignore"):
        return [_mixture(parts, chunk) for chunk in chunks(log_x)]


def _mixture(parts: tuple[Average, ...], log_x: np.ndarray) -> Mixture:
    laws, on, spoken, sds = [], [], [], []
    for part, believed in zip(parts, shares(parts, log_x), strict=True):
        where = places(part.state.points, log_x)
        for way in components(part, log_x, apart=False):
            # What may happen besides makes intervals wider. The prediction is that of the laws as they go on.
            for i, found in enumerate(way):
                laws.append(found)
                on.append(np.full(len(found.log_weight), i == 0))
                spoken.append(np.broadcast_to(believed, found.mean.shape))
                sds.append(standard_deviation(found, where))
    weight = np.concatenate([found.log_weight for found in laws])
    weight = np.exp(weight - logsumexp(weight))
    mean, sd = np.concatenate([found.mean for found in laws]), np.concatenate(sds)
    central, share = np.concatenate(on), np.concatenate(spoken)
    there = np.isfinite(mean) & np.isfinite(sd)
    if there.all() and (share == 1.0).all():
        heavy = weight > NEGLIGIBLE
        return Mixture(weight[heavy] / weight[heavy].sum(), mean[heavy], sd[heavy], central[heavy])
    # A rising law may fall below 0 far beyond the data; then it is no law there.
    weight = np.where(there, weight[:, None] * share, 0.0)
    weight = weight / weight.sum(axis=0)
    heavy = (weight > NEGLIGIBLE).any(axis=1)
    mean, sd = np.where(there, mean, 0.0), np.where(there, sd, 1.0)
    return Mixture(weight[heavy] / weight[heavy].sum(axis=0), mean[heavy], sd[heavy], central[heavy])
