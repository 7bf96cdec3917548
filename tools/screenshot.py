#!/usr/bin/env python
"""Take the picture of a report that README.md shows: screenshot.py runs/tutorial/report.html nbs/images/10k_report.png. Needs Debian's package chromium, and playwright (`make .venv/.slow`)."""
import io
import sys
from pathlib import Path

from browser import chromium
from PIL import Image


def main():
    """Write the top of the page, 1100 by 1000 pixels in 256 colors."""
    page, out = map(Path, sys.argv[1:])
    with chromium() as browser:
        tab = browser.new_page(viewport=dict(width=1100, height=1000))
        tab.goto(page.resolve().as_uri())
        picture = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    picture.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(out, optimize=True)


if __name__ == "__main__": sys.exit(main())
