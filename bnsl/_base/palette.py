"""The colours, dashes and markers of every figure, on paper and on a screen, light or dark.

Most colours are those of Okabe and Ito (2008), "Color Universal Design"; black and yellow made room for the
points and for white paper, by violet and grey. Any two differ by 16 or more in CIELAB, also as they are seen
without one kind of cone (Machado et al. 2009), on either ground. No series is told by its colour alone: dash
patterns and markers say the same once more, for print in grey.
"""

from __future__ import annotations

from typing import NamedTuple, TypedDict


class Shade(TypedDict):
    """One colour on a light and on a dark ground, as '#RRGGBB'."""

    light: str
    dark: str


class Dash(NamedTuple):
    """A dash pattern, in widths of the line: on, off, on, off, ...; empty for a solid line."""

    pattern: tuple[float, ...]

    @property
    def plotly(self) -> str:
        """As Plotly writes it, for a line two pixels wide."""
        return ",".join(f"{2 * length:g}px" for length in self.pattern) or "solid"

    @property
    def svg(self) -> str:
        """As SVG's stroke-dasharray, for a line two pixels wide."""
        return " ".join(f"{2 * length:g}" for length in self.pattern)


class Marker(NamedTuple):
    """One marker by its names in Matplotlib and in Plotly."""

    matplotlib: str
    plotly: str


def both(light: str, dark: str) -> Shade:
    """A colour for either ground."""
    return {"light": light, "dark": dark}


FITTED = both("#000000", "#F2F2F2")
HELD_OUT = both("#009E73", "#2FD6A5")
LAW = both("#D2232A", "#FF7A70")
FORMS = (
    both("#0072B2", "#3D8BD9"),
    both("#E69F00", "#E69F00"),
    both("#CC79A7", "#CC79A7"),
    both("#56B4E9", "#A8DCFF"),
    both("#4B0092", "#6F5BD9"),
    both("#595959", "#F0E442"),
)
# No two have as many strokes of nearly the same length.
DASHES = (
    Dash((6, 2)),
    Dash((6, 2, 1.2, 2)),
    Dash((2.5, 1.5)),
    Dash((12, 3)),
    Dash((6, 1.5, 1.2, 1.5, 1.2, 1.5)),
    Dash((1.2, 1.6)),
    Dash((12, 2, 1.2, 2)),
    Dash((2.5, 1.5, 1.2, 1.5)),
)
MARKERS = (
    Marker("o", "circle"),
    Marker("s", "square"),
    Marker("^", "triangle-up"),
    Marker("D", "diamond"),
    Marker("v", "triangle-down"),
    Marker("P", "cross"),
    Marker("X", "x"),
    Marker("*", "star"),
)
GROUND = both("#FFFFFF", "#14171C")
# Matplotlib's viridis at 0, 0.2, ..., 1: even steps in lightness, whatever the colour vision.
_VIRIDIS = ("#440154", "#414487", "#2A788E", "#22A884", "#7AD151", "#FDE725")


def ramp(number: int, count: int) -> Shade:
    """One of `count` colours in order, from what stands out most to what does least on either ground."""
    share = number / max(count - 1, 1)
    return both(_viridis(0.85 * share), _viridis(1.0 - 0.75 * share))


def tint(share: float) -> Shade:
    """This share of the law's colour on the ground, opaque, so that what lies below does not change it."""
    return both(_between(GROUND["light"], LAW["light"], share), _between(GROUND["dark"], LAW["dark"], share))


def _viridis(place: float) -> str:
    step, rest = divmod(place * (len(_VIRIDIS) - 1), 1.0)
    index = min(int(step), len(_VIRIDIS) - 2)
    return _between(_VIRIDIS[index], _VIRIDIS[index + 1], rest if index == int(step) else 1.0)


def _between(first: str, second: str, share: float) -> str:
    parts = [(int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + share * (b - a)):02X}" for a, b in parts)
