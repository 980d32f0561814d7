"""Pictures of a board for the documents: light, dark and phone width, from an installed Chromium.

python scripts/screenshots.py docs/board/leaderboard.html --name board
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
MOST_BYTES = 300_000


def shoot(page: Path, name: str, out: Path, anchor: str | None) -> list[Path]:
    """Write one picture per theme and width and return their paths."""
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
            if anchor:
                opened.evaluate("id => document.getElementById(id).scrollIntoView()", anchor)
                opened.wait_for_timeout(800)  # a smooth scroll
            made.append(_save(opened.screenshot(), out / f"{name}-{theme}.png"))
        browser.close()
    return made


def _save(data: bytes, path: Path) -> Path:
    """Write a PNG, with a palette where it would be too large otherwise."""
    from PIL import Image

    picture = Image.open(io.BytesIO(data)).convert("RGB")
    picture.save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        picture.quantize(128).save(path, optimize=True)
    return path


def main() -> None:
    """Photograph a page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--name", default="board", help="start of the pictures' names")
    parser.add_argument("--anchor", help="id of the element to scroll to")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images"))
    wanted = parser.parse_args()
    for path in shoot(wanted.page, wanted.name, wanted.output, wanted.anchor):
        print(f"wrote {path}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
