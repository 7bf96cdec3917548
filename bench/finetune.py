"""The finetune engine against LlamaIndex's: quality, time and memory on the published questions, one table.

Every run is a process of its own, on two threads, with an empty vector cache; its time is all of it: loading, windows, training, selection, evaluation on `val_dataset.json`.
The peer gets an environment of its own, from pinned versions.
"""
import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from harness import Runs, datasets, quality, run_child, scores, spread

FOLDER = Path('runs/bench_finetune')
RUNS = Runs(__file__, FOLDER)
WAYS = dict(default={}, fast=dict(fast=True))


class Clock:
    """A trainer callback that measures the steps alone."""
    def __getattr__(self, name): return lambda *args, **kwargs: None
    def on_train_begin(self, *args, **kwargs): self.start = time.perf_counter()
    def on_train_end(self, *args, **kwargs): self.seconds = time.perf_counter() - self.start


def matmul_rate():
    """Floating-point operations a second of this processor's matrix products, in the bits that the engine trains with here, at the shape that MiniLM spends most of its time on."""
    import torch
    from embedtune.precision import _bf16_pays
    bits = dict(dtype=torch.bfloat16 if _bf16_pays() else torch.float32)
    a, b = torch.randn(8192, 384, **bits), torch.randn(384, 1536, **bits)
    def seconds():
        start = time.perf_counter()
        a @ b
        return time.perf_counter() - start
    return 2*8192*384*1536/min(seconds() for _ in range(10))


def operations(engine):
    """Floating-point operations of a run's steps: 2 for each weight and token forward, 4 backward, and the products of attention; frozen layers forward once."""
    from embedtune.negatives import _near_windows
    from embedtune.nodes import token_lengths
    from embedtune.trainer import _frozen_count
    model, s = engine._learning_model(), engine.settings
    pairs, config = _near_windows(model, engine.dataset, s.search, by_words=True)[0], model.transformers_model.config
    tokens = token_lengths([pair.query for pair in pairs] + [pair.positive for pair in pairs], model.tokenizer) + 2
    d, f = config.hidden_size, config.intermediate_size
    layer = (2*(4*d*d + 2*d*f)*tokens + 4*d*tokens**2).sum()
    frozen = _frozen_count(s, model)
    return layer*(3*s.epochs*(config.num_hidden_layers - frozen) + frozen)


def ours(way, seed):
    """One run of the engine, as a user's script has it: figures, and how many seconds each part took."""
    from embedtune import SentenceTransformersFinetuneEngine
    start, clock = time.perf_counter(), Clock()
    train, val = datasets()
    engine = SentenceTransformersFinetuneEngine(train, model_output_path=FOLDER/f'{way}-{seed}', seed=seed, show_progress_bar=False, callbacks=[clock], **WAYS[way])
    engine.finetune()
    trained = time.perf_counter() - start
    retriever = engine.get_retriever(val.corpus)
    dense, hybrid = scores(getattr(retriever, 'retrievers', [retriever])[0], val), scores(retriever, val)
    seconds, limit = time.perf_counter() - start, operations(engine)/matmul_rate()
    per_second = len(train.queries)*engine.settings.epochs/clock.seconds
    return dict(dense=dense, hybrid=hybrid, weight=getattr(retriever, 'weights', [1, 0])[1], trained=trained, seconds=seconds, steps=clock.seconds, per_second=per_second, limit=limit)


def peer(seed):
    """One run of LlamaIndex's engine with its defaults and a validation set, which it cannot do without; then its model as its users search with it: one vector a node."""
    import random
    import numpy as np
    import torch
    from llama_index.finetuning import EmbeddingQAFinetuneDataset, SentenceTransformersFinetuneEngine
    random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)
    start = time.perf_counter()
    base, train, val = os.environ['BENCH_BASE'], *(EmbeddingQAFinetuneDataset.from_json(path) for path in json.loads(os.environ['BENCH_DATA']))
    folder = (FOLDER/f'peer-{seed}').resolve()
    os.chdir(FOLDER) # where it leaves its checkpoints
    SentenceTransformersFinetuneEngine(train, model_id=base, model_output_path=str(folder), val_dataset=val).finetune()
    return dict(trained=time.perf_counter() - start, folder=str(folder))


def plain(seed):
    """Questions a second of sentence-transformers' trainer with its defaults but our batch, for an epoch of 256 questions: on our windows, and on whole nodes."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from embedtune import load_model
    from embedtune.negatives import _near_windows, _training_columns
    train, _ = datasets()
    pairs, result = _near_windows(load_model(device='cpu', bare=True), train, by_words=True)[0], {}
    for name, rows in dict(windows=pairs, nodes=[pair._replace(positive=train.corpus[pair.node_id]) for pair in pairs]).items():
        rows, model = rows[:256], load_model(device='cpu', bare=True)
        args = SentenceTransformerTrainingArguments(output_dir=tempfile.mkdtemp(), per_device_train_batch_size=64, num_train_epochs=1, save_strategy='no', report_to='none', disable_tqdm=True, use_cpu=True)
        trainer = SentenceTransformerTrainer(model=model, args=args, train_dataset=Dataset.from_dict(_training_columns(rows)), loss=MultipleNegativesRankingLoss(model))
        result[name] = len(rows)/trainer.train().metrics['train_runtime']
    return result


def arxiv_titles():
    """Titles of 500 papers as questions, their abstracts as nodes."""
    import pandas as pd
    from embedtune import EmbeddingQAFinetuneDataset
    from embedtune.samples import arxiv_abstracts
    papers = pd.read_csv(arxiv_abstracts()).drop_duplicates('title').drop_duplicates('abstract')
    ids = [url.rsplit('/', 1)[-1] for url in papers.url]
    return EmbeddingQAFinetuneDataset(dict(zip(ids, papers.title)), dict(zip(ids, papers.abstract)), {i: [i] for i in ids}, written_by='structure')


def general_probe():
    """Test sets for what a model knew before: questions on the sample's reports, and titles of papers where they can be had."""
    from embedtune.queries import report_questions
    from embedtune.samples import DataUnavailable
    sets = {'sample reports': report_questions('sample')}
    try: sets['arXiv titles'] = arxiv_titles()
    except DataUnavailable: pass
    return sets


