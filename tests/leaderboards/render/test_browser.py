"""The page in a headless Chromium: sorting, filters, links, keyboard, themes, phone width."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tvseg_bench.benchmark.results.result import Result
from tvseg_bench.leaderboards.board import build

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs an installed Chromium"),
]
Make = Callable[..., Result]
HOSTILE = "m/<img src=x onerror=alert(1)></script><script>alert(2)</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def board(cell: Make, tmp_path: Path) -> Path:
    spread = [0.01 * i for i in range(12)]
    for name, base, patch, licence in (
        *(("dino/vits16", 0.3, 16, "Apache-2.0"), ("dinov2/vits14", 0.6, 14, "Apache-2.0")),
        *(("baseline/pixels", 0.1, 16, "MIT"), (HOSTILE, 0.45, 8, "<b>own</b>")),
    ):
        card = {"patch_size": patch, "licence": licence, "params_m": 100 * base}
        cell([base + s for s in spread], model=name, card=card)
    cell([0.5 + s for s in spread], protocol="linear")
    cell([0.4 + s for s in spread], dataset="camvid")
    build([tmp_path / "run"], tmp_path / "out")
    return tmp_path / "out/leaderboard.html"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def page(browser: Any, board: Path, said: list[str]) -> Iterator[Any]:
    """The opened board; whatever a script, a policy or a dialogue says ends in `said`."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    opened = context.new_page()
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    opened.on("request", lambda r: said.append(r.url) if not r.url.startswith("file:") else None)
    opened.goto(board.as_uri())
    yield opened
    context.close()
    assert [line for line in said if not line.startswith("data:")] == []


def full_models(page: Any) -> list[str]:
    found = page.locator("details.detail").filter(has_text="kmeans-clip on davis-2017").first
    names: list[str] = found.locator("tbody tr:visible .model").all_inner_texts()
    return names


def test_sorting_by_click_and_keyboard(page: Any) -> None:
    table = page.locator("details.detail").filter(has_text="kmeans-clip on davis-2017").first
    assert full_models(page)[0] == "dinov2/vits14"
    head = table.locator("th", has_text="params M")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert full_models(page)[0] == "baseline/pixels"
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert full_models(page)[0] == "dinov2/vits14"
    assert table.locator("th[aria-sort]").count() == 1
    assert page.get_by_role("status").inner_text() == "sorted by params M, descending"


def test_missing_cells_stay_last(page: Any) -> None:
    table = page.locator("#summary .block").filter(has_text="davis-2017").first
    button = table.get_by_role("button", name="linear")
    for _ in range(2):
        button.click()
        first = table.locator("tbody tr .model").first.inner_text()
        assert first == "dino/vits16"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("family", "dinov2", ["dinov2/vits14"]),
        ("licence", "MIT", ["baseline/pixels"]),
        ("licence", "<b>own</b>", [HOSTILE]),
        ("patch", "14", ["dinov2/vits14"]),
    ],
)
def test_filters_of_models(page: Any, name: str, value: str, shown: list[str]) -> None:
    page.locator(f"[data-filter={name}]").select_option(value)
    assert full_models(page) == shown
    assert page.get_by_role("status").inner_text() == "1 model shown"
    assert page.locator("#charts circle").count() == 2  # parameters and frames a second
    page.get_by_role("button", name="Show all").click()
    assert len(full_models(page)) == 4


def test_filters_of_tables_and_the_search(page: Any) -> None:
    page.locator("[data-filter=dataset]").select_option("camvid:val")
    assert page.locator("details.detail:visible").count() == 1
    assert page.locator("#summary .block:visible").count() == 1
    page.locator("[data-filter=dataset]").select_option("")
    page.locator("[data-filter=protocol]").select_option("linear")
    assert page.locator("details.detail:visible").count() == 1
    heads = page.locator("#summary thead th[data-protocol]:visible .sort").all_inner_texts()
    assert heads == ["linear"]
    page.get_by_role("button", name="Show all").click()
    page.locator("#search").fill("DINOV2")
    assert full_models(page) == ["dinov2/vits14"]


def test_links_lead_to_tables_and_unfold_them(page: Any) -> None:
    link = page.locator("#summary a.down").first
    target = link.get_attribute("href")
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = false; })")
    link.click()
    assert page.locator(f"details{target}").get_attribute("open") is not None
    for anchor in page.locator(".toc a").all():
        assert page.locator(str(anchor.get_attribute("href"))).count() == 1


def test_the_keyboard_reaches_content_first(page: Any) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button,select,input')].filter((e) => "
        "!(e.textContent.trim() || e.getAttribute('aria-label') || e.closest('label'))).length"
    )
    assert unnamed == 0
    assert page.locator("table:not(:has(caption))").count() == 0


def background(page: Any) -> str:
    found: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return found


def test_themes_follow_the_system_and_the_button(page: Any) -> None:
    light = background(page)
    page.emulate_media(color_scheme="dark")
    dark = background(page)
    assert dark != light
    button = page.locator("#theme")
    button.click()
    assert background(page) == light
    assert button.get_attribute("aria-label") == "Colours: light. Change"
    page.emulate_media(color_scheme="light")
    button.click()
    assert background(page) == dark


def test_a_phone_scrolls_in_one_direction_only(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_charts_name_the_front(page: Any) -> None:
    words = page.locator("#chart-words").inner_text()
    assert words.startswith("Best by parameters: baseline/pixels, dino/vits16")
    label = page.locator("#charts svg").nth(1).get_attribute("aria-label")
    assert label == "GFLOPs a frame: not measured for any model"
