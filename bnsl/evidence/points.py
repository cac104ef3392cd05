"""The points that laws are compared with, relative to the last one, and the noise on them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bnsl._base.arrays import Array, namespace
from bnsl.curves.curve import Curve
from bnsl.curves.scale import LOG, Scale
from bnsl.evidence.prior import CORRELATED, SHORTEST, Prior

MOST_POINTS = 160  # longer curves are binned
WIDEST = 8.0  # log of a weight, beyond which inner products of a curve would be lost to rounding
MEDIAN = 0.6745  # of the size of a standard normal
SHARED = -2  # from where on curves beside one another have the same `Points`
CLEAN = 1e-3  # noise below which long curves are thinned to some of their points, not to means of them
NARROW = 0.01  # share of the range of log x, below whose standard deviation points have no slope of their own


class Data(NamedTuple):
    """One curve, ascending in x."""

    log_x: np.ndarray  # (N,)
    log_y: np.ndarray  # (N,) or y on another scale
    weight: np.ndarray  # (N,) relative inverse variances


class Points(NamedTuple):
    """A curve relative to its last point, and the covariance of its noise for R kinds of noise.

    The noise on log y is white plus correlated along log x (Ornstein-Uhlenbeck); variances are in units of
    the white noise's. Several curves have an axis (C,) in front of all that differs among them.
    """

    u: Array  # (N,) log x less that of the last point
    log_y: Array  # (N,) likewise
    origin: Array  # (2,) log x and log y of the last point
    basis: Array  # (N, N) rows along which the noise of every kind is independent; None of `each_of`
    variance: Array  # (R, N) with these variances
    log_det: Array  # (R,) of the noise covariance
    count: Array  # () points that are no padding
    span: Array  # () range of log x, at least SHORTEST
    least: Array  # () smallest y, in units of the last
    most: Array  # () largest y
    unit: Array  # (R,) variance of the correlated noise
    length: float  # its correlation length in log x

    @property
    def whiten(self) -> Array:
        """(R, N, N) what turns the noise of every kind into independent noise of variance 1."""
        xp = namespace(self.basis)
        return self.basis[..., None, :, :] / xp.sqrt(self.variance)[..., None]


def data_of(curve: Curve, scale: Scale = LOG) -> Data:
    """log x and log y (y on its scale) of a curve; of long curves, means over even bins of log x."""
    log_x, log_y = np.log(curve.x), scale.values(curve.y)
    weight = np.ones(len(log_x))
    if curve.sigma is not None:
        precision = scale.log_precision(curve.y, curve.sigma)
        weight = np.exp(np.clip(precision - precision.mean(), -WIDEST, WIDEST))
    if len(log_x) <= MOST_POINTS:
        return Data(log_x, log_y, weight)
    share = (log_x - log_x[0]) / (log_x[-1] - log_x[0])
    bins = np.minimum(np.floor(share * MOST_POINTS), MOST_POINTS - 1).astype(int)
    total = np.bincount(bins, weight, MOST_POINTS)
    full = total > 0
    if noise_of(log_x, log_y) < CLEAN:  # a mean would be off by more, where the law turns within a bin
        middle = [int(np.median(np.flatnonzero(bins == i))) for i in np.flatnonzero(full)]
        return Data(log_x[middle], log_y[middle], weight[middle])
    mean_x, mean_y = (np.bincount(bins, weight * v, MOST_POINTS)[full] / total[full] for v in (log_x, log_y))
    return Data(mean_x, mean_y, total[full])


def noise_of(log_x: np.ndarray, log_y: np.ndarray, seen: np.ndarray | None = None) -> Any:
    """Standard deviation of the noise (...,), from how far points lie off the line through their neighbours.

    `seen` (..., N) is False for padding at the end.
    """
    off = np.abs(departures(log_x, log_y))
    if seen is None or seen.all():
        return np.median(off, axis=-1) / MEDIAN
    return np.nanmedian(np.where(seen[..., 2:], off, np.nan), axis=-1) / MEDIAN


def departures(log_x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """How far inner points (..., N - 2) lie off the line through their neighbours, in units of the noise.

    Args:
        log_x: (..., N), ascending.
        values: (..., N), with noise of the same size on all.
    """
    before, after = log_x[..., 1:-1] - log_x[..., :-2], log_x[..., 2:] - log_x[..., 1:-1]
    share = before / np.where(before + after > 0, before + after, 1.0)
    off = values[..., 1:-1] - (1.0 - share) * values[..., :-2] - share * values[..., 2:]
    return np.asarray(off / np.sqrt(1.0 + share**2 + (1.0 - share) ** 2))


def swing(data: Data) -> float:
    """Standard deviation of the slope along the points, over every run of a third of them.

    A run that spans next to nothing, as several seeds of one size do, has no slope to speak of.
    """
    size = max(-(-len(data.log_x) // 3), 3)
    if len(data.log_x) <= size:
        return 0.0
    x, y = (np.lib.stride_tricks.sliding_window_view(values, size) for values in (data.log_x, data.log_y))
    off = x - x.mean(axis=1, keepdims=True)
    square = np.sum(off**2, axis=1)
    wide = square > size * (NARROW * np.ptp(data.log_x)) ** 2
    slopes = np.sum(off * y, axis=1)[wide] / square[wide]
    return float(np.std(slopes)) if len(slopes) else 0.0


def points_of(data: Data, prior: Prior) -> Points:
    """The points of a curve with the covariance of their noise under the prior.

    White noise and any share of the correlated are independent along the eigenvectors of the correlated noise
    in units of the white.
    """
    xp = namespace(data.log_x)
    u = data.log_x - data.log_x[-1]
    unit = (prior.correlated * xp.asarray(CORRELATED)) ** 2
    root = xp.sqrt(data.weight)
    kernel = xp.exp(-xp.abs(u[:, None] - u) / prior.length) * root[:, None] * root
    value, vector = xp.linalg.eigh(kernel)
    variance = 1.0 + unit[:, None] * xp.maximum(value, 0.0)
    log_det = xp.sum(xp.log(variance), axis=-1) - xp.sum(xp.log(data.weight))
    origin = xp.stack([data.log_x[-1], data.log_y[-1]])
    log_y = data.log_y - origin[1]
    return Points(
        u,
        log_y,
        origin,
        vector.T * root,
        variance,
        log_det,
        xp.asarray(float(u.shape[0])),
        xp.maximum(-xp.min(u), xp.asarray(SHORTEST)),
        xp.exp(xp.min(log_y)),
        xp.exp(xp.max(log_y)),
        unit,
        prior.length,
    )


def beside(points: list[Points]) -> Points:
    """Several curves as one, the shorter ones padded with repeats of their last point that do not count."""
    longest = max(len(one.u) for one in points)

    def longer(one: Points) -> Points:
        more = (0, longest - len(one.u))
        return one._replace(
            u=np.pad(one.u, more),
            log_y=np.pad(one.log_y, more),
            basis=np.pad(one.basis, more),
            variance=np.pad(one.variance, ((0, 0), more), constant_values=1.0),
        )

    own = zip(*(longer(one)[:SHARED] for one in points), strict=True)
    parts: list[Array] = [np.stack(part) for part in own]
    return Points(*parts, *points[0][SHARED:])


def taken(points: Points, which: Any) -> Points:
    """Some of several curves."""
    fields: tuple[Any, ...] = points
    return Points(*(part[which] for part in fields[:SHARED]), *fields[SHARED:])


def each_of(points: Points, curve: np.ndarray) -> Points:
    """The points that laws of some curves (B,) are judged by, as of B curves, but for the large basis.

    Those of a single curve stay as they are, and are broadcast.
    """
    points = points._replace(basis=points.count)
    return (points if len(points.u) == 1 else taken(points, curve))._replace(basis=None)


def inverted(points: Points) -> Points:
    """The points of 1 / y."""
    xp = namespace(points.u)
    return points._replace(
        log_y=-points.log_y,
        origin=points.origin * xp.asarray([1.0, -1.0]),
        least=1.0 / points.most,
        most=1.0 / points.least,
    )
