"""The report in a real browser without a network: hover, switches, axes, themes, a phone, print."""

import itertools
import json

import numpy as np
import pytest
from browser import DARK, DESKTOP, PHONE, chromium, tab
from chinchilla import LAW, runs
from matplotlib.colors import to_rgb

import bnsl
from bnsl._base import palette as _palette


@pytest.fixture(scope="module")
def address(addition, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    bnsl.write_report(addition, path=path, train_until=736, n_breaks=(0, 1))
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def opened(browser, address):
    """Opens the report with given options; whatever it complains about fails the test."""
    tabs = []

    def open_with(options):
        context = tab(browser, options, allowed="file:")
        found = context.__enter__()
        tabs.append((context, found))
        found.context.set_offline(True)
        found.page.goto(address)
        found.page.wait_for_selector("html[data-ready]", timeout=30000)
        return found.page

    yield open_with
    for context, found in tabs:
        context.__exit__(None, None, None)
        assert found.complaints == []
        assert found.refused == []


# The place on the screen of a value of x, half-way up the figure.
PLACE = """
(x) => {
  const figure = document.getElementById("figure-curve"), box = figure.getBoundingClientRect();
  const { xaxis, yaxis } = figure._fullLayout;
  return [box.left + xaxis._offset + xaxis.l2p(Math.log10(x)), box.top + yaxis._offset + yaxis._length / 2];
}
"""
AXIS = """
(which) => {
  const axis = document.getElementById("figure-curve")._fullLayout[which + "axis"];
  return { type: axis.type, range: axis.range };
}
"""
SHOWN = """
(name) => document.getElementById("figure-curve")._fullData.find((t) => t.name === name).visible === true
"""
MARKS = """
() => document.getElementById("figure-curve")._fullLayout.shapes
  .filter((shape) => shape.type === "line" && shape.visible === true).length
"""
GROUND = "() => document.getElementById('figure-curve')._fullLayout.paper_bgcolor"


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def test_hover_tells_forecast_and_interval(opened):
    page = opened(DESKTOP)
    x, y = page.evaluate(PLACE, 1200.0)
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y)
    page.wait_for_selector("#figure-curve .hoverlayer .legend")
    text = page.locator("#figure-curve .hoverlayer").text_content()
    assert "training set size (examples): 1" in text
    assert "Forecast: 0.4" in text
    assert "90% interval: 0.3" in text


def test_a_switch_turns_a_form_on_and_off(opened):
    page = opened(DESKTOP)
    switch = button(page, "M2")
    before = page.locator("#figure-curve .scatterlayer .trace").count()
    assert (switch.get_attribute("aria-pressed"), page.evaluate(SHOWN, "M2")) == ("false", False)
    switch.click()
    assert (switch.get_attribute("aria-pressed"), page.evaluate(SHOWN, "M2")) == ("true", True)
    assert page.locator("#figure-curve .scatterlayer .trace").count() == before + 1
    switch.click()
    assert (switch.get_attribute("aria-pressed"), page.evaluate(SHOWN, "M2")) == ("false", False)
    assert page.locator("#figure-curve .scatterlayer .trace").count() == before


def test_all_forms_and_breaks_can_be_switched(opened):
    page = opened(DESKTOP)
    button(page, "all").click()
    names = ("M1", "M2", "M3", "M4", "BNSL, 0 breaks", "BNSL, 1 break")
    assert all(page.evaluate(SHOWN, name) for name in names)
    assert page.evaluate(MARKS) == 1
    button(page, "Breaks").click()
    assert page.evaluate(MARKS) == 0


def test_axes_are_log_or_linear(opened):
    page = opened(DESKTOP)
    assert page.evaluate(AXIS, "y")["type"] == "log"
    group = page.get_by_role("group", name="y axis")
    group.get_by_role("button", name="linear").click()
    axis = page.evaluate(AXIS, "y")
    assert axis["type"] == "linear"
    assert axis["range"][0] < 0.56 < 2.1 < axis["range"][1]
    assert page.evaluate(AXIS, "x")["type"] == "log"
    group.get_by_role("button", name="log").click()
    assert page.evaluate(AXIS, "y")["type"] == "log"


