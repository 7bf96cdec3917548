"""The goals of the main job, measured: `python bench/main_job.py` for quality, `--fresh` also times both set-up commands in a new clone.

Prints one table. Quality needs the published data (see `embedtune.samples.published_qa`) and takes about ten minutes on two cores;
`--fresh` takes another half hour. Settings were chosen on the training side only; the validation set is reported on here and used nowhere else.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault('OMP_WAIT_POLICY', 'passive')

from embedtune import EmbeddingQAFinetuneDataset, SentenceTransformersFinetuneEngine, evaluate, load_model
from embedtune.samples import published_qa
from embedtune.evaluation import to_markdown
from embedtune.retrieval import BM25Retriever, DenseRetriever

ROOT = Path(__file__).resolve().parent.parent


def quality(folder, seed):
    """Rows (what, goal, measured) for the base and the finetuned model on the published validation set."""
    train, val = (EmbeddingQAFinetuneDataset.from_json(path) for path in published_qa())
    base = load_model()
    engine = SentenceTransformersFinetuneEngine(train, model_output_path=folder/'model', seed=seed)
    start = time.perf_counter()
    engine.finetune()
    seconds = time.perf_counter() - start
    candidates = {'BM25': (BM25Retriever(val.corpus), 'none'), 'base, one vector a node': (DenseRetriever(base, val.corpus, window=None), 'none'),
                  'base': (base, 'hit@5 >= .885, MRR@10 >= .735'),
                  f'finetuned ({seconds:.0f} s), seed {seed}': (engine.get_finetuned_model(), 'hit@5 >= .93, MRR@10 >= .79')}
    for name, (candidate, goal) in candidates.items():
        evaluation = evaluate(candidate, val)
        yield name, goal, f'hit@5 {evaluation.hit_rate(5):.3f}, MRR@10 {evaluation.mrr(10):.3f}'


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
    yield 'make tutorial, installing included', 'under 30 min', f"{timed(f'{bare} make tutorial', clone)/60:.1f} min"
    yield 'the same run again', 'under 30 s', f"{timed(f'{bare} make tutorial', clone):.0f} s"
    yield 'make test', 'under 10 min', f"{timed(f'{bare} make test', clone)/60:.1f} min"


def main():
    """Print the table."""
    import pandas as pd
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--fresh', action='store_true', help='also time make tutorial and make test in a new clone')
    parser.add_argument('--seed', type=int, default=42)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [*quality(Path(folder), args.seed), *(fresh(Path(folder)) if args.fresh else [])]
    print(to_markdown(pd.DataFrame(rows, columns=['what', 'goal', 'measured']).set_index('what')))


if __name__ == '__main__': sys.exit(main())
