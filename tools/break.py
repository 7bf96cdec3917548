"""Try to break the package, with a seed and a bound: `python tools/break.py [PART …] [--n 100] [--seed 0]`.

Each part is a file of tools/breaking with a function `finds(n, rng)`: it tries `n` times (of each kind), draws by `rng`,
prints one line for each kind with its outcomes, and returns a Counter of what was found, in words. What may happen to bad
input: it is read, or one line says what was expected. A traceback, a stuck process, something lost or paid twice, or a value
that makes no sense and is accepted, is a find. Exit code 1 where there is one.
"""
import argparse
import importlib
import os
import random
import sys
from collections import Counter
from pathlib import Path

os.environ.setdefault('OMP_WAIT_POLICY', 'passive')
PARTS = sorted(path.stem for path in (Path(__file__).parent/'breaking').glob('[a-z]*.py'))


def main():
    """Print what was tried and what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('parts', nargs='*', metavar='PART', help=f'of {", ".join(PARTS)} (default: all)')
    parser.add_argument('--n', type=int, default=100, metavar='N', help='times that each kind is tried (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, metavar='N', help='of all that is drawn (default: %(default)s)')
    options = parser.parse_args()
    if unknown := set(options.parts) - {*PARTS}: parser.error(f'expected parts among {", ".join(PARTS)}; got {", ".join(sorted(unknown))}')
    found = Counter()
    for part in options.parts or PARTS:
        print(f'{part}', flush=True)
        found += importlib.import_module(f'breaking.{part}').finds(options.n, random.Random(options.seed))
    for find, count in found.most_common(): print(f'{count:5} {find}')
    print(f'{found.total()} finds, {len(found)} kinds')
    return 1 if found else 0


if __name__ == '__main__': sys.exit(main())
