"""Screenshots of a page for the documents: light, dark and phone width, by an installed Chromium.

python scripts/screenshots.py docs/board/leaderboard.html --name board --at "#summary"
python scripts/screenshots.py runs/demo/report/report.html --name report --at .pictures
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from pathlib import Path

SHOTS = (
    ("light", 1280, 860, "light"),
    ("dark", 1280, 860, "dark"),
    ("phone", 390, 844, "light"),
)
"""Name, width, height and theme."""


def shoot(page: Path, name: str, out: Path, at: str | None) -> list[Path]:
    """Write one screenshot per theme and width and return their paths."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("screenshots.py needs an installed Chromium; type: apt install chromium")
    out.mkdir(parents=True, exist_ok=True)
    made = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for theme, width, height, scheme in SHOTS:
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,
                device_scale_factor=2 if width < 500 else 1,
            )
            opened = context.new_page()
            opened.goto(page.resolve().as_uri())
            if at:
                opened.evaluate("at => document.querySelector(at).scrollIntoView()", at)
                opened.wait_for_timeout(800)  # a smooth scroll
            made.append(_save(opened.screenshot(), out / f"{name}-{theme}.webp"))
        browser.close()
    return made


def _save(data: bytes, path: Path) -> Path:
    """Write an image as WebP: true colours in a third of the bytes of a PNG."""
    from PIL import Image

    Image.open(io.BytesIO(data)).convert("RGB").save(path, quality=86, method=6)
    return path


def main() -> None:
    """Photograph a page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--name", default="board", help="start of the files' names")
    parser.add_argument("--at", help="CSS selector of the element to scroll to")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images"))
    wanted = parser.parse_args()
    for path in shoot(wanted.page, wanted.name, wanted.output, wanted.at):
        print(f"wrote {path}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
