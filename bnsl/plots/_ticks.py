"""Ticks of log axes, and numbers for labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axis import Axis

PANEL = 4.6  # inches, the width of axes for which the density of ticks is chosen


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """Ticks that can be read however few decades the axis spans; plain numbers where they are short."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    decades = np.log10(high / low)
    plain, narrow = low >= 9e-4 and high < 1e5, decades < 0.3
    if axis is axis.axes.xaxis:  # on a small panel labels of x need more room
        box = axis.axes.get_window_extent()
        decades *= max(1.0, PANEL * axis.axes.figure.dpi / max(box.width, 1.0))
    subs = _multiples(decades, plain, high)
    fine = LogLocator(subs=tuple(np.arange(1.0, 10.0)), numticks=20)
    axis.set_major_locator(
        MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
        if narrow
        else LogLocator(subs=subs, numticks=15 if len(subs) > 1 else 9)
    )
    axis.set_minor_locator(NullLocator() if narrow or decades > 14 else fine)
    axis.set_major_formatter(FuncFormatter(lambda value, _: number_text(value, plain)))
    axis.set_minor_formatter(NullFormatter())


def _multiples(decades: float, plain: bool, high: float) -> tuple[float, ...]:
    """Which multiples of powers of ten have labels."""
    if plain and decades < 1.25:
        return (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
    if decades < 0.7:  # labels with powers of ten are long
        return (1.0, 2.0, 3.0, 5.0)
    if plain and high >= 1e4 and 1.4 < decades < 2.8:  # five digits are long, too
        return (1.0, 3.0)
    return (1.0, 2.0, 5.0) if decades < (2.6 if plain else 1.7) else (1.0,)


def number_text(value: float, plain: bool | None = None) -> str:
    """A number for a label: plain, or with a power of ten; by its size if not given."""
    if plain is None:
        plain = 9e-4 <= abs(value) < 1e5
    if plain or value <= 0:
        return f"{value:.6g}"
    mantissa, exponent = f"{value:.3e}".split("e")
    power = f"10^{{{int(exponent)}}}"
    return f"${power}$" if float(mantissa) == 1 else f"${float(mantissa):g}\\times{power}$"
