"""Two processes with one command and one place: one writes, the other waits or is refused in a line; nothing is paid twice."""
import tempfile
from collections import Counter
from pathlib import Path

from ._world import Child, repeated, world


def together(case, at, server, rng):
    """Start a command twice: what was found, and how the two ended."""
    where = case.world(at)
    server.forget()
    first = Child(case.words(where), where)
    first.wait(rng.choice([0, 0, rng.uniform(0, case.seconds)]))
    words, elsewhere = case.words(where), case.name == 'adapter of an API' and rng.random() < .7 # one cache of vectors, two places
    second = Child([*words, '--out', 'other'] if elsewhere else words, where, log='second.txt')
    ends = []
    for child in (first, second):
        if not child.wait(120 + 20*case.seconds):
            child.kill(), child.wait(30)
            return f'stuck: {child.last()}', ('stuck',)
        refused = not elsewhere and 'another process is writing' in child.last()
        ends.append('done' if not child.code else 'refused' if refused else f'{child.code} {child.last()}')
    twice = repeated(server.notes())
    if twice: return f'paid twice: {twice}', ends
    wrong = [end for end in ends if end not in ('done', 'refused')]
    if wrong or 'done' not in ends: return f'ends: {" | ".join(ends)}', ends
    return case.differs(where), ends


def finds(n, rng):
    """`n` pairs of processes, over all commands in turn."""
    found, outcomes = Counter(), Counter()
    with tempfile.TemporaryDirectory() as folder, world(Path(folder)) as (server, cases):
        order, at = rng.sample(list(cases), len(cases)), Path(folder)/'trial'
        for i in range(n):
            case = cases[order[i % len(order)]]
            case.measured(at, server)
            what, ends = together(case, at, server, rng)
            outcomes[' and '.join(sorted(ends))] += 1
            if what: found[f'{case.name}: {what}'] += 1
            if what: print(f'  {case.name}: {what}', flush=True)
    for ends, count in outcomes.items(): print(f'{count} pairs: {ends}')
    return found
