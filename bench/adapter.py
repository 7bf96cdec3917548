"""Adapters against LlamaIndex's, query towers, alignment and an index on disk: quality, time and requests on the published questions, one table.

Every run is a process of its own on two threads. MiniLM stands for the black box. 
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

FOLDER = Path('runs/bench_adapter')
RUNS = Runs(__file__, FOLDER)
KINDS = ('linear', 'low_rank', 'two_layers', 'scale')


def kind_of(name):
    """A fresh adapter for MiniLM's vectors."""
    from embedtune.layers import LinearLayer, LowRank, Scale, TwoLayerNN
    return dict(linear=LinearLayer, low_rank=LowRank, two_layers=TwoLayerNN, scale=Scale)[name].square(384)


def warm_model():
    """MiniLM with its vectors kept between runs: what is timed comes after the first embedding."""
    from embedtune import CachedEmbedding, load_model
    from embedtune.embedding import VectorCache
    return CachedEmbedding(load_model(), VectorCache(FOLDER/'vectors.sqlite'))


def base():
    """The base model: one vector a node, windows of one size and of two."""
    from embedtune import DenseRetriever
    from embedtune.retrieval import Search
    model, (_, val) = warm_model(), datasets()
    ways = {'one vector a node': DenseRetriever(model, val.corpus, window=None), 'windows': DenseRetriever(model, val.corpus), 'windows as shipped': Search().dense(model, val.corpus)}
    return {name: scores(retriever, val) for name, retriever in ways.items()}


def adapter(name, seed):
    """One adapter: its quality on the validation set, how far it goes, and the seconds of 10 epochs and of the whole training from cached vectors."""
    from embedtune.adapter import EmbeddingAdapterFinetuneEngine, _fit, training_vectors
    train, val = datasets()
    engine = EmbeddingAdapterFinetuneEngine(train, warm_model(), adapter_model=kind_of(name), model_output_path=FOLDER/f'{name}-{seed}', seed=seed, show_progress_bar=False)
    data = training_vectors(engine.embed_model, train, engine.search).only()
    _fit(kind_of(name), data, epochs=1)
    start = time.perf_counter()
    _fit(kind_of(name), data, **engine.settings | dict(epochs=10))
    ten = time.perf_counter() - start
    start = time.perf_counter()
    engine.finetune()
    return dict(dense=scores(engine.search.dense(engine.get_finetuned_model(), val.corpus), val), alpha=engine.adapter.alpha, ten_epochs=ten, seconds=time.perf_counter() - start)


def tower(seed):
    """One query tower."""
    from embedtune.tower import QueryTowerFinetuneEngine
    train, val = datasets()
    engine = QueryTowerFinetuneEngine(train, model_output_path=FOLDER/f'tower-{seed}', cache=warm_model().cache, seed=seed, show_progress_bar=False)
    start = time.perf_counter()
    engine.finetune()
    return dict(dense=scores(engine.search.dense(engine.get_finetuned_model(), val.corpus), val), seconds=time.perf_counter() - start)


def requests():
    """Texts that a server is asked for in a training of 10 epochs, and how many different texts there are."""
    from embedtune.adapter import EmbeddingAdapterFinetuneEngine
    from embedtune.embedding import OpenAIEmbedding, VectorCache
    from embedtune.serve import EmbeddingServer
    train, _ = datasets()
    with EmbeddingServer(warm_model(), keep_asked=True) as server:
        model = OpenAIEmbedding('minilm', base_url=server.url)
        EmbeddingAdapterFinetuneEngine(train, model, epochs=10, model_output_path=FOLDER/'api', cache=VectorCache(Path(tempfile.mkdtemp())/'v.sqlite'), show_progress_bar=False).finetune()
    return dict(asked=len(server.asked), texts=len({*train.queries.values(), *train.corpus.values()}))