def test_dragging_zooms_and_reset_goes_back(opened):
    page = opened(DESKTOP)
    before = page.evaluate(AXIS, "x")["range"]
    box = page.locator("#figure-curve .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.8 * box["height"], steps=8)
    page.mouse.up()
    page.wait_for_function(f"end => ({AXIS})('x').range[1] < end", arg=before[1] - 0.1)
    zoomed = page.evaluate(AXIS, "x")["range"]
    button(page, "M1").click()  # what is zoomed stays so
    assert page.evaluate(AXIS, "x")["range"] == pytest.approx(zoomed)
    button(page, "Reset view").click()
    assert page.evaluate(AXIS, "x")["range"] == pytest.approx(before)


def test_numbers_are_copied(opened):
    page = opened({**DESKTOP, "permissions": ["clipboard-read", "clipboard-write"]})
    page.get_by_role("button", name="Copy as CSV").click()
    page.wait_for_selector("#said.on")
    assert page.locator("#said").inner_text() == "Copied"
    text = page.evaluate("navigator.clipboard.readText()")
    assert text == json.loads(page.locator("#texts").text_content())["predictions"]


def test_points_are_saved(opened, addition):
    page = opened(DESKTOP)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save all points").click()
    path = waiting.value.path()
    assert waiting.value.suggested_filename == "four_digit_addition.csv"
    assert len(path.read_text().splitlines()) == 1 + len(addition)


def test_dark_theme_is_dark_all_over(opened):
    page = opened(DARK)
    assert page.evaluate(GROUND) == "#14171C"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"() => ({GROUND})() === '#FFFFFF'")


def test_phone_shows_everything_in_its_width(opened):
    page = opened(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#figure-curve .main-svg").first.bounding_box()["width"] <= 390
    assert page.evaluate("document.getElementById('figure-curve')._fullLayout.dragmode") is False
    button(page, "M4").tap()
    assert page.evaluate(SHOWN, "M4")


# What stands beside the ticks of every figure, as boxes [left, right, top, bottom] by axis.
TICKS = """
() => [...document.querySelectorAll(".figure")].map((figure) => ["xtick", "ytick"].map((kind) =>
  [...figure.querySelectorAll(`.${kind} text`)].map((text) => {
    const box = text.getBoundingClientRect();
    return [box.left, box.right, box.top, box.bottom];
  })))
"""
CURVES = {
    "less than a decade": ([3, 4, 5, 6, 8, 10, 12, 15], 0.3, 0.4),
    "a factor of two": ([1000, 1100, 1250, 1400, 1600, 1800, 2000], 0.2, 0.0),
    "a decade and a half": (np.geomspace(2, 70, 12), 0.6, 0.0),
    "large numbers": (np.geomspace(3e18, 9e19, 9), 0.15, 0.0),
    "eight decades": (np.geomspace(1e-3, 1e5, 14), 0.5, 0.0),
}


@pytest.mark.parametrize("name", CURVES)
def test_labels_of_ticks_do_not_touch(browser, name, tmp_path):
    x, slope, limit = CURVES[name]
    x = np.asarray(x, float)
    y = (2.0 * (x / x[0]) ** -slope + limit) * (1.0 + 0.003 * np.cos(np.arange(len(x))))
    bnsl.write_report(x, y, path=tmp_path / "report.html", forms="m2", cuts=2)
    for options in (DESKTOP, PHONE):
        with tab(browser, options, allowed=("file:", "data:")) as found:
            found.page.goto((tmp_path / "report.html").as_uri())
            found.page.wait_for_selector("html[data-ready]", timeout=30000)
            for axes in found.page.evaluate(TICKS):
                for low, high, boxes in ((0, 1, axes[0]), (2, 3, axes[1])):
                    boxes.sort(key=lambda box: box[low])
                    assert len(boxes) >= 2
                    assert all(a[high] < b[low] for a, b in itertools.pairwise(boxes))
            assert found.complaints == []


def test_ticks_follow_zoom_and_type(opened):
    page = opened(DESKTOP)
    zoomed = page.evaluate(
        """async () => {
          const figure = document.getElementById("figure-curve");
          await Plotly.relayout(figure, { "xaxis.range": [Math.log10(300), Math.log10(420)] });
          return figure._fullLayout.xaxis.tickvals;
        }"""
    )
    assert len(zoomed) >= 3
    assert all(300 <= value <= 420 for value in zoomed)
    page.locator("[data-figure=curve][data-axis=x][data-type=linear]").click()
    page.wait_for_function(
        "() => document.getElementById('figure-curve')._fullLayout.xaxis.tickmode === 'auto'"
    )


def test_captions_are_inside_a_phone(opened):
    page = opened(PHONE)
    edges = page.evaluate(
        """() => [...document.querySelectorAll("caption")].map((caption) => {
          const range = document.createRange();
          range.selectNodeContents(caption);
          return range.getBoundingClientRect().right;
        })"""
    )
    assert len(edges) > 3
    assert max(edges) <= 390


def test_print_is_light_and_complete(opened):
    page = opened(DARK)
    page.emulate_media(media="print", color_scheme="dark")
    page.wait_for_function(f"() => ({GROUND})() === '#FFFFFF'")
    assert not page.get_by_role("button", name="Copy as CSV").is_visible()
    assert page.locator("details:not([open])").count() == 0
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="screen", color_scheme="dark")
    page.wait_for_function(f"() => ({GROUND})() === '#14171C'")


