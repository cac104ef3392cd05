"""The prior: which curves are likely before the data are seen; docs/forecasting.md says how it was chosen.

Shares r of a limit are those of the smallest y: r = a / min y. Logs are natural.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bnsl._base.arrays import Array, log_softmax, namespace

# The quadrature: finer grids change nothing.
LIMITS = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.78, 0.85, 0.9, 0.94, 0.965, 0.985, 0.995])
NOISES = np.exp(np.linspace(-9.2, -2.0, 10))  # standard deviations of the white noise on log y
CORRELATED = np.arange(3.0)  # standard deviation of the correlated noise, in units of the prior's
BEYOND = np.array([0.2, 0.55])  # trial places of a break beyond the data, in log x

MOST_BREAKS = 3  # of a sharp law
SHORTEST = 0.1  # least range of log x that breaks are laid out over
SMALLEST = 0.03  # share of the smallest y below which limits are equally likely
NO_LIMIT = 0.5 * float(LIMITS[1])  # and below which they are counted as none
VAGUE = 2.0  # prior standard deviation of the level, log y at the last point


class Prior(NamedTuple):
    """Constants of the prior."""

    limit_low: float = 0.05  # density of r: r^limit_low (1 - r)^limit_high
    limit_high: float = 0.4
    limit_none: float = 0.5  # more log prior weight of no limit
    slope: float = 0.77  # of log(y - a) at the end of the data, downwards, in laws without a limit
    slope_sd: float = 0.45
    slope_rise: float = 0.36  # of that slope's mean from r = 0 to 1
    slope_spread: float = 2.2  # the ratio of its standard deviations there
    slope_plain: float = 0.6  # ratio of slope_sd of smooth laws without slope changes to that of the others
    slope_step: float = 1.28  # and of those of one step of roughness to the next
    climbing: float = (
        0.5  # prior weight of laws that climb at the end of the data, in units of those that fall
    )
    roughness: float = -0.4  # log standard deviation of a smooth law's slope changes per root log x
    roughness_step: float = 0.95
    roughness_tilt: float = 0.2  # log prior odds of each step
    plain: float = -2.0  # log prior weight of no slope changes
    growth: float = 0.5  # variance of slope changes ~ (distance from the end)^growth
    diffusion: float = -1.0  # log of the slope's drift beyond the data, in units of the roughness
    length: float = 0.5  # correlation length of noise in log x
    correlated: float = 1.4  # unit of the correlated noise's standard deviation, in those of the white
    correlated_tilt: float = 1.6
    noise: float = -4.8  # log standard deviation of the white noise
    noise_sd: float = 2.5
    sharp: float = -1.7  # log prior odds of sharp laws
    breaks_tilt: float = 0.4  # log prior odds of one more break
    change_small: float = 0.24  # standard deviations of a sharp law's slope changes, even odds
    change_large: float = 0.6
    drift: float = 0.15  # drift of a sharp law's slope beyond the data
    # What no point shows of the way beyond the data, chosen by coverage, interval score and log density over
    # sources of the learning set. The way is uncertain by this share;
    loose: float = 0.1
    later: float = 0.12  # with this probability a fall becomes larger, as where a rate of learning decays,
    later_fall: float = 0.8  # by this share, and a climb turns into a fall,
    later_back: float = 4.0  # so many times as steep;
    turns: float = 0.1  # and with this one something else happens:
    turns_sd: float = 4.0  # so many times the uncertainty of the law;
    swings: float = 0.5  # in both the slope also changes by this share of its changes along the curve
    # Of refined laws: a break may be far steeper than the grid believes, and then data of low noise say so.
    steep: float = 4.0  # standard deviation of such slope changes
    steep_odds: float = 0.03
    moment: bool = False  # whether slope changes near 0 are no breaks
    beyond: float = float(BEYOND[-1])  # log x of the farthest break after the last point
    softest: float = 2.4  # widest break that is believed,
    softest_share: float = np.inf  # also as a share of the range of log x


LEARNT = Prior()
# How breaks are counted was settled under a noise that forgets sooner, and under fewer laws that climb.
_NARROW = {"climbing": 0.1, "diffusion": -1.5, "length": 0.15, "noise_sd": 0.95, "drift": 0.05}
# What counts as a break: a change of slope that is not small (a non-local prior, Johnson and Rossell, 2010,
# J. R. Statist. Soc. B 72, 143), within the data, up to that of a peak or a cliff.
COUNTING = LEARNT._replace(
    change_small=0.3,
    change_large=0.9,
    steep=3.0,
    steep_odds=0.3,
    moment=True,
    beyond=0.0,
    softest_share=1.0,
    breaks_tilt=0.0,
    correlated_tilt=0.0,
    **_NARROW,
)


def limit_density(prior: Prior, share: Array) -> Array:
    """Log prior density, but for a constant, of limits that are `share` of the smallest y."""
    xp = namespace(share)
    density = prior.limit_high * xp.log1p(-share) + prior.limit_low * xp.log(xp.maximum(share, SMALLEST))
    return xp.where(share < NO_LIMIT, density + prior.limit_none, density)


@lru_cache(maxsize=64)
def limit_weights(prior: Prior) -> np.ndarray:
    """Log of `limit_density` times the room of every node of LIMITS (A,); not normalised."""
    return np.asarray(limit_density(prior, LIMITS) + np.log(np.gradient(LIMITS)))


def slope_prior(prior: Prior, share: Array) -> tuple[Array, Array]:
    """Prior mean and standard deviation of the end slope of laws whose limit is `share` of the smallest y.

    Laws with a limit near the data are steeper and more various: what is left of y - a is small, so
    that a little of y moves its logarithm much.
    """
    return prior.slope + prior.slope_rise * share, prior.slope_sd * prior.slope_spread**share


def noise_weights(prior: Prior, levels: np.ndarray) -> np.ndarray:
    """Log prior probability of every kind of noise and level of the white noise (R, S)."""
    level = log_softmax(-0.5 * ((np.log(levels) - prior.noise) / prior.noise_sd) ** 2)
    kind = log_softmax(prior.correlated_tilt * CORRELATED)
    return np.asarray(kind[:, None] + level)


@lru_cache(maxsize=64)
def odds_of_breaks(prior: Prior) -> np.ndarray:
    """Log prior probabilities of 0, 1, 2 and 3 breaks among sharp laws (4,)."""
    return np.asarray(log_softmax(prior.breaks_tilt * np.arange(MOST_BREAKS + 1.0)))