def peer_adapter(epochs):
    """LlamaIndex's adapter engine with its defaults: seconds, and the texts it embeds."""
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.finetuning import EmbeddingAdapterFinetuneEngine, EmbeddingQAFinetuneDataset
    from sentence_transformers import SentenceTransformer
    model, asked = SentenceTransformer(os.environ['BENCH_BASE'], device='cpu'), []
    class MiniLM(BaseEmbedding):
        def _get_text_embeddings(self, texts):
            asked.extend(texts)
            return model.encode(texts, batch_size=len(texts)).tolist()
        def _get_text_embedding(self, text): return self._get_text_embeddings([text])[0]
        def _get_query_embedding(self, query): return self._get_text_embedding(query)
        async def _aget_query_embedding(self, query): return self._get_text_embedding(query)
    train = EmbeddingQAFinetuneDataset.from_json(json.loads(os.environ['BENCH_DATA'])[0])
    folder = (FOLDER/'peer-adapter').resolve()
    start = time.perf_counter()
    EmbeddingAdapterFinetuneEngine(train, MiniLM(), epochs=epochs, model_output_path=str(folder)).finetune()
    return dict(seconds=time.perf_counter() - start, asked=len(asked), folder=str(folder))


def peer_quality(folder):
    """LlamaIndex's adapter as its users search with it, one vector a node; its file is read by embedtune."""
    from embedtune import DenseRetriever
    from embedtune.adapter import AdapterEmbeddingModel
    _, val = datasets()
    return scores(DenseRetriever(AdapterEmbeddingModel.from_model_path(folder, warm_model()), val.corpus, window=None), val)


def subsets(n, questions):
    """For `n` random subsets of the training questions the linear adapter's change of MRR@10 on the validation set, in points."""
    import random
    from embedtune import EmbeddingQAFinetuneDataset
    from embedtune.adapter import EmbeddingAdapterFinetuneEngine
    (train, val), model, changes = datasets(), warm_model(), []
    for seed in range(n):
        ids = random.Random(seed).sample(sorted(train.queries), questions)
        few = EmbeddingQAFinetuneDataset({i: train.queries[i] for i in ids}, train.corpus, {i: train.relevant_docs[i] for i in ids})
        engine = EmbeddingAdapterFinetuneEngine(few, model, model_output_path=FOLDER/'subset', show_progress_bar=False)
        engine.finetune()
        if not changes: before = scores(engine.search.dense(model, val.corpus), val)[1]
        changes.append(100*(scores(engine.search.dense(engine.get_finetuned_model(), val.corpus), val)[1] - before))
    return changes


def alignment(folder):
    """The questions of a tuned model in the base's index: hit rate@5 against embedding everything anew, for each kind of map."""
    from embedtune import CachedEmbedding, evaluate, load_model
    from embedtune.migrate import align, _aligned, _recall_kept
    from embedtune.retrieval import Search
    (train, val), old, search, result = datasets(), warm_model(), Search((128,)), {}
    new = CachedEmbedding(load_model(folder), old.cache)
    texts = search.dense(old, train.corpus).index[0]
    full = evaluate(search.dense(new, val.corpus), val).per_query('hit_rate', 5)
    for kind in ('procrustes', 'ridge', 'mlp'):
        ranks = evaluate(search.dense(_aligned(old, new, align(old, new, texts, kind)), val.corpus), val).per_query('hit_rate', 5)
        result[kind] = [float(ranks.mean()), float(full.mean()), *_recall_kept(ranks, full)]
    return result


def lance_build(n):
    """Write `n` clustered vectors as an index of LanceDB; seconds."""
    from embedtune.index import _clustered, _lance_of
    start = time.perf_counter()
    shutil.rmtree(FOLDER/f'lance-{n}', ignore_errors=True)
    _lance_of(_clustered(n), FOLDER/f'lance-{n}')
    return time.perf_counter() - start


