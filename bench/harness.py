"""What the benchmarks of training share: datasets, runs in processes of their own, the peer's environment, and how figures are written."""
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

HERE, PEER = Path(__file__).resolve().parent, Path('runs/bench_peer')


def datasets():
    """The published questions: Lyft's to train on, Uber's to evaluate on."""
    from embedtune import EmbeddingQAFinetuneDataset
    from embedtune.samples import published_qa
    return [EmbeddingQAFinetuneDataset.from_json(path) for path in published_qa()]


def scores(retriever, dataset):
    """Hit rate@5 and MRR@10."""
    from embedtune import evaluate
    e = evaluate(retriever, dataset)
    return [e.hit_rate(5), e.mrr(10)]


class Runs:
    """Functions of a benchmark, each run in a process of its own."""
    def __init__(self, script, folder): self.script, self.folder = Path(script).resolve(), Path(folder)

    def child(self, *words, python=sys.executable, **env):
        """What a function returns, called in a new process with an empty vector cache and two threads, and the peak of its memory in GB; kept, so that a benchmark that was interrupted goes on."""
        kept = self.folder/'results'/f'{"-".join(Path(str(word)).name for word in words)}.json'
        if kept.exists(): return json.loads(kept.read_text())
        print(*words, '…', file=sys.stderr, flush=True)
        from embedtune.samples import _cache_dir
        with tempfile.TemporaryDirectory() as cache:
            env = dict(EMBEDTUNE_DATA=str(_cache_dir()/'data')) | os.environ | dict(OMP_NUM_THREADS='2', TOKENIZERS_PARALLELISM='false', HF_HUB_OFFLINE='1', EMBEDTUNE_CACHE=cache) | env
            done = subprocess.run([python, str(self.script), 'child', *map(str, words)], env=env, stdout=subprocess.PIPE, text=True)
        if done.returncode: sys.exit(f'{" ".join(map(str, words))} failed')
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(done.stdout.splitlines()[-1])
        return json.loads(kept.read_text())

    def peer(self, *words):
        """The same in LlamaIndex's environment, which is told where the base model and the published questions lie."""
        from embedtune.samples import _bundled_model, published_qa
        return self.child(*words, python=peer_python(), BENCH_BASE=str(_bundled_model('embedding')), BENCH_DATA=json.dumps([str(path.resolve()) for path in published_qa()]))


def run_child(functions, name, *words):
    """In the process of `Runs.child`: call a function and print what it returns."""
    result = functions[name](*(int(word) if word.isdigit() else word for word in words))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/2**20
    print(json.dumps(dict(result=result, peak=peak)))


def peer_python():
    """LlamaIndex's environment, made from the pinned versions of `peer.txt`."""
    python = PEER/'bin'/'python'
    if not python.exists():
        subprocess.run([sys.executable, '-m', 'venv', PEER], check=True)
        subprocess.run([python, '-m', 'pip', 'install', '--quiet', '-r', HERE/'peer.txt'], check=True)
    return str(python)


def spread(values, form='.3f'):
    """Mean and, of several, the standard deviation."""
    import numpy as np
    return f'{np.mean(values):{form}}' + (f' ± {np.std(values, ddof=1):{form}}' if len(values) > 1 else '')


def quality(runs, key):
    """hit@5 / MRR@10 over the seeds."""
    return ' / '.join(spread([run['result'][key][i] for run in runs]) for i in range(2))
