"""SIGKILLs at random moments and between any two changes of files: the same command then gives what it gives undisturbed, and nothing is paid twice."""
import tempfile
from collections import Counter
from pathlib import Path

from ._world import Child, repeated, strike_at, world


def tried(case, at, server, rng, aimed):
    """Kill a command once, run it again: what was found, '' if nothing; and whether the kill met it."""
    where = case.world(at)
    server.forget()
    before = None
    if aimed:
        operation, delay = 1 + rng.randrange(case.operations), rng.choice([0, 0, .0005, .002, .01])
        before = lambda: strike_at(operation, where, delay)
    child = Child(case.words(where), where, before)
    if aimed: child.wait(120)
    else: child.wait(rng.uniform(0, case.seconds))
    struck = child.kill()
    if not child.wait(30): return 'did not die', True
    if aimed: struck = child.ended
    met = child.code < 0
    again = Child(case.words(where), where)
    if not again.wait(60 + 10*case.seconds):
        again.kill(), again.wait(30)
        return f'stuck: {again.last()}', met
    if again.code: return f'lost: {again.code} {again.last()}', met
    twice = repeated(server.notes(), struck)
    return (f'paid twice: {twice}' if twice else case.differs(where)), met


def finds(n, rng):
    """`n` kills, three fifths of them at random moments, over all commands in turn."""
    found = Counter()
    with tempfile.TemporaryDirectory() as folder, world(Path(folder)) as (server, cases):
        order = rng.sample(list(cases), len(cases))
        outcomes = {}
        for i in range(n):
            name, aimed = order[i % len(order)], (i + i//len(order)) % 5 in (1, 3)
            case = cases[name].measured(Path(folder)/'trial', server)
            what, met = tried(case, Path(folder)/'trial', server, rng, aimed)
            kind = 'aimed' if aimed else 'random'
            outcomes.setdefault(name, Counter())[f'{kind} kills' if met else 'too late'] += 1
            if what: found[f'{name}, {kind}: {what}'] += 1
            if what: print(f'  {name}, {kind}: {what}', flush=True)
        for name, counts in outcomes.items():
            print(f'{name}: ' + ', '.join(f'{count} {kind}' for kind, count in counts.items()), flush=True)
    return found
