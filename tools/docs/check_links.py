#!/usr/bin/env python
"""Look for broken links on the site in _docs/. With --browser in Chromium, which also sees errors, requests to other hosts, pages too wide for a phone, and the search."""
import re
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urljoin, urlsplit

ROOT = Path(__file__).resolve().parent.parent.parent
ID, LINK, ASSET = (re.compile(rf'<{tag}\b[^>]*?\s{name}="([^"]*)"') for tag, name in [(r"\w+", "id"), ("a", "href"), ("(?:link|img|script|source)", "(?:href|src)")])
SEEN = "() => ({ids: [...document.querySelectorAll('[id]')].map(e => e.id), links: [...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))})"
WIDE = "() => Math.max(...[...document.querySelectorAll('html, .content')].map(e => e.scrollWidth - e.clientWidth))"


def report(pages, wrong, where):
    """Print what is broken on `pages`, {path: (ids, links)}, and what is `wrong` besides, [(path, what)]; return an exit status."""
    count = 0
    for page, (ids, links) in pages.items():
        for link in links:
            if urlsplit(link).scheme or urlsplit(link).netloc: continue
            target = urlsplit(urljoin(page, link))
            path, place = unquote(target.path), unquote(target.fragment)
            count += 1
            if not (ROOT/"_docs"/path).is_file(): wrong.append((page, f"{link}: no such file"))
            elif place and path in pages and place not in pages[path][0]: wrong.append((page, f"{link}: no such place"))
    for page, what in wrong: print(f"{page}: {what}")
    print(f"{where}: {len(pages)} pages, {count} internal links, {len(wrong)} broken or wrong")
    return int(bool(wrong) or not pages)


def check_files(site=ROOT/"_docs"):
    """Check the pages as they lie in the folder, and what they load; return an exit status."""
    text = {path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    wrong = [(page, f"{url} is loaded from elsewhere") for page in text for url in ASSET.findall(text[page]) if urlsplit(url).netloc]
    return report({page: (set(ID.findall(html)), LINK.findall(html) + ASSET.findall(html)) for page, html in text.items()}, wrong, "files")


def check_search(tab, words):
    """Return how many pages the search finds for `words`."""
    tab.goto(urljoin(tab.url, f"/search.html?q={words}"))
    tab.wait_for_function(r"document.querySelector('.search-summary')?.textContent.match(/\d+ page/)")
    return tab.locator("#search-results li").count()


def crawl(tab, root, wrong):
    """Follow every internal link from the home page on; return {path: (ids, links)}."""
    pages, waiting = {}, ["index.html"]
    while waiting:
        page = waiting.pop()
        if page in pages: continue
        tab.goto(root + page)
        found = tab.evaluate(SEEN)
        pages[page] = set(found["ids"]), found["links"]
        for width in (360, 1100):
            tab.set_viewport_size(dict(width=width, height=740))
            wide = tab.evaluate(WIDE)
            if wide > 0: wrong.append((page, f"{wide} pixels wider than a screen of {width}"))
        here = [urljoin(page, link).partition("#")[0] for link in found["links"] if not urlsplit(link).scheme]
        waiting += [path for path in here if path.endswith(".html") and (ROOT/"_docs"/path).is_file()]
    return pages


def check_browser():
    """Check the pages in Chromium; return an exit status."""
    sys.path.append(str(ROOT/"tools"))
    from browser import chromium
    SimpleHTTPRequestHandler.log_message = lambda *args: None
    server, wrong = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=ROOT/"_docs")), []
    Thread(target=server.serve_forever, daemon=True).start()
    root = f"http://127.0.0.1:{server.server_port}/"
    with chromium() as browser:
        tab = browser.new_page()
        tab.on("console", lambda message: message.type in ("error", "warning") and wrong.append((tab.url, message.text)))
        tab.on("pageerror", lambda error: wrong.append((tab.url, error)))
        tab.on("request", lambda request: request.url.startswith((root, "data:")) or wrong.append((tab.url, f"{request.url} is loaded from elsewhere")))
        pages = crawl(tab, root, wrong)
        for words in ("hit rate", "split_nodes"):
            if not check_search(tab, words): wrong.append(("search.html", f"nothing for {words!r}"))
    return report(pages, wrong, "Chromium")


if __name__ == "__main__": sys.exit(check_browser() if "--browser" in sys.argv else check_files())