def lance_exact(n, k):
    """The exact nearest vectors of 100 questions near points."""
    import numpy as np
    from embedtune.embedding import _unit
    from embedtune.index import _clustered
    vectors = _clustered(n)
    questions = _unit(vectors[::n//100][:100] + .5*_unit(np.random.default_rng(1).normal(size=(100, vectors.shape[1]))))
    start = time.perf_counter()
    scores = [vectors @ q for q in questions]
    seconds = (time.perf_counter() - start)/100
    np.save(FOLDER/f'questions-{n}.npy', questions)
    return dict(best=[[str(i) for i in np.argsort(-row)[:k]] for row in scores], seconds=seconds)


def lance_search(n):
    """The hits of LanceDB for the same questions, and the median of the seconds."""
    import numpy as np
    from embedtune.index import LanceRetriever
    class Given:
        fingerprint, vectors = 'given', np.load(FOLDER/f'questions-{n}.npy')
        def encode_query(self, texts): return self.vectors[[int(text) for text in texts]]
        encode_document = encode_query
    retriever, found, seconds = LanceRetriever(FOLDER/f'lance-{n}', Given()), [], []
    retriever.search(['0'], 10)
    for i in range(100):
        start = time.perf_counter()
        found += retriever.search([str(i)], 10).ids
        seconds.append(time.perf_counter() - start)
    return dict(best=found, p50=float(np.median(seconds)))


def rows(seeds, vectors, model):
    """The table: what, LlamaIndex, goal, measured."""
    import numpy as np
    from embedtune.index import _recall_at
    for name, (hit, mrr) in RUNS.child('base')['result'].items(): yield f'base, {name}: hit@5 / MRR@10', '–', '–', f'{hit:.3f} / {mrr:.3f}'
    peer = RUNS.peer('peer_adapter', 10)['result']
    theirs = RUNS.child('peer_quality', peer['folder'])['result']
    for name in KINDS:
        runs = [RUNS.child('adapter', name, seed) for seed in seeds]
        goal, their = ('.93 / .77', f'{theirs[0]:.3f} / {theirs[1]:.3f}') if name == 'linear' else ('–', '–')
        yield f'{name}, no re-embedding: hit@5 / MRR@10', their, goal, f'{quality(runs, "dense")} (alpha {spread([run["result"]["alpha"] for run in runs], ".2f")})'
        if name == 'linear': seconds, whole = (np.mean([run['result'][key] for run in runs]) for key in ('ten_epochs', 'seconds'))
    towers = [RUNS.child('tower', seed) for seed in seeds]
    yield 'query tower, no re-embedding: hit@5 / MRR@10', 'none', '.94 / .79', f'{quality(towers, "dense")} ({np.mean([run["result"]["seconds"] for run in towers]):.0f} s from cached vectors)'
    yield '10 epochs after the first embedding', f'{peer["seconds"]:.0f} s', '1/50, under 10 s', f'{seconds:.1f} s: 1/{peer["seconds"]/seconds:.0f}; with the choice of how far to go {whole:.1f} s: 1/{peer["seconds"]/whole:.0f}'
    asked = RUNS.child('requests')['result']
    yield 'texts embedded in 10 epochs', f'{peer["asked"]:,}', 'each once', f'{asked["asked"]:,} of {asked["texts"]:,}'
    changes = RUNS.child('subsets', 20, 50)['result']
    yield '20 subsets of 50 questions: change of MRR@10, points', '–', 'mean at least −0.5', f'mean {np.mean(changes):+.2f}, worst {min(changes):+.2f}, best {max(changes):+.2f}'
    for kind, (hit, full, ratio, low, high) in RUNS.child('alignment', model)['result'].items(): yield f'aligned ({kind}), hit@5 of the full re-embed', 'none', '95 %', f'{ratio:.1%} ({low:.1%} to {high:.1%}; {hit:.3f} of {full:.3f})'
    built, exact, found = RUNS.child('lance_build', vectors), RUNS.child('lance_exact', vectors, 10)['result'], RUNS.child('lance_search', vectors)
    yield f'{vectors:,} × 384 on disk: recall@10, p50, peak memory', 'none', '.95, 20 ms, 1 GB', f'{_recall_at(found["result"]["best"], exact["best"]):.3f}, {1e3*found["result"]["p50"]:.1f} ms (exact, in memory: {1e3*exact["seconds"]:.0f} ms), {found["peak"]:.2f} GB; built in {built["result"]:.0f} s with {built["peak"]:.1f} GB'


def main():
    """Print the table."""
    if sys.argv[1:2] == ['child']: return run_child(globals(), *sys.argv[2:])
    import pandas as pd
    from embedtune.evaluation import to_markdown
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seeds', type=int, default=3, metavar='N', help='runs of each method (default: %(default)s)')
    parser.add_argument('--vectors', type=int, default=1_000_000, metavar='N', help='in the index on disk (default: %(default)s)')
    parser.add_argument('--model', default='runs/bench_finetune/default-42', metavar='FOLDER', help='a tuned model to align (default: %(default)s, of bench/finetune.py)')
    parser.add_argument('--go-on', action='store_true', help='with the runs of an earlier call that was interrupted, instead of all anew')
    options = parser.parse_args()
    if not options.go_on: shutil.rmtree(FOLDER/'results', ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    table = rows(range(42, 42 + options.seeds), options.vectors, options.model)
    print(to_markdown(pd.DataFrame(table, columns=['what', 'LlamaIndex 0.4.2', 'goal', 'measured']).set_index('what')))


if __name__ == '__main__': main()
