"""The shipped search in stores: `python bench/stores.py [--sample]`. Prints one table.

The published questions about Uber's report, or with --sample those of the bundled sample, are asked of the base model with windows
of two sizes and BM25 beside them: in memory, which is the search as it is evaluated, and in each store whose package is there.
Qdrant is its local mode, PostgreSQL that of the package pgserver. Milliseconds are the median of single questions, without
embedding them.
"""
import argparse
import sys
import tempfile
import time
import warnings
from contextlib import ExitStack, suppress
from pathlib import Path


class Known:
    """A model whose questions are embedded already, so that only the search is timed."""
    def __init__(self, model, questions):
        from embedtune.adapter import _document_fingerprint
        from embedtune.embedding import encode
        self.fingerprint, self.vectors = _document_fingerprint(model), dict(zip(questions, encode(model, questions, 'query')))

    def encode_query(self, texts):
        """The vectors of questions."""
        import numpy as np
        return np.array([self.vectors[text] for text in texts])

    def encode_document(self, texts): raise NotImplementedError('documents are in the stores')


def dataset(sample):
    """The questions and the corpus."""
    from embedtune import EmbeddingQAFinetuneDataset
    from embedtune.samples import published_qa, sample_qa
    return EmbeddingQAFinetuneDataset.from_json((sample_qa() if sample else published_qa())[1])


def opened(retriever, model, folder, stack):
    """Yield (name, seconds of writing, retriever) for each store that can be had."""
    from embedtune.index import LanceRetriever, save_lance
    from embedtune.stores import PgvectorRetriever, QdrantRetriever, save_pgvector, save_qdrant
    def timed(name, save, open_it):
        start = time.perf_counter()
        save()
        return name, time.perf_counter() - start, open_it()
    with suppress(ImportError):
        import lancedb  # noqa: F401
        for name, cluster in (('LanceDB, exact', False), ('LanceDB, clustered', True)):
            path = folder/name
            yield timed(name, lambda: save_lance(retriever, path, cluster=cluster), lambda: LanceRetriever(path, model))
    with suppress(ImportError):
        from qdrant_client import QdrantClient
        client = QdrantClient(':memory:')
        yield timed('Qdrant, local mode', lambda: save_qdrant(retriever, client), lambda: QdrantRetriever(client, model))
    with suppress(ImportError):
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            import pgserver
            server = pgserver.get_server(folder/'postgres')
        stack.callback(server.cleanup)
        for name, graph in (('pgvector, exact', False), ('pgvector, HNSW', True)):
            schema = name.replace(', ', '-')
            yield timed(name, lambda: save_pgvector(retriever, server.get_uri(), schema, graph=graph), lambda: PgvectorRetriever(server.get_uri(), model, schema))


def measured(retriever, data, n=100):
    """Hit rate@5, MRR@10, and the median of milliseconds for a question."""
    import numpy as np
    from embedtune import evaluate
    e, seconds = evaluate(retriever, data), []
    for question in list(data.queries.values())[:n]:
        start = time.perf_counter()
        retriever.search([question], 5)
        seconds.append(time.perf_counter() - start)
    return e.hit_rate(5), e.mrr(10), 1e3*np.median(seconds)


def agreement(store, retriever, model, questions):
    """The share of the first five by vectors alone that a store finds, where it proposes no more nodes than it has to."""
    import numpy as np
    right = retriever.dense.search(questions, 5).ids
    found = [list(store._nearest(vector, 5)) for vector in model.encode_query(questions)]
    return np.mean([len({store.ids[i] for i in some} & set(ids))/5 for some, ids in zip(found, right)])


def main():
    """Print the table; return 1 if a store finds otherwise than the evaluation."""
    from embedtune import CachedEmbedding, Search, load_model
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--sample', action='store_true', help='the bundled sample in place of the published questions')
    data = dataset(parser.parse_args().sample)
    model = CachedEmbedding(load_model())
    shipped = Search(bm25_weight=.25).retriever(model, data.corpus)
    known = Known(model, list(data.queries.values()))
    shipped.retrievers[0] = shipped.dense.asked_by(known)
    hit, mrr, ms = measured(shipped, data)
    print(f'{len(data.queries)} questions, {len(data.corpus)} nodes, {len(shipped.dense.texts)} windows\n')
    print('| store | hit@5 | MRR@10 | hit@5 against exact, goal within .01 | first 5 by vectors alone, against exact | ms a question | written in, s |\n|---|---|---|---|---|---|---|')
    print(f'| in memory, exact | {hit:.3f} | {mrr:.3f} | – | – | {ms:.1f} | – |', flush=True)
    worst = 0
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for name, seconds, store in opened(shipped, known, Path(folder), stack):
            found, ranks, ms = measured(store, data)
            worst = max(worst, abs(found - hit))
            same = agreement(store, shipped, known, list(data.queries.values())[:100])
            print(f'| {name} | {found:.3f} | {ranks:.3f} | {found - hit:+.4f} | {same:.3f} | {ms:.1f} | {seconds:.1f} |', flush=True)
    return int(worst > .01)


if __name__ == '__main__': sys.exit(main())