def probe(folder):
    """Mean reciprocal ranks on the general probe, of the base and of a tuned model."""
    from embedtune import load_model
    return {name: [scores(model, dataset)[1] for model in (load_model(), load_model(folder))] for name, dataset in general_probe().items()}


def reading(folder):
    """The verdicts on the 100 reading questions: tuned over base, and what is shipped over base + BM25."""
    from embedtune import Search, evaluate, load_model, verdict
    from embedtune.queries import report_questions
    from embedtune.search import load_retriever
    dataset, base = report_questions('uber'), load_model()
    shipped = load_retriever(folder, dataset.corpus)
    searches = {'base': base, 'tuned': getattr(shipped, 'retrievers', [shipped])[0],
        'base + BM25': Search(bm25_weight=.25).retriever(base, dataset.corpus), 'shipped': shipped}
    found = {name: evaluate(each, dataset, name=name) for name, each in searches.items()}
    pairs = ('base', 'tuned'), ('base + BM25', 'shipped')
    return {f'{a} → {b}': str(verdict(found[a], found[b], dataset)) for a, b in pairs}


def peer_runs(seeds):
    """LlamaIndex's engine, and its models on the validation set, one vector a node."""
    from embedtune import DenseRetriever, load_model
    runs, val = [], datasets()[1]
    for seed in seeds:
        run = RUNS.peer('peer', seed)
        run['dense'] = scores(DenseRetriever(load_model(run['result']['folder']), val.corpus, window=None), val)
        runs.append(run)
    return runs


def rows(seeds, peer_seeds):
    """The table: what, LlamaIndex, goal, measured."""
    import numpy as np
    peers = peer_runs(peer_seeds)
    default, fast = ([RUNS.child('ours', way, seed) for seed in seeds] for way in WAYS)
    theirs, seconds = np.mean([run['result']['trained'] for run in peers]), lambda runs: np.mean([run['result']['seconds'] for run in runs])
    yield 'dense hit@5 / MRR@10', ' / '.join(spread([run['dense'][i] for run in peers]) for i in range(2)), '.95 / .82', quality(default, 'dense')
    yield 'hybrid hit@5 / MRR@10', '–', '.97 / .86', quality(default, 'hybrid')
    yield 'wall time, all of it', f'{theirs:.0f} s', '1/3', f'{seconds(default):.0f} s: 1/{theirs/seconds(default):.1f}'
    yield 'peak memory', f'{np.max([run["peak"] for run in peers]):.1f} GB', '2.0 GB', f'{max(run["peak"] for run in default):.2f} GB'
    trained = np.mean([run['result']['trained'] for run in fast])
    yield 'fast: all of it; without evaluating', f'{theirs:.0f} s', '1/8', f'1/{theirs/seconds(fast):.1f}; 1/{theirs/trained:.1f} ({trained:.0f} s)'
    yield 'fast: dense hit@5 / MRR@10', '–', '.93', quality(fast, 'dense')
    yield 'fast: hybrid hit@5 / MRR@10', '–', '–', quality(fast, 'hybrid')
    ours_rate, plain_rate = np.mean([run['result']['per_second'] for run in default]), RUNS.child('plain', seeds[0])['result']
    yield 'questions a second against the plain trainer, same pairs', '–', '1.8 times', f'{ours_rate/plain_rate["windows"]:.2f} times ({ours_rate:.1f} against {plain_rate["windows"]:.1f}); on whole nodes, cut at 256 tokens, {ours_rate/plain_rate["nodes"]:.2f} times'
    steps, limit = (np.mean([run['result'][key] for run in default]) for key in ('steps', 'limit'))
    yield 'the steps: seconds, and what their matrix products take at this processor\'s rate', '–', '–', f'{steps:.0f} s, {limit:.0f} s: {limit/steps:.0%}'
    found = RUNS.child('reading', FOLDER/f'default-{seeds[0]}')['result']
    for name, said in found.items(): yield f'100 reading questions, {name}', '–', 'interval above 0', said
    for name, (base, tuned) in RUNS.child('probe', FOLDER/f'default-{seeds[0]}')['result'].items():
        yield f'general probe, MRR@10, {name}', '–', 'at most 1 point lost', f'{base:.3f} before, {tuned:.3f} after: {100*(tuned - base):+.1f} points'


def main():
    """Print the table."""
    if sys.argv[1:2] == ['child']: return run_child(globals(), *sys.argv[2:])
    import pandas as pd
    from embedtune.evaluation import to_markdown
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seeds', type=int, default=5, metavar='N', help='runs of ours (default: %(default)s)')
    parser.add_argument('--peer-seeds', type=int, default=1, metavar='N', help='runs of LlamaIndex, minutes each (default: %(default)s)')
    parser.add_argument('--go-on', action='store_true', help='with the runs of an earlier call that was interrupted, instead of all anew')
    options = parser.parse_args()
    if not options.go_on: shutil.rmtree(FOLDER/'results', ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    table = rows(range(42, 42 + options.seeds), range(42, 42 + options.peer_seeds))
    print(to_markdown(pd.DataFrame(table, columns=['what', 'LlamaIndex 0.4.2', 'goal', 'measured']).set_index('what')))


if __name__ == '__main__': main()
