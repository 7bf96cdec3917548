"""The browser that tools look at pages with. Needs Debian's package chromium, and playwright (`make .venv/.slow`)."""
import shutil
import sys
from contextlib import contextmanager


@contextmanager
def chromium():
    """Open a headless browser, a `playwright.sync_api.Browser`; ends the program with one line where there is none."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if not path: sys.exit("no browser found: install the package chromium")
    try: from playwright.sync_api import sync_playwright
    except ImportError: sys.exit("playwright is missing: make .venv/.slow")
    with sync_playwright() as play, play.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"]) as browser: yield browser
