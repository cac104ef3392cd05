"""Make the figures of README and docs: `python docs/make_images.py`, from any folder.

- `images/four_digit_addition.png`: the 4-digit-addition curve of arXiv 2210.14891, a BNSL with one break
  fitted to the first 14 points, and the last three predicted.
- `images/prior.png`: laws drawn from the prior of `bnsl.forecast`, before any data.
- `images/posterior.png`: laws drawn from a forecast of a measured curve, and its 90 % interval.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import bnsl
from bnsl._base.palette import tint
from bnsl.evidence import design
from bnsl.evidence.prior import LEARNT, LIMITS, limit_weights, odds_of_breaks, slope_prior
from bnsl.evidence.smooth import roughnesses
from bnsl.plots._drawing import FORECAST

FOLDER = Path(__file__).resolve().parent / "images"
SPAN = np.log(100.0)  # of the data that the prior is drawn for: x from 0.01 to 1
DRAWN = 12  # laws of each kind
Kind = Callable[[float, np.ndarray, np.random.Generator], tuple[float, np.ndarray]]


def main() -> None:
    """Draw and save every figure."""
    FOLDER.mkdir(exist_ok=True)
    for name, size, draw in (
        ("four_digit_addition", (6.0, 4.0), draw_addition),
        ("prior", (8.0, 3.6), draw_prior),
        ("posterior", (6.0, 4.0), draw_posterior),
    ):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        figure.savefig(FOLDER / f"{name}.png", dpi=200, metadata={"Software": None})


def draw_addition(figure: Figure) -> None:
    """A fit and what it predicts."""
    tried = bnsl.extrapolate(bnsl.load_dataset("four_digit_addition"), train_count=14, n_breaks=1)
    ax = bnsl.plot_fit(tried, ax=figure.subplots(), x_max=1100.0)
    ax.set_title(
        f"4-digit addition: three points predicted to an RMSLE of {tried.rmsle:.3f}", fontsize="medium"
    )


def draw_prior(figure: Figure) -> None:
    """Laws before the data, relative to y at the last point; slopes beyond the data stay as they are."""
    left, right = figure.subplots(1, 2, sharey=True, gridspec_kw={"wspace": 0.08})
    u = np.linspace(-SPAN, np.log(10.0), 400)
    rng = np.random.default_rng(0)
    for ax, kind, title in ((left, _smooth, "smooth laws"), (right, _sharp, "laws with up to three breaks")):
        for _ in range(DRAWN):
            share, eta = next(_believed(kind, u, rng))
            y = share + np.exp(eta - eta[np.searchsorted(u, 0.0)]) * (1 - share)
            ax.loglog(np.exp(u), y, color=FORECAST, linewidth=1.0, alpha=0.7)
        _label(ax, title)
    left.set_ylabel("y / (y at the last point)")


def _label(ax: Axes, title: str) -> None:
    ax.axvspan(1.0, 10.0, color="0.94", zorder=0)
    ax.set(xlim=(0.01, 10.0), ylim=(0.08, 30.0), xlabel="x / (last x)")
    ax.set_title(title, fontsize="medium")
    ax.text(3.16, 27.0, "beyond the data", color="0.35", fontsize="small", ha="center", va="top")
    ax.set_xticks([0.01, 0.1, 1.0, 10.0], ["1/100", "1/10", "1", "10"])
    ax.set_yticks([0.1, 1.0, 10.0], ["1/10", "1", "10"])


def _believed(kind: Kind, u: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[float, np.ndarray]]:
    """Limits as shares of the last y, and eta = log(y - limit) at u; laws that climb count for less."""
    weight = np.exp(limit_weights(LEARNT))
    while True:
        share = float(rng.choice(LIMITS, p=weight / weight.sum()))
        slope, changes = kind(share, design.design(u, SPAN), rng)
        if slope > 0 or rng.random() < LEARNT.climbing:
            yield share, changes - slope * u


def _smooth(share: float, columns: np.ndarray, rng: np.random.Generator) -> tuple[float, np.ndarray]:
    """The slope at the end, and what the small breaks add."""
    size, odds, ratio = roughnesses(LEARNT)
    q = rng.choice(len(size), p=np.exp(odds))
    mean, sd = slope_prior(LEARNT, np.asarray(share))
    count = design.BREAKS
    profile = np.sqrt(SPAN / count * ((np.arange(count) + 0.5) / count + 0.02) ** LEARNT.growth)
    small = columns[:, design.ALWAYS : design.SMOOTH]
    return rng.normal(mean, sd * ratio[q]), small @ (size[q] * profile * rng.standard_normal(count))


def _sharp(share: float, columns: np.ndarray, rng: np.random.Generator) -> tuple[float, np.ndarray]:
    """The slope at the end, and what none to three breaks at trial places add."""
    number = rng.choice(4, p=np.exp(odds_of_breaks(LEARNT)))
    places = rng.choice(design.TRIALS // len(design.WIDTHS), size=number, replace=False)
    trials = places * len(design.WIDTHS) + rng.integers(len(design.WIDTHS), size=number)
    sd = rng.choice([LEARNT.change_small, LEARNT.change_large])
    slope = rng.normal(*slope_prior(LEARNT, np.asarray(share)))
    return slope, columns[:, design.SMOOTH + trials] @ rng.normal(0.0, sd, number)


def draw_posterior(figure: Figure) -> None:
    """Thirteen points of a learning curve: laws that agree with them, and where later points fell."""
    fitted, later = bnsl.load_dataset("digits_learning_curve").split(train_count=13)
    assert later is not None
    forecast = bnsl.forecast(fitted)
    ax = bnsl.plot_forecast(forecast, held_out=later, levels=[0.9], ax=figure.subplots())
    x = np.geomspace(fitted.x[0], later.x[-1], 200)
    for i, y in enumerate(bnsl.joint_draws(forecast, x, size=20, noise=False)):
        label = "20 possible laws" if i == 0 else None
        ax.plot(x, y, color=tint(0.6)["light"], linewidth=0.6, zorder=2, label=label)
    ax.set_title("What 13 points leave open, and what was measured later", fontsize="medium")
    ax.legend(fontsize="small", frameon=False)


if __name__ == "__main__":
    main()
