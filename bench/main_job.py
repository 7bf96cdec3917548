"""Both set-up commands, timed in a new clone: `python bench/main_job.py`. Takes about half an hour on two cores.

How good the tuned model is, `bench/finetune.py` says of the published questions, and `bench/people.py` of people's.
"""
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def timed(command, cwd):
    """Seconds that a shell command takes; its output goes through."""
    start = time.perf_counter()
    subprocess.run(command, cwd=cwd, shell=True, check=True)
    return time.perf_counter() - start


def fresh(folder):
    """Rows (what, goal, measured) for the set-up commands in a new clone, and for the same run once more."""
    clone = folder/'embedtune'
    timed(f'git clone --quiet {ROOT} {clone}', ROOT)
    bare = f"env EMBEDTUNE_CACHE={folder/'cache'} EMBEDTUNE_DATA={os.environ.get('EMBEDTUNE_DATA') or ROOT.parent/'shared'/'data'}"
    yield 'make tutorial, installing included', '6 min without installing', f"{timed(f'{bare} make tutorial', clone)/60:.1f} min"
    yield 'the same run again', 'under 30 s', f"{timed(f'{bare} make tutorial', clone):.0f} s"
    yield 'make test', 'under 8 min', f"{timed(f'{bare} make test', clone)/60:.1f} min"


def main():
    """Print the table."""
    import pandas as pd
    from embedtune.evaluation import to_markdown
    with tempfile.TemporaryDirectory() as folder: rows = list(fresh(Path(folder)))
    print(to_markdown(pd.DataFrame(rows, columns=['what', 'goal', 'measured']).set_index('what')))


if __name__ == '__main__': sys.exit(main())
