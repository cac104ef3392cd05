"""A real browser for tests: Debian's Chromium, driven by Playwright; both may be missing."""

import contextlib
import os
import shutil

import pytest

CHROMIUM = os.environ.get("BNSL_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
DESKTOP = {"viewport": {"width": 1200, "height": 900}}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
DARK = {**DESKTOP, "color_scheme": "dark"}


@contextlib.contextmanager
def chromium():
    """A headless Chromium; the test is skipped, saying why, where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no page was opened")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (apt-get install chromium): no page was opened")
    with api.sync_playwright() as playwright:
        # Chromium will not run as root in its sandbox, as it must in a container.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tab:
    """A page with everything that it complained about, and every address that it asked for."""

    def __init__(self, browser, options, allowed):
        self.context = browser.new_context(**options)
        self.complaints, self.refused = [], []
        self.context.route("**/*", lambda route: self._answer(route, allowed))
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self._heard(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _answer(self, route, allowed):
        if route.request.url.startswith(allowed):
            route.continue_()
        else:
            self.refused.append(route.request.url)
            route.abort()

    def _heard(self, kind, text):
        if kind in ("error", "warning"):
            self.complaints.append(text)


@contextlib.contextmanager
def tab(browser, options, allowed):
    """A tab with these options, which gets addresses that start with `allowed` and nothing else."""
    opened = Tab(browser, options, allowed)
    try:
        yield opened
    finally:
        opened.context.close()