@pytest.mark.parametrize("options", [DESKTOP, PHONE, DARK], ids=["desktop", "phone", "dark"])
def test_screenshots_have_the_forecast_in_its_colour(opened, options, tmp_path):
    """A picture of the figure holds many points of the forecast's violet: it was drawn, on this ground."""
    from matplotlib.image import imread

    page = opened(options)
    page.locator("#figure-curve").screenshot(path=tmp_path / "figure.png")
    picture = imread(tmp_path / "figure.png")[..., :3]
    theme = "dark" if options is DARK else "light"
    ground, violet = (np.array(to_rgb(shade[theme])) for shade in (_palette.GROUND, _palette.FORECAST))
    assert np.mean(np.abs(picture - ground).max(axis=-1) < 0.02) > 0.3
    assert np.sum(np.abs(picture - violet).max(axis=-1) < 0.02) > 100


def test_a_script_that_gets_onto_the_page_does_not_run(browser, address):
    """The page's own rules allow its two scripts and no other, and no request at all."""
    with tab(browser, DESKTOP, allowed="file:") as found:
        found.page.goto(address)
        found.page.wait_for_selector("html[data-ready]")
        found.page.evaluate(
            """() => {
              const script = document.createElement("script");
              script.textContent = "window.ran = true";
              document.body.append(script);
              const picture = document.createElement("img");
              picture.src = "http://localhost:9/picture.png";
              document.body.append(picture);
            }"""
        )
        found.page.wait_for_timeout(300)
        assert found.page.evaluate("() => window.ran === undefined")
        assert found.refused == []  # the picture was not even asked for
        assert sum("Content Security Policy" in text for text in found.complaints) == 2


def test_runs_of_two_inputs_are_drawn_on_a_phone(browser, tmp_path):
    path, inputs = tmp_path / "runs.html", ["params", "tokens"]
    bnsl.write_report(runs(LAW), inputs=inputs, y="loss", path=path, train_fraction=0.75)
    with tab(browser, PHONE, allowed="file:") as found:
        found.page.goto(path.as_uri())
        found.page.wait_for_selector("html[data-ready]", timeout=30000)
        for name in ("contours", "allocation", "held", "residuals0", "residuals1"):
            assert found.page.locator(f"#figure-{name} .scatterlayer .trace").count() > 0
        assert found.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shown = found.page.get_by_role("button", name="Held-out runs", exact=True)
        shown.click()
        held = "document.getElementById('figure-contours')._fullData.find((t) => t.name === 'Held-out runs')"
        assert found.page.evaluate(f"{held}.visible") is False
    assert found.complaints == []
    assert found.refused == []
