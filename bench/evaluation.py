"""Evaluation: how quick it is against sentence-transformers' evaluator, how large a corpus it takes, how often its verdict is wrong, and the whole ladder on the annual reports.

Times are ratios inside one run, minima of several; the large corpus and the ladder are processes of their own on two threads.
"""
import sys
import time
from pathlib import Path

from harness import Runs, datasets, run_child

FOLDER = Path('runs/bench_evaluation')
RUNS = Runs(__file__, FOLDER)


def quickest(function, rounds=5):
    """The least seconds of several calls."""
    def seconds():
        start = time.perf_counter()
        function()
        return time.perf_counter() - start
    return min(seconds() for _ in range(rounds))


class Stored:
    """A model that looks its vectors up."""
    def __init__(self, texts, vectors): self.vectors = dict(zip(texts, vectors))
    def encode_query(self, texts, **settings):
        import numpy as np
        return np.array([self.vectors[text] for text in texts], np.float32)
    encode_document = encode_query


def against_library():
    """790 questions on the windows of Uber's report as so many nodes: seconds of `InformationRetrievalEvaluator` and ours on the same vectors, all metrics, and the largest difference."""
    import numpy as np
    from embedtune import DenseRetriever, EmbeddingQAFinetuneDataset, evaluate, load_model
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    from sentence_transformers.util import cos_sim
    val, model = datasets()[1], load_model()
    source = DenseRetriever(model, val.corpus)
    seen = {window.text: f'{node_id} {i}' for node_id in val.corpus for i, window in enumerate(source.windows_of(node_id))}
    corpus = {name: text for text, name in seen.items()} # each text once: of equal scores every tool has an order of its own
    relevant = {q: [i for i in corpus if i.rpartition(' ')[0] in ids] for q, ids in val.relevant_docs.items()}
    relevant = {q: ids for q, ids in relevant.items() if ids}
    queries = {q: val.queries[q] for q in relevant}
    small = EmbeddingQAFinetuneDataset(queries, corpus, relevant)
    documents, asked = model.encode_document(list(corpus.values())), model.encode_query(list(queries.values()))
    stored = Stored([*corpus.values(), *queries.values()], [*documents, *asked])
    theirs = InformationRetrievalEvaluator(small.queries, corpus, {q: set(ids) for q, ids in relevant.items()}, accuracy_at_k=[1, 5, 10], precision_recall_at_k=[5, 10], score_functions={'cosine': cos_sim})
    retriever = DenseRetriever(stored, corpus, window=None)
    retriever.vectors
    expected, got = theirs.compute_all_metrics(stored)['cosine'], evaluate(retriever, small).metrics
    named = {f"{measure.removesuffix('@k').replace('accuracy', 'hit_rate')}@{k}": value for measure, values in expected.items() for k, value in values.items()}
    difference = max(abs(value - named[name]) for name, value in got.items())
    return dict(questions=len(queries), windows=len(corpus), product=quickest(lambda: asked @ documents.T, 9), theirs=quickest(lambda: theirs.compute_all_metrics(stored)), ours=quickest(lambda: evaluate(retriever, small).metrics), difference=float(difference))


def bootstrap():
    """Seconds of 10,000 rounds on 790 questions: each for itself, the slowest case, three metrics."""
    import numpy as np
    from embedtune.verdicts import bootstrap_means, _swap_p
    values = np.random.default_rng(0).random((790, 3))
    return dict(bootstrap=quickest(lambda: bootstrap_means(values, np.arange(790))), swaps=quickest(lambda: _swap_p(values - .5, np.arange(790))))


