"""Ctrl-C and SIGTERM at random moments: the process ends within 5 s, asks nothing more, says how to go on; then the same command does."""
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

from ._world import Child, repeated, world

BOUND = 5 # seconds


def stopped(case, at, server, rng, delay):
    """Interrupt a command: the time that it took to end, what was found, and the moment."""
    where = case.world(at)
    server.forget(delay)
    child = Child(case.words(where), where)
    if delay > 1: # while answers are under way
        while not server.notes() and not child.wait(.05): pass
        child.wait(rng.uniform(0, 2))
    else: child.wait(rng.uniform(.1, .95)*case.seconds)
    number = rng.choice([signal.SIGINT, signal.SIGTERM])
    told = child.kill(number)
    if not child.wait(60):
        child.kill(), child.wait(30)
        return 60, 'still there after 60 s', told
    took = child.ended - told
    if child.code == 0: return None, '', told # it was done before
    found = f'took {took:.0f} s' if took > BOUND else ''
    if child.code != 130: found = found or f'code {child.code}: {child.last()}'
    if 'the same command goes on' not in child.last(): found = found or f'last line: {child.last()}'
    if 'Traceback' in child.said(): found = found or 'traceback'
    time.sleep(.3)
    new = sum(note['came'] > told + .1 for note in server.notes())
    return took, f'{new} new requests' if new else found, told


def goes_on(case, at, server, told):
    """What the same command gives afterwards: '' if what it gives undisturbed."""
    server.ask('/delay/0.03')
    again = Child(case.words(at), at)
    if not again.wait(120 + 10*case.seconds):
        again.kill(), again.wait(30)
        return f'stuck: {again.last()}'
    if again.code: return f'lost: {again.code} {again.last()}'
    twice = repeated(server.notes(), told)
    return f'paid twice: {twice}' if twice else case.differs(at)


def finds(n, rng):
    """`n` stops: of answers that come soon, late (3 s) and never; every third command is run again."""
    found, took, late = Counter(), [], 0
    with tempfile.TemporaryDirectory() as folder, world(Path(folder)) as (server, cases):
        for name in [name for name, case in cases.items() if callable(case.what) or name in ('update', 'export', 'run FOLDER')]: del cases[name] # a library's user has signals of his own
        order, at = rng.sample(list(cases), len(cases)), Path(folder)/'trial'
        for i in range(n):
            case = cases[order[i % len(order)]]
            case.measured(at, server)
            delay = rng.choice([.03, .03, 3, 600]) if case.asked else .03
            seconds, what, told = stopped(case, at, server, rng, delay)
            if seconds is None: late += 1
            else: took.append(seconds)
            if not what and seconds and i % 3 == 0: what = goes_on(case, at, server, told)
            if what: found[f'{case.name}, answers after {delay:g} s: {what}'] += 1
            if what: print(f'  {case.name}, answers after {delay:g} s: {what}', flush=True)
    took.sort()
    print(f'{len(took)} stops, {late} too late; seconds to the end: median {took[len(took)//2]:.1f}, longest {took[-1]:.1f}' if took else 'none')
    return found
