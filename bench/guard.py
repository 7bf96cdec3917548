"""Does the base come out where there is nothing to learn? `python bench/guard.py [--sets 20]`. Prints one table.

Each set is 40 threads of StackFAQ (in $EMBEDTUNE_DATA/human), up to three of people's questions on each, over 240 answers; whose answers are which was shuffled among the
threads. A model, an adapter or a reranker is trained by the defaults, and what matters is the share that comes out. Some sets with the true answers are run beside them.
"""
import argparse
import random
import sys
import tempfile
import warnings

import people


def a_set(whole, seed, shuffled):
    """Some threads with their questions, with each other's answers if `shuffled`."""
    rng = random.Random(seed)
    threads = {}
    for query in whole.queries: threads.setdefault(query.split('q')[0], []).append(query)
    drawn = rng.sample(sorted(threads), 40)
    answers = {thread: whole.relevant_docs[threads[thread][0]] for thread in drawn}
    given = dict(zip(drawn, rng.sample(list(answers.values()), len(drawn)))) if shuffled else answers
    asked = {query: thread for thread in drawn for query in rng.sample(threads[thread], min(3, len(threads[thread])))}
    nodes = {node for ids in answers.values() for node in ids}
    nodes |= set(rng.sample([node for node in whole.corpus if node not in nodes], max(0, 240 - len(nodes))))
    small = whole.only(queries=asked, nodes=nodes)
    small.relevant_docs = {query: given[thread] for query, thread in asked.items()}
    return small


def tuned_share(dataset, folder):
    """The share of the tuned weights that the engine of the default settings takes."""
    from embedtune import SentenceTransformersFinetuneEngine
    engine = SentenceTransformersFinetuneEngine(dataset, model_output_path=folder, hybrid=False, show_progress_bar=False)
    engine.finetune()
    return engine.guarded.alpha


def adapter_share(dataset, folder):
    """How far along its way the adapter goes."""
    from embedtune import EmbeddingAdapterFinetuneEngine
    engine = EmbeddingAdapterFinetuneEngine(dataset, people.base_model(), model_output_path=folder, show_progress_bar=False)
    engine.finetune()
    return engine.adapter.alpha


def reranker_share(dataset, folder):
    """The weight of the reranker."""
    from embedtune import CrossEncoderFinetuneEngine
    engine = CrossEncoderFinetuneEngine(dataset, model_output_path=folder, show_progress_bar=False)
    engine.finetune()
    return engine.guarded.alpha


ENGINES = dict(model=tuned_share, adapter=adapter_share, reranker=reranker_share)


def share_of(dataset, engine):
    """What comes out of what was learned."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return ENGINES[engine](dataset, f'{folder}/model')


def main():
    """Tune on every set, and print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--engine', choices=ENGINES, default='model')
    parser.add_argument('--sets', type=int, default=20, help='with shuffled answers')
    parser.add_argument('--true', type=int, default=4, help='sets with the true answers')
    parser.add_argument('--seed', type=int, default=1000, help='of the first set')
    options = parser.parse_args()
    whole, shares = people.collection('stackfaq').parts[0], {True: [], False: []}
    for shuffled, n in ((True, options.sets), (False, options.true)):
        for seed in range(options.seed, options.seed + n):
            shares[shuffled].append(share_of(a_set(whole, seed, shuffled), options.engine))
            print('shuffled' if shuffled else 'true', seed, shares[shuffled][-1], file=sys.stderr, flush=True)
    rows = [(name, f'{found.count(0.)} of {len(found)}', ', '.join(f'{share:g}' for share in found))
            for name, found in (('shuffled', shares[True]), ('true', shares[False]))]
    print('| answers | the base comes out | shares taken |', '|---|---|---|', *(f'| {" | ".join(row)} |' for row in rows), sep='\n')


if __name__ == '__main__': main()