def million(n=1_000_000, n_queries=1000, dim=384):
    """Search of a synthetic corpus in memory: seconds, and those of the bare matrix product in the same blocks."""
    import numpy as np
    from embedtune import EmbeddingQAFinetuneDataset, evaluate
    from embedtune.retrieval import DenseRetriever
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((n, dim), np.float32)
    for part in np.array_split(vectors, 100): part /= np.linalg.norm(part, axis=1, keepdims=True)
    ids, asked = [str(i) for i in range(n)], rng.choice(n, n_queries, replace=False)
    queries = vectors[asked] + rng.standard_normal((n_queries, dim), np.float32)*.06
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    class Synthetic:
        def encode_query(self, texts): return queries[:len(texts)]
    retriever = DenseRetriever(Synthetic(), dict.fromkeys(ids, 'text'), window=None)
    retriever.__dict__['vectors'], retriever.__dict__['index'] = vectors, (ids, np.arange(n))
    dataset = EmbeddingQAFinetuneDataset({f'q{i}': 'q' for i in range(n_queries)}, retriever.corpus, {f'q{i}': [ids[place]] for i, place in enumerate(asked)})
    def bare():
        for i in range(0, n_queries, 64): queries[i:i + 64] @ vectors.T
    product = quickest(bare, 2)
    start = time.perf_counter()
    hits = evaluate(retriever, dataset).hit_rate(1)
    return dict(product=product, seconds=time.perf_counter() - start, search=quickest(lambda: retriever.search(['q']*n_queries, 10), 2), hit=hits)


def false_alarms(runs=1000):
    """Verdicts on pairs of equally good retrievers, ten thousand rounds each."""
    from embedtune.verdicts import _decisions
    return _decisions(runs, n_nodes=100, per_node=2, rounds=10_000)


def whole_ladder():
    """Every method on the annual reports, and the saturation of the questions: seconds and the table."""
    from embedtune.evaluation import to_markdown
    from embedtune.ladders import ladder, saturation
    start, (train, val) = time.perf_counter(), datasets()
    found = ladder(train, val, out=FOLDER/'ladder', show_progress=False)
    climbed = time.perf_counter() - start
    grown = saturation(found.job)
    return dict(ladder=climbed, saturation=time.perf_counter() - start - climbed, reason=found.recommend().reason, grown=f'{grown.decision}: {grown.reason}', skipped=found.skipped, table=to_markdown(found.table()))


def rows(results):
    """The table: what, goal, measured."""
    library, rounds, large, alarms, climbed = results
    yield f'{library["questions"]} questions × {library["windows"]:,} windows, all metrics, against InformationRetrievalEvaluator', '5 times', f'{library["theirs"]/library["ours"]:.1f} times ({1000*library["theirs"]:.0f} ms, {1000*library["ours"]:.0f} ms, ranks to 1,000 and the ten first ids; the bare product takes {1000*library["product"]:.0f} ms); largest difference {library["difference"]:.1g}'
    yield '10,000 rounds on 790 questions, 3 metrics', '2 s', f'{rounds["bootstrap"]:.2f} s bootstrap, {rounds["swaps"]:.2f} s permutations'
    yield '1,000,000 nodes × 1,000 questions: memory', '3 GB', f'{large[1]:.2f} GB'
    yield '… time over the bare matrix product', '2 times', f'{large[0]["search"]/large[0]["product"]:.2f} times for 10 results, {large[0]["seconds"]/large[0]["product"]:.2f} times evaluated to 1,000 (product {large[0]["product"]:.1f} s)'
    yield 'whole ladder on the 10-Ks', '20 min', f'{climbed["ladder"]/60:.1f} min, and {climbed["saturation"]/60:.1f} for the saturation'
    yield 'A/A: false SHIP', '5 %', f'{alarms.get("SHIP", 0):.1%} (REGRESSION {alarms.get("REGRESSION", 0):.1%})'


def main():
    """Print the tables."""
    if sys.argv[1:2] == ['child']: return run_child(globals(), *sys.argv[2:])
    import shutil
    import pandas as pd
    from embedtune.evaluation import to_markdown
    if '--go-on' not in sys.argv: shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    done = {name: RUNS.child(name) for name in ('against_library', 'bootstrap', 'million', 'false_alarms', 'whole_ladder')}
    results = [run['result'] for run in done.values()]
    results[2] = results[2], done['million']['peak']
    print(to_markdown(pd.DataFrame(rows(results), columns=['what', 'goal', 'measured']).set_index('what')))
    ladder = results[-1]
    print(f'\n{ladder["table"]}\n\n{ladder["reason"]}\n{ladder["grown"]}')
    for name, why in ladder['skipped'].items(): print(f'{name}: {why}')


if __name__ == '__main__': main()
