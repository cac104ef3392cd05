"""A report as one HTML page that carries everything it needs.

Jinja escapes whatever a user wrote. The page's own rules (Content-Security-Policy) forbid every request to a
network and every script but the page's own, so that a column's name could do no harm even if it got past.

Plotly.js draws, from its "basic" bundle (MIT, 1.2 MB), kept in `assets`: the Python package `plotly` has
the full bundle only (about 5 MB). `plotly-basic.min.js` is the file of that name, unchanged, in the
npm package plotly.js-basic-dist-min; to renew it, `npm pack plotly.js-basic-dist-min` and copy it and its
LICENSE here.
"""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, check_text
from bnsl._base.checks import check_path as check_path_type
from bnsl.curves.data import Data, as_curve, named_inputs
from bnsl.evaluation.comparison import ALL_FORMS
from bnsl.fitting.result import FitResult
from bnsl.forms.form import Form
from bnsl.forms.inputs import Input
from bnsl.web import surfaces, tables, words
from bnsl.web.analysis import CUTS, Analysis, analyse
from bnsl.web.calls import Source, copied, python_call, shell_call
from bnsl.web.drawing import Figure
from bnsl.web.figures import curve_figures
from bnsl.web.surface_figures import surface_figures
from bnsl.web.surfaces import FACTOR, SurfaceAnalysis, analyse_surface

if TYPE_CHECKING:
    import jinja2

ENDINGS = (".html", ".htm")


def write_report(
    *data: Data,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    path: str | os.PathLike[str],
    sigma: ArrayLike | None = None,
    title: str | None = None,
    source: Source | None = None,
    train_until: float | None = None,
    train_count: int | None = None,
    train_fraction: float | None = None,
    forms: str | Form | Sequence[str | Form] = ALL_FORMS,
    n_breaks: int | str | Sequence[int] | None = None,
    predict: Any = (),
    cuts: int = CUTS,
    accuracy: str | None = None,
    resolution: float | None = None,
    inputs: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    factor: float = FACTOR,
) -> Path:
    """Write a report on one curve, or on runs with several inputs: an HTML page that needs no network.

    It shows the forecast and its intervals, every form, the breaks, a back-test of the forecast, what to
    know before relying on it, and numbers and points to copy, in a figure to zoom and hover over. With
    several inputs it shows the averaged laws, contours, the best inputs for every compute, held-out runs
    against predictions, and residuals.

    Args:
        *data: x and y; or a Curve; or a table whose columns `x`, `y` and `sigma` name.
        x: positive inputs (N,), in any unit, at least three distinct; or their column.
        y: measured values (N,), or their column. If some are not positive, forecast and forms are on a linear
            scale, and there is no back-test.
        path: where to write it, ending in .html.
        sigma: standard deviation of every y (N,), or one number for all.
        title: of the page; the name of the curve if not given.
        source: the file of the points, for the calls that the page shows; if not given they start from a
            copy of the points that the page offers.
        train_until: use only the points with x <= this; or
        train_count: this many points with the smallest x; or
        train_fraction: this share of them. The points beyond are held out and compared with predictions.
        forms: names or Form instances to compare, of one input.
        n_breaks: numbers of breaks of the bnsl among them, as for `bnsl.compare`.
        predict: x at which the forecast is tabulated; 1.5, 2, 4 and 10 times the last fitted x if empty. With
            several inputs a table, or a list of mappings such as {"params": 7e10, "tokens": 1.4e12}.
        cuts: how many cut-offs the back-test makes, at most; 0 for no back-test.
        accuracy: "share" or "percent" for a y that is an accuracy, as for `bnsl.fit`.
        resolution: of an accuracy, as for `bnsl.fit`.
        inputs: the columns of several inputs, as for `bnsl.fit`; without `forms`, `n_breaks` and `cuts`.
        groups: of several inputs what belongs together, as for `bnsl.fit`.
        factor: of several inputs, how many times their product a run costs: FLOP per parameter and token.

    Raises:
        InputError: (a ValueError) bad input, a path that is no .html, or a missing jinja2.
    """
    target = check_path(path)
    environment()  # before any work, since it may be missing
    if title is not None:
        check_text(title, "title")
    x, names = named_inputs(data, x, inputs)
    rules = {"train_until": train_until, "train_count": train_count, "train_fraction": train_fraction}
    rule = {name: value for name, value in rules.items() if value is not None}
    how: dict[str, Any] = {"accuracy": accuracy, "resolution": resolution}
    analysis: Analysis | SurfaceAnalysis
    if names is not None and len(names) > 1:
        if forms is not ALL_FORMS or n_breaks is not None or cuts != CUTS:
            raise InputError(
                "forms, n_breaks and cuts are for one input; of several the page shows a forecast"
            )
        how |= {"groups": groups, "labels": names, "axes": tuple(map(Input, names))}
        analysis = analyse_surface(as_curve(data, x, y, sigma, **how), rule, predict, factor)
    else:
        if groups is not None:
            raise InputError("groups is for several inputs; name them by inputs=[...]")
        if factor != FACTOR:
            raise InputError("factor is for several inputs; name them by inputs=[...]")
        curve = as_curve(data, x, y, sigma, **how)
        analysis = analyse(curve, rule, forms=forms, n_breaks=n_breaks, predict=predict, cuts=cuts)
    target.write_text(render(analysis, title=title, source=source, output=target.name), encoding="utf-8")
    return target


