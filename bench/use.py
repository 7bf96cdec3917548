"""From documents to a search that people use: `python bench/use.py [--only run] [--only update] [--texts 100000]`. One table.

`run`: 40 pages of Markdown, made of the bundled reports, from `embedtune run` to the first answer of `embedtune search`.
`update`: 1 % of so many short texts changed, against embedding all of them; then the same killed at ten moments.
Serving, labels, export and stores have benchmarks of their own: serve.py, label.py, export.py, stores.py.
"""
import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLE = Path(__file__).resolve().parent.parent/'data'/'sample'
WORDS = 'boat pier storm fare dog cabin deck crew ticket bridge island harbor engine winter timetable office'.split()


def pages(folder, n=40):
    """Sections of the bundled reports, each a file of its own."""
    folder.mkdir(parents=True)
    texts = [part for name in ('kestrel_2024.md', 'norrland_2024.md') for part in re.split(r'\n(?=## )', (SAMPLE/name).read_text())]
    for i, text in enumerate(texts[:n]): (folder/f'page_{i:02}.md').write_text(text)
    return len(texts[:n])


def shell(*words):
    """Seconds and output of a command of embedtune."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, '-c', 'import sys; from embedtune.cli import main; sys.exit(main())', *map(str, words)],
        stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - start, done.stdout


def run_rows(folder, options):
    """Seconds from a folder of pages to the first answer."""
    n = pages(folder/'pages')
    took, _ = shell('run', folder/'pages', '--out', folder/'run')
    asked, answer = shell('search', folder/'run', 'How many passengers were carried?', '-k', 1)
    yield f'{n} pages, no second side, no key: run', '–', f'{took:.0f} s'
    yield 'first answer of search', 'all: 480 s', f'{asked:.0f} s, all: {took + asked:.0f} s: ' + ' '.join(answer.split())[:60]
    again, _ = shell('update', folder/'run', folder/'pages')
    yield 'update, nothing changed', '–', f'{again:.0f} s'


def texts(n, rng):
    """Short texts, all different."""
    return {f'node {i}': f'{i}: ' + ' '.join(rng.choices(WORDS, k=12)) for i in range(n)}


def indexed(folder, corpus):
    """A run that holds nothing but an index of these texts; seconds that all of it took."""
    from embedtune import Search, load_model, save_index
    from embedtune.core import _write_json
    from embedtune.search import save_search
    model, search = load_model(), Search((64,))
    model.save_pretrained(str(folder/'model'))
    save_search(search, folder/'model')
    _write_json(dict(settings=dict(model='all-MiniLM-L6-v2'), finished='2026-01-01'), folder/'run.json')
    start = time.perf_counter()
    save_index(search.dense(load_model(folder/'model'), corpus, show_progress=True), folder/'index')
    return time.perf_counter() - start


def rewritten(folder, corpus):
    """Bring the index to these texts; windows embedded, and seconds. Also what a child process does."""
    from embedtune.runs import open_run
    from embedtune.updating import _rewrite
    run = open_run(folder)
    run.model.encode(['warm'])
    start = time.perf_counter()
    n = _rewrite(run, corpus, False)
    return n, time.perf_counter() - start


def state(folder):
    """The texts of the index, if it is whole: read as a search reads it."""
    from embedtune.runs import open_run
    run = open_run(folder)
    run.retriever('shipped').search(['boat'], 1)
    return run.corpus


def killed(folder, old, new, seconds):
    """SIGKILL at a moment of the update: is the index the old one or the new one?"""
    (folder/'new.json').write_text(json.dumps(new))
    code = 'import json, sys, use; from pathlib import Path; f = Path(sys.argv[1]); print("go", flush=True); use.rewritten(f, json.loads((f/"new.json").read_text()))'
    child = subprocess.Popen([sys.executable, '-c', code, str(folder)], cwd=Path(__file__).parent, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    child.stdout.readline()
    try: child.wait(seconds)
    except subprocess.TimeoutExpired: os.kill(child.pid, signal.SIGKILL)
    child.wait()
    return 'old' if (found := state(folder)) == old else 'new' if found == new else 'BROKEN'


def update_rows(folder, options):
    """What 1 % of changes costs, and what ten kills leave."""
    os.environ['EMBEDTUNE_CACHE'] = str(folder/'cache')  # empty: nothing of an earlier call counts
    rng = random.Random(0)
    corpus = texts(options.texts, rng)
    full = indexed(folder, corpus)
    changed = corpus | {node: corpus[node] + ' again' for node in rng.sample(list(corpus), len(corpus)//100)}
    n, took = rewritten(folder, changed)
    yield f'1 % of {len(corpus):,} texts changed', '2 % of the full cost', f'{took/full:.1%}: {took:.1f} s for {n:,} windows, all {full:.0f} s'
    outcomes = []
    for _ in range(10):
        now = state(folder)
        then = now | {node: now[node] + '.' for node in rng.sample(list(now), 20)}
        outcomes.append(killed(folder, now, then, rng.uniform(0, 12 + 3*took)))
    yield 'SIGKILL at 10 moments', '0 lost or double', ', '.join(f'{outcomes.count(what)} {what}' for what in ('old', 'new', 'BROKEN'))


PARTS = dict(run=run_rows, update=update_rows)


def main():
    """Print the table."""
    import pandas as pd
    from embedtune.evaluation import to_markdown
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', choices=PARTS, action='append', help='this part; may be given again')
    parser.add_argument('--texts', type=int, default=100_000, metavar='N', help='of the update (default: %(default)s)')
    options = parser.parse_args()
    rows = []
    for name in options.only or PARTS:
        with tempfile.TemporaryDirectory() as folder: rows += PARTS[name](Path(folder), options)
    print(to_markdown(pd.DataFrame(rows, columns=['what', 'goal', 'measured']).set_index('what')))


if __name__ == '__main__': main()
