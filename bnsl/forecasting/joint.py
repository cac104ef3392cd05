"""Joint predictive distribution of a forecast: many x at once, with their covariances.

`Forecast.sample` draws every x on its own. Statements about a curve as a whole, such as "it reaches t before
x = b", and the choice of the next run need draws and covariances in which one law holds at all x. The
components, laws of the grid and refined laws, are those of `average.mixtures`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.arrays import logsumexp
from bnsl._base.checks import (
    InputError,
    as_number,
    check_count,
    check_flag,
    check_made_by,
    generator,
    positive_inputs,
)
from bnsl.evidence.points import Points
from bnsl.evidence.predict import Places, covariance, places
from bnsl.forecasting.average import NEGLIGIBLE, components, shares
from bnsl.forecasting.forecast import Forecast

STEPS = 200  # points in x at which a curve is looked at for the place where it reaches a value


class Joint(NamedTuple):
    """Normal components of log y, or of y on the forecast's scale, at M points, one a law.

    Given law t, with independent standard normal z,

        log y = mean[t] + moved[t] z1 + bend[t] (drift z2) + level[t] (departure[kind[t]] z3 + z4);

    the first three terms are the law, the last is correlated and white noise.
    """

    weight: np.ndarray  # (T,), adding up to 1
    mean: np.ndarray  # (T, M)
    moved: np.ndarray  # (T, M, p) uncertainty of the coefficients
    bend: np.ndarray  # (T, M) size of the slope's drift beyond the data
    level: np.ndarray  # (T,) standard deviation of the white noise
    kind: np.ndarray  # (T,) of the noise
    drift: np.ndarray  # (M, M) root of the covariance of an integrated random walk
    departure: np.ndarray  # (R, M, M) root of the covariance of the correlated noise

    def covariance(self, *, noise: bool = False) -> np.ndarray:
        """Covariance (M, M) of log y over all laws; with `noise`, that of new measurements."""
        centre = self.mean - self.weight @ self.mean
        total = np.einsum("t,tm,tn->mn", self.weight, centre, centre, optimize=True)
        total += np.einsum("t,tmp,tnp->mn", self.weight, self.moved, self.moved, optimize=True)
        bent = np.einsum("t,tm,tn->mn", self.weight, self.bend, self.bend, optimize=True)
        total += bent * (self.drift @ self.drift.T)
        if noise:
            total += self.noise_covariance()
        return total

    def noise_covariance(self) -> np.ndarray:
        """Covariance (M, M) of the noise alone, correlated and white."""
        share = np.bincount(self.kind, self.weight * self.level**2, len(self.departure))
        departures = self.departure @ self.departure.transpose(0, 2, 1)
        return np.einsum("r,rmn->mn", share, departures) + share.sum() * np.eye(self.mean.shape[1])


def joint(forecast: Forecast, x: ArrayLike) -> Joint:
    """The joint predictive distribution of log y at x (M,)."""
    points, _ = positive_inputs(x, 1)
    log_x = np.log(points)
    parts, departures, kinds, share = [], [], [], []
    # Along a draw one law holds, as far as it speaks of all places.
    spoken = shares(forecast.averages, log_x.min(initial=np.inf, keepdims=True))
    with np.errstate(all="ignore"):
        for i, average in enumerate(forecast.averages):
            where = places(average.state.points, log_x)
            departures.append(_departure(average.state.points, where))
            for part in (found for way in components(average, log_x) for found in way):
                parts.append(part)
                kinds.append(part.kind + i * len(departures[0]))
                share.append(np.full(len(part.kind), spoken[i][0]))
        weight = np.concatenate([part.log_weight for part in parts])
        weight = np.exp(weight - logsumexp(weight)) * np.concatenate(share)
    mean, bend, level = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("mean", "bend", "level")
    )
    widest = max(part.moved.shape[1] for part in parts)
    moved = np.concatenate([_padded(part.moved, widest) for part in parts])
    # What is no law at one of the places, because it is not positive there, is none along them.
    there = (
        np.isfinite(mean).all(axis=1) & np.isfinite(moved).all(axis=(1, 2)) & np.isfinite(bend).all(axis=1)
    )
    weight = np.where(there, weight, 0.0)
    heavy = weight > NEGLIGIBLE * weight.sum()
    return Joint(
        weight[heavy] / weight[heavy].sum(),
        mean[heavy],
        moved[heavy].mT,
        bend[heavy],
        level[heavy],
        np.concatenate(kinds)[heavy],
        _root(_walk(np.maximum(where.u, 0.0))),
        np.concatenate(departures),
    )


def joint_draws(
    forecast: Forecast, x: ArrayLike, size: int = 1000, *, noise: bool = True, seed: int = 0
) -> np.ndarray:
    """Draws of whole curves: y at all x together, shape (size,) + shape of x, each draw from one law.

    Args:
        forecast: what `bnsl.forecast` returned.
        x: positive inputs of any shape.
        size: number of draws.
        noise: whether to add the noise of a measurement to the law.
        seed: of the random numbers.

    Raises:
        InputError: x that is not positive, or a bad size.
    """
    check_forecast(forecast)
    count, rng = check_count(size, "size", 1), generator(seed)
    noisy, shape = check_flag(noise, "noise"), positive_inputs(x, 1)[1]
    drawn = _draws(joint(forecast, x), count, noisy, rng)
    return forecast.curve.held(forecast.scale.measured(drawn)).reshape(count, *shape)


def _draws(law: Joint, count: int, noise: bool, rng: np.random.Generator) -> np.ndarray:
    points = law.mean.shape[1]
    chosen = rng.choice(len(law.weight), size=count, p=law.weight)
    out = law.mean[chosen]
    normal = rng.standard_normal((count, law.moved.shape[2]))
    for t in np.unique(chosen):
        rows = chosen == t
        out[rows] += normal[rows] @ law.moved[t].T
    out += law.bend[chosen] * (rng.standard_normal((count, points)) @ law.drift.T)
    if noise:
        scatter = rng.standard_normal((count, points))
        colour = rng.standard_normal((count, points))
        for r in np.unique(law.kind[chosen]):
            rows = law.kind[chosen] == r
            scatter[rows] += colour[rows] @ law.departure[r].T
        out += law.level[chosen, None] * scatter
    return out


def reach(forecast: Forecast, y: float, until: float, size: int = 2000, *, seed: int = 0) -> np.ndarray:
    """Draws (size,) of the x at which the law first reaches y, from the end of the data up to `until`.

    A falling curve reaches y from above, a climbing one from below; if it has reached y at the end of the
    data, x is the last x. Infinite if y is not reached; the share of finite draws is the probability of
    reaching it.

    Raises:
        InputError: a y that cannot be on the forecast's scale, or an `until` not beyond the data.
    """
    check_forecast(forecast)
    count, rng = check_count(size, "size", 1), generator(seed)
    scale = forecast.scale
    value = as_number(y, "y", lambda v: np.isfinite(v) and (v > 0 or not scale.logarithmic))
    last = float(forecast.curve.x[-1])
    end = as_number(until, "until", np.isfinite)
    if end <= last:
        raise InputError(f"until = {end:g} must lie beyond the data, which end at {last:g}")
    x = np.geomspace(last, end, STEPS)
    law = joint(forecast, x)
    draws = _draws(law, count, False, rng)
    gap = draws - scale.values(np.asarray(value))
    if forecast.curve.climbs:
        gap = -gap
    hit = gap <= 0
    first = np.argmax(hit, axis=1)
    rows = np.arange(len(gap))
    # Between two points of the grid, the law is taken as straight in logarithms.
    before = np.maximum(first - 1, 0)
    fall = gap[rows, before] - gap[rows, first]
    share = np.where((first > 0) & (fall > 0), gap[rows, before] / np.where(fall > 0, fall, 1.0), 0.0)
    place = np.exp(np.log(x[before]) + share * (np.log(x[first]) - np.log(x[before])))
    return np.where(hit.any(axis=1), place, np.inf)


def probability_before(
    first: Forecast, second: Forecast, y: float, until: float, size: int = 4000, *, seed: int = 0
) -> float:
    """The probability that the law of `first` reaches y before that of `second` does, both up to `until`.

    The curves are taken as independent. If neither reaches y, `first` does not count as before. Raises
    InputError as `reach` does.
    """
    check_forecast(first, "first")
    check_forecast(second, "second")
    a = reach(first, y, until, size, seed=seed)
    b = reach(second, y, until, size, seed=seed + 1)
    return float(np.mean(a < b))


def check_forecast(value: object, argument: str = "forecast") -> None:
    """Raise InputError unless `value` is a forecast of one input."""
    check_made_by(value, Forecast, argument, "bnsl.forecast")


def _padded(moved: np.ndarray, widest: int) -> np.ndarray:
    return np.pad(moved, ((0, 0), (0, widest - moved.shape[1]), (0, 0)))


def _departure(points: Points, where: Places) -> np.ndarray:
    """Roots (R, M, M) of the covariance of the correlated noise, given the points."""
    left = covariance(points, where.u, where.u) - where.near @ where.near.mT
    return np.stack([_root(each) for each in left])


def _walk(u: np.ndarray) -> np.ndarray:
    """Covariance (M, M) of the integral of a random walk of the slope that begins at u = 0."""
    low, high = np.minimum(u[:, None], u), np.maximum(u[:, None], u)
    return low**2 * (3.0 * high - low) / 6.0


def _root(covariance: np.ndarray) -> np.ndarray:
    """S (M, M) with S S^T = covariance, which may be singular."""
    value, vector = np.linalg.eigh(covariance)
    return vector * np.sqrt(np.maximum(value, 0.0))