def check_path(path: str | os.PathLike[str]) -> Path:
    """The path of a page that can be written.

    Raises:
        InputError: another ending than .html, or a folder that does not exist.
    """
    check_path_type(path, "path")
    target = Path(path)
    if target.suffix.lower() not in ENDINGS:
        raise InputError(f"path = {str(target)!r} must end in .html")
    if not target.parent.is_dir():
        raise InputError(f"path = {str(target)!r}: there is no folder {str(target.parent)!r}")
    return target


def render(
    analysis: Analysis | SurfaceAnalysis,
    *,
    title: str | None = None,
    source: Source | None = None,
    output: str = "report.html",
) -> str:
    """The page of an analysis as text; title and source as for `write_report`.

    The calls on it write to `output`.
    """
    said: Any
    law: FitResult | None
    if isinstance(analysis, SurfaceAnalysis):
        template, said, law = "surface.html.j2", surfaces, analysis.forecast.best
        figures, texts = surface_figures(analysis), {"allocation": surfaces.allocation_csv(analysis)}
        what = f"{analysis.fitted.y_label} by {' and '.join(analysis.names)}"
    else:
        template, said, law = "report.html.j2", words, analysis.law
        figures, texts, what = curve_figures(analysis), {}, "a curve"
    name = analysis.fitted.name
    points, columns = tables.points_csv(analysis.curve)
    points_file = f"{re.sub(r'[^A-Za-z0-9._-]+', '_', name).strip('._-')[:80] or 'points'}.csv"
    source = Source() if source is None else source
    copy = copied(points_file, columns, analysis.curve, tables.GROUPS)
    options = analysis.options | ({} if title is None else {"title": title})
    texts |= {
        "points": points,
        "predictions": tables.predictions_csv(analysis),
        "shell": shell_call(source if source.file or source.command else copy, options, output),
        "python": python_call(source if source.file else copy, options, output),
        **({} if law is None else {"parameters": tables.parameters_json(law)}),
    }
    return page_of(
        template,
        figures,
        texts,
        title=title or f"Forecast of {name.replace('_', ' ') or what}",
        facts=said.facts(analysis),
        notes=said.notes(analysis),
        law=law,
        analysis=analysis,
        tables=tables,
        surfaces=surfaces,
        words=words,
        level=tables.LEVEL,
        points_file=points_file,
        source=source,
    )


def page_of(template: str, figures: Mapping[str, Figure], texts: Mapping[str, str], **given: Any) -> str:
    """A page with everything that it needs, as text.

    Its template extends `frame.html.j2`; `texts` are what its buttons copy or save, by name, and `given` is
    what else the template asks for.
    """
    script, library = _asset("../app/assets/ticks.js") + _asset("report.js"), _asset("plotly-basic.min.js")
    own = version("broken-neural-scaling-laws")
    page = environment().get_template(template)
    return page.render(
        **given,
        figures=figures,
        drawn={key: _figure(figure) for key, figure in figures.items()},
        texts=texts,
        style=_asset("report.css"),
        script=script,
        library=library,
        policy=f"script-src {_hash(script)} {_hash(library)}",
        made=datetime.now(UTC),
        versions=f"bnsl {own}, NumPy {np.__version__}, Python {platform.python_version()}",
    )


@cache
def environment() -> jinja2.Environment:
    """Where templates come from.

    Raises:
        InputError: jinja2 is missing.
    """
    try:
        import jinja2
    except ImportError:
        raise InputError("a report needs jinja2; pip install 'broken-neural-scaling-laws[report]'") from None
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("bnsl.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return found


@cache
def _asset(name: str) -> str:
    return files("bnsl.web").joinpath("assets", name).read_text(encoding="utf-8")


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "data": figure.data,
        "layout": figure.layout,
        "ranges": figure.ranges,
        "series": {s.key: {"traces": s.traces, "shapes": s.shapes} for s in figure.series},
    }


def _hash(script: str) -> str:
    """The script as a Content-Security-Policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
