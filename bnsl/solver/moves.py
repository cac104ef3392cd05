"""What a search for several breaks tries next: random, but the same for the same curve."""

from __future__ import annotations

import numpy as np

PARENTS = 32  # distinct solutions that are kicked
TRIALS = 32  # positions of random trial breaks
TRIAL_WIDTHS = 5  # widths at each
FAR = 0.9  # ranges of log x that the outermost two lie away from the data
SHARP = 0.15  # width of a sharp trial break, as a share of the distance to the next point
ALIKE = 0.05  # squared distance of residuals, relative to the cost, up to which two solutions count as one


def kicked(
    rng: np.random.Generator, pool: np.ndarray, scale: np.ndarray, count: int, continued: int
) -> np.ndarray:
    """The best of the pool as they are, and random displacements of more of them, (count, p)."""
    best = pool[:continued]
    moved = count - len(best)
    parents = np.resize(pool[:PARENTS], (moved, pool.shape[1]))
    length = 10.0 ** rng.uniform(-1.0, 0.5, (moved, 1))
    chosen = rng.random(parents.shape) < 2.0 / 3.0
    return np.concatenate([parents + length * rng.normal(size=parents.shape) * chosen * scale, best])


def trial_breaks(rng: np.random.Generator, log_x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions (D,) ascending and widths (D, F) of random breaks.

    Half of the positions are even in log x, half in points, and two lie far outside, where of a wide break
    the tail is seen; the widths go from less than the spacing of the points to most of the range.
    """
    span = float(log_x[-1] - log_x[0])
    half = TRIALS // 2 - 1
    even = (np.arange(half) + rng.random(half)) / half
    rank = (np.arange(half) + rng.random(half)) / half * (len(log_x) - 1)
    among = np.interp(rank, np.arange(len(log_x)), log_x)
    far = log_x[[0, -1]] + FAR * span * np.array([-1.0, 1.0])
    positions = np.sort(np.concatenate([log_x[0] + 1.1 * span * even, among, far]))
    right = np.clip(np.searchsorted(log_x, positions), 1, len(log_x) - 1)
    spacing = np.maximum(log_x[right] - log_x[right - 1], 1e-3 * span)
    narrow = np.log(0.2 * spacing)[:, None]
    share = (np.arange(TRIAL_WIDTHS) + rng.random((TRIALS, TRIAL_WIDTHS))) / TRIAL_WIDTHS
    narrow[[0, -1]] = np.log(0.03 * span)
    return positions, np.exp(narrow + share * (np.log(0.7 * span) - narrow))


def sharp_breaks(log_x: np.ndarray, room: int) -> tuple[np.ndarray, np.ndarray]:
    """A sharp break at every point: of two or three at neighbours a step or a spike is made.

    Positions (room,) and widths (room, 1); what is left of the room lies far beyond the data, where a break
    changes nothing and is never picked.
    """
    gap = np.diff(log_x, prepend=log_x[0] - 1.0)
    gap = np.minimum(gap, np.diff(log_x, append=log_x[-1] + 1.0))
    positions = log_x
    span = float(np.ptp(log_x))
    rest = (0, room - len(positions))
    positions = np.pad(positions, rest, constant_values=log_x[-1] + 10.0 * span)
    widths = np.maximum(SHARP * np.pad(gap, rest, constant_values=0.0), 1e-4 * span)
    return positions, widths[:, None]


def distinct(cost: np.ndarray, fits: np.ndarray, count: int, alike: float = ALIKE) -> list[int]:
    """Indices of the best `count` of finite cost that differ in their residuals (M, N), best first.

    Two count as one if their squared distance is at most `alike` of the cost: a solution half-way along a
    valley is no other than the one at its end.
    """
    with np.errstate(all="ignore"):  # of starts that overflow
        square = np.sum(fits**2, axis=1)
        apart = square[:, None] + square - 2.0 * fits @ fits.T > alike * cost[:, None]
    chosen: list[int] = []
    for index in np.argsort(cost, kind="stable"):
        if not np.isfinite(cost[index]) or len(chosen) == count:
            break
        if apart[index, chosen].all():
            chosen.append(int(index))
    return chosen or [0]
