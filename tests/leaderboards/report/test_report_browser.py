"""Report pages in a headless Chromium: pictures, video, both themes, phone width."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tvseg_bench.leaderboards.report.gather import gather
from tvseg_bench.leaderboards.report.view import page as report_page

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs an installed Chromium"),
]
LOADED = """() => Promise.all([...document.images].map(async (i) => {
  i.loading = "eager"; await i.decode(); return i.naturalWidth;
}))"""
PLAYED = """async () => {
  const v = document.querySelector("video");
  await v.play();
  await new Promise((r) => v.addEventListener("timeupdate", r, { once: true }));
  return [v.videoWidth, v.currentTime >= 0, v.error === null];
}"""


@pytest.fixture(scope="module")
def file(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "compare.html"
    path.write_text(report_page(gather([run], ("selfdistil/tiny", "baseline/pixels"))), "utf-8")
    return path


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["wide-light", "phone-dark"])
def opened(file: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Any, list[str]]]:
    width, scheme = request.param
    said: list[str] = []
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "request",
            lambda r: said.append(r.url) if not r.url.startswith(("file:", "data:")) else None,
        )
        page.goto(file.as_uri())
        yield page, said
        browser.close()


def test_the_page_works_from_disk(opened: tuple[Any, list[str]]) -> None:
    page, said = opened
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    widths = page.evaluate(LOADED)
    assert len(widths) > 20
    assert min(widths) > 100
    width, moved, whole = page.evaluate(PLAYED)
    assert width > 100
    assert moved
    assert whole
    size = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert size[0] <= size[1]
    assert said == []


def test_the_timeline_is_aligned_with_its_frames(opened: tuple[Any, list[str]]) -> None:
    page, _ = opened
    place = """() => {
      const strip = document.querySelector(".clip .strip img").getBoundingClientRect();
      const ticks = [...document.querySelectorAll(".clip .ticks li")].slice(0, 5);
      const middle = (r) => (r.left + r.right) / 2;
      const at = ticks.map((t) => (middle(t.getBoundingClientRect()) - strip.left) / strip.width);
      return at;
    }"""
    at = page.evaluate(place)
    # five frames with gaps: the middle of the third is the middle of the strip
    assert at[2] == pytest.approx(0.5, abs=0.01)
    assert at[0] == pytest.approx(1 - at[4], abs=0.01)
    assert at[0] == pytest.approx(0.0985, abs=0.01)
