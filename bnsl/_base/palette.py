"""The colours, dashes and markers of every figure, on paper and on a screen, light or dark.

A form has one colour wherever it is drawn: BNSL is red, M1 to M4 have theirs, and a forecast is violet.

Most colours are those of Okabe and Ito (2008), "Color Universal Design"; black and yellow made room for the
points and for white paper, by violet and grey. Any two differ by 16 or more in CIELAB, also as they are seen
without one kind of cone (Machado et al. 2009), on either ground. No series is told by its colour alone: dash
patterns and markers say the same once more, for print in grey.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypedDict, TypeVar

T = TypeVar("T")


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


class Style(NamedTuple):
    """How a form or a method is drawn: its colour, its dashes as a line, its marker as points."""

    colour: Shade
    dash: Dash
    marker: Marker


def both(light: str, dark: str) -> Shade:
    """A colour for either ground."""
    return {"light": light, "dark": dark}


FITTED = both("#000000", "#F2F2F2")
HELD_OUT = both("#009E73", "#2FD6A5")
LAW = both("#D2232A", "#FF7A70")
FORECAST = both("#4B0092", "#6F5BD9")
FORMS = (  # M1 to M4 in this order, and what else there is
    both("#0072B2", "#3D8BD9"),
    both("#E69F00", "#E69F00"),
    both("#CC79A7", "#CC79A7"),
    both("#56B4E9", "#A8DCFF"),
    FORECAST,
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
SOLID = Dash(())
_OF_FORM = {"m1": 0, "m2": 1, "m3": 2, "m4": 3}
_OF_FORM |= {"power_law": 0, "power_law_offset": 1, "power_law_with_offset": 1, "saturating_power_law": 2}
_OF_FORM |= {"sigmoid": 3}
_BROKEN = ("bnsl", "broken_power_law", "broken_neural_scaling_law")
_OF_BNSL, _OF_FORECAST = 5, 4  # markers
# Matplotlib's viridis at 0, 0.2, ..., 1: even steps in lightness, whatever the colour vision.
_VIRIDIS = ("#440154", "#414487", "#2A788E", "#22A884", "#7AD151", "#FDE725")


def ramp(number: int, count: int) -> Shade:
    """One of `count` colours in order, from what stands out most to what does least on either ground."""
    share = number / max(count - 1, 1)
    return both(_viridis(0.85 * share), _viridis(1.0 - 0.75 * share))


def styles(labels: Iterable[str]) -> dict[str, Style]:
    """A style for every form or method of a figure, by its label ("m2", "bnsl, 1 break", "forecast", ...).

    M1 to M4, the first BNSL and a forecast always look the same. What else there is takes the colours, dashes
    and markers that are left, and then the others again.
    """
    names = list(dict.fromkeys(labels))
    found: dict[str, Style] = {}
    for name in names:
        kind = name.split(",")[0].strip().lower()
        if kind in _OF_FORM:
            number = _OF_FORM[kind]
            found[name] = Style(FORMS[number], DASHES[number], MARKERS[number])
        elif kind in _BROKEN and all(style.colour != LAW for style in found.values()):
            found[name] = Style(LAW, SOLID, MARKERS[_OF_BNSL])
        elif kind == "forecast":
            found[name] = Style(FORECAST, SOLID, MARKERS[_OF_FORECAST])
    taken = list(found.values())
    colours = _free_first(FORMS, [style.colour for style in taken])
    dashes = _free_first(DASHES, [style.dash for style in taken])
    markers = _free_first(MARKERS, [style.marker for style in taken])
    for i, name in enumerate(name for name in names if name not in found):
        found[name] = Style(colours[i % len(colours)], dashes[i % len(dashes)], markers[i % len(markers)])
    return {name: found[name] for name in names}


def tint(share: float, colour: Shade = FORECAST) -> Shade:
    """This share of a colour on the ground, opaque, so that what lies below does not change it."""
    return both(
        _between(GROUND["light"], colour["light"], share), _between(GROUND["dark"], colour["dark"], share)
    )


def mixed(colour: str, share: float) -> str:
    """This share of a colour '#RRGGBB' on white."""
    return _between("#FFFFFF", colour, share)


def _free_first(values: Sequence[T], taken: Sequence[T]) -> list[T]:
    """The values from the last to the first, those that are not taken before the others."""
    order = list(reversed(values))
    return [value for value in order if value not in taken] + [value for value in order if value in taken]


def _viridis(place: float) -> str:
    step, rest = divmod(place * (len(_VIRIDIS) - 1), 1.0)
    index = min(int(step), len(_VIRIDIS) - 2)
    return _between(_VIRIDIS[index], _VIRIDIS[index + 1], rest if index == int(step) else 1.0)


def _between(first: str, second: str, share: float) -> str:
    parts = [(int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + share * (b - a)):02X}" for a, b in parts)
