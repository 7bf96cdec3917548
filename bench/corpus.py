"""A large corpus, measured: `python bench/corpus.py [--texts 200000]`. Prints one table.

Short texts, made of the sample's sentences, are embedded by one process and by two workers of Ray Data (extra `ray`), each on one core; then a worker
and the whole call are killed by SIGKILL, and the call is made again. Speed is that of embedding alone: from the second part to the last.
"""
import argparse
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault('OMP_WAIT_POLICY', 'passive')

import pyarrow.parquet as pq

CHILD = """
import json, sys
from embedtune.corpus import embed_corpus
source, out, settings = sys.argv[1:]
embed_corpus(source, out=out, store=None, show_progress=False, **json.loads(settings))
"""


def sentences():
    """Return the sentences of the sample's documents."""
    from embedtune.documents import load_documents
    from embedtune.samples import sample_documents
    text = ' '.join(document.text for document in load_documents(sample_documents(), show_progress=False))
    found = (' '.join(each.split()) for each in re.split(r'(?<=[.!?])\s', text))
    return [each for each in found if 30 < len(each) < 200]


def write_corpus(path, n, seed=0):
    """Write `n` different short texts, each of a number and a sentence."""
    rng, known = random.Random(seed), sentences()
    with open(path, 'w', encoding='utf-8') as f:
        for i in range(n): f.write(json.dumps(dict(id=f't{i}', text=f'{i}. {rng.choice(known)}')) + '\n')


def tree(top):
    """Return {process: (its memory in MB, its command)} of a process and all below it; shared pages count in parts (PSS)."""
    parents, found = {}, {}
    for stat in Path('/proc').glob('[0-9]*/stat'):
        try: parents[int(stat.parent.name)] = int(stat.read_text().rpartition(')')[2].split()[1])
        except OSError: pass
    def below(process): return process == top or process in parents and below(parents[process])
    for process in filter(below, list(parents)):
        try:
            pss = re.search(r'^Pss:\s+(\d+)', Path(f'/proc/{process}/smaps_rollup').read_text(), re.M)
            found[process] = int(pss[1])/1024, Path(f'/proc/{process}/cmdline').read_text().replace('\0', ' ')
        except (OSError, TypeError): pass
    return found


def start(source, out, threads, **settings):
    """Start a call in a process of its own."""
    env = os.environ | dict(OMP_NUM_THREADS=str(threads))
    return subprocess.Popen([sys.executable, '-c', CHILD, str(source), str(out), json.dumps(settings)], env=env)


def parts(out):
    """Return the parts that lie in a folder, oldest first."""
    return sorted((out/'parts').glob('[!.]*.parquet'), key=lambda path: path.stat().st_mtime_ns)


def watch(call, out, at=0, kill=None):
    """Wait for a call; return its peak memory at half of its parts and at the end, in MB. When `at` parts lie there, `kill` is done to it, once."""
    memory = []
    while call.poll() is None:
        memory.append((len(parts(out)), sum(size for size, _ in tree(call.pid).values())))
        if kill and len(parts(out)) >= at: kill = kill(call)
        time.sleep(1)
    most = memory[-1][0] if memory else 0
    half = max((size for n, size in memory if n <= most/2), default=0)
    return half, max(size for _, size in memory)


def kill_worker(call):
    """SIGKILL a worker that embeds."""
    busy = [process for process, (_, command) in tree(call.pid).items() if command.startswith('ray::') and 'Map' in command]
    if not busy: return kill_worker
    os.kill(busy[0], signal.SIGKILL)


def kill_driver(call):
    """SIGKILL the call itself."""
    call.kill()


def speed(out, shard_size):
    """Return texts a second between the second part and the last: by then two workers have begun."""
    times = [path.stat().st_mtime for path in parts(out)]
    return (len(times) - 2)*shard_size/(times[-1] - times[1])


def lost_and_twice(out, n):
    """Return how many texts are in no part, and how many in more than one."""
    found = Counter(itertools.chain.from_iterable(pq.read_table(path, columns=['node'])['node'].unique().to_pylist() for path in parts(out)))
    return len({f't{i}' for i in range(n)} - found.keys()), sum(count > 1 for count in found.values())


def main():
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--texts', type=int, default=200_000, metavar='N')
    parser.add_argument('--shard-size', type=int, default=1000, metavar='N')
    args = parser.parse_args()
    rows = [('texts', f'{args.texts:,}', '')]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        source = folder/'corpus.jsonl'
        write_corpus(source, args.texts)
        how, ray = dict(shard_size=args.shard_size), dict(ray=True, workers=2)
        found = {}
        for name, threads, more in (('one process, two threads', 2, {}), ('two workers of Ray', 1, ray)):
            half, most = watch(start(source, folder/name, threads, **how, **more), folder/name)
            found[name] = speed(folder/name, args.shard_size)
            rows.append((name, f'{found[name]:.0f} texts a second, {most:.0f} MB at most ({half:.0f} in the first half)', ''))
            print(*rows[-1], file=sys.stderr)
        one, two = found.values()
        rows.append(('ratio', f'{two/one:.2f}', '≥ .9'))
        for name, kill in (('a worker is killed', kill_worker), ('the call is killed', kill_driver)):
            call = start(source, folder/name, 1, **how, **ray)
            watch(call, folder/name, 2, kill)
            kept = len(parts(folder/name))
            if call.returncode: watch(start(source, folder/name, 1, **how, **ray), folder/name)
            lost, twice = lost_and_twice(folder/name, args.texts)
            rows.append((name, f'{lost} lost, {twice} twice ({kept} of {len(parts(folder/name))} parts when that call ended)', '0, 0'))
            print(*rows[-1], file=sys.stderr)
    print('| what | measured | goal |', '|---|---|---|', *(f'| {" | ".join(row)} |' for row in rows), sep='\n')


if __name__ == '__main__': main()
