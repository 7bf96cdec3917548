"""What a model gains for people: `python bench/people.py [--only SET] [--quick]`. Prints one table.

The questions are people's: `stackfaq`, `cisi`, `med` and `financebench` lie in $EMBEDTUNE_DATA/human.
Where people's own questions train a model, they are others than those it is tested on: half of StackFAQ's
threads, four fifths of the needs of CISI and MED. Every question is tested once. The reports of
`financebench` are searched one by one, with models trained on the published questions about Lyft's report.
What has been measured lies in runs/people and is not measured again; delete a file there to have it anew.
All sets take some hours on two cores, most of them for the reports' 6,600 pages, whose vectors are kept.
"""
import argparse
import functools
import os
import random
import sys
from pathlib import Path
from typing import NamedTuple

FOLDER = Path('runs/people')
FOLDS = dict(stackfaq=2, cisi=5, med=5, financebench=0)  # 0: trained on other questions
DECIDES = dict(stackfaq='mrr', cisi='ndcg', med='ndcg', financebench='mrr')
WEIGHT = .25  # of BM25 beside the base: the fixed one that is best over the sets


class Exam(NamedTuple):
    """Questions, in parts that are each searched alone, and which of them stand or fall together."""
    name: str
    parts: list
    group: dict


class Passage(NamedTuple):
    """A text to ask about."""
    id: str
    text: str


def folder_of_questions():
    """The folder of people's questions; ends the program where there is none."""
    root = Path(os.environ.get('EMBEDTUNE_DATA') or Path(__file__).resolve().parents[2]/'shared'/'data')
    if (root/'human').is_dir(): return root/'human'
    missing = f'people.py: {root/"human"} is missing; set EMBEDTUNE_DATA to the folder that holds "human"'
    print(missing, file=sys.stderr)
    sys.exit(2)


def collection(name):
    """One of the sets that are a single collection: StackFAQ goes by thread, the others by question."""
    from embedtune import EmbeddingQAFinetuneDataset
    dataset = EmbeddingQAFinetuneDataset.from_json(folder_of_questions()/f'{name}.json')
    dataset.written_by = 'people'
    thread = (lambda query: query.split('q')[0]) if name == 'stackfaq' else (lambda query: query)
    return Exam(name, [dataset], {query: thread(query) for query in dataset.queries})


def pages_of(path, rows):
    """The questions about a report over its pages."""
    from embedtune import EmbeddingQAFinetuneDataset, load_documents
    document = load_documents(path, engine='pdfium', show_progress=False)[0]
    corpus = {f'{path.stem} p{n}': text for n, text in enumerate(document.pages, 1) if text.strip()}
    queries = {f'{path.stem} q{n}': row['question'] for n, row in enumerate(rows, 1)}
    relevant = {}
    for query, row in zip(queries, rows):
        named = [f'{path.stem} p{page}' for page in row['pages']]
        relevant[query] = [page for page in named if page in corpus]
    return EmbeddingQAFinetuneDataset(queries, corpus, relevant, written_by='people')


def reports():
    """The annual reports, each with the questions of analysts about it."""
    import json
    folder, asked = folder_of_questions()/'financebench_dev', {}
    for row in json.loads((folder/'questions.json').read_text()):
        asked.setdefault(row['document'], []).append(row)
    parts = [pages_of(folder/'pdfs'/name, rows) for name, rows in asked.items()]
    group = {query: query.rpartition(' ')[0] for part in parts for query in part.queries}
    return Exam('financebench', parts, group)


def shorter(exam, questions=12, nodes=20, parts=2):
    """A few questions, the nodes that answer them and a few others: to see that everything runs."""
    some = []
    for part in exam.parts[:parts]:
        asked = random.Random(0).sample(list(part.queries), min(questions, len(part.queries)))
        answers = {node for query in asked for node in part.relevant_docs[query]}
        some.append(part.only(asked, answers | set(list(part.corpus)[:nodes])))
    return Exam(exam.name, some, {query: exam.group[query] for part in some for query in part.queries})


def folds(exam):
    """For each fold the questions that are trained on and those that are tested; groups stay together."""
    groups, n = sorted(set(exam.group.values())), FOLDS[exam.name]
    random.Random(0).shuffle(groups)
    for fold in range(n):
        tested = set(groups[fold::n])
        train = [query for query, group in exam.group.items() if group not in tested]
        yield train, [query for query, group in exam.group.items() if group in tested]


def merged(evaluations, name):
    """One evaluation of several, of different questions."""
    from embedtune import Evaluation
    ranks = {query: found for e in evaluations for query, found in e.ranks.items()}
    nodes, seconds = max(e.n_corpus for e in evaluations), sum(e.seconds for e in evaluations)
    return Evaluation(name, ranks, nodes, seconds, evaluations[0].depth, written_by='people')


def untrained(exam, retriever_of):
    """What a retriever that nobody trained does on every part."""
    from embedtune import evaluate
    return [evaluate(retriever_of(part.corpus), part) for part in exam.parts]


def lyft():
    """The published questions about Lyft's report, which a language model wrote."""
    from embedtune import EmbeddingQAFinetuneDataset
    from embedtune.samples import published_qa
    return EmbeddingQAFinetuneDataset.from_json(published_qa()[0])


@functools.cache
def searches_of(engine_of, folder):
    """What searches a corpus with a model trained on Lyft's questions; a corpus is embedded once in a call."""
    engine, ready = finished(engine_of(lyft(), folder/'lyft')), {}
    def retriever(corpus):
        first = next(iter(corpus))
        if first not in ready: ready[first] = engine.get_retriever(corpus)
        return ready[first]
    return retriever


def as_shipped(retriever):
    """A retriever with whatever its folder says."""
    return retriever


def alone(retriever):
    """The vectors of a retriever without BM25."""
    return getattr(retriever, 'retrievers', [retriever])[0]


def trained(exam, folder, engine_of, part=as_shipped):
    """What engines do that are trained on one part of the questions, on the other: fold by fold."""
    from embedtune import evaluate
    if not FOLDS[exam.name]: return untrained(exam, lambda corpus: part(searches_of(engine_of, folder)(corpus)))
    found, dataset = [], exam.parts[0]
    for n, (train, test) in enumerate(folds(exam)):
        engine = finished(engine_of(dataset.only(train), folder/f'fold-{n}'))
        found.append(evaluate(part(engine.get_retriever(dataset.corpus)), dataset.only(test)))
    return found


def finished(engine):
    """The engine, trained now or by an earlier call."""
    from embedtune import EmbedtuneError
    try: engine.get_finetuned_model()
    except EmbedtuneError: engine.finetune()
    return engine


def base_model():
    """The base, its vectors kept."""
    from embedtune import CachedEmbedding, load_model
    return CachedEmbedding(load_model())


def words(exam, folder):
    """Search by words."""
    from embedtune import BM25Retriever
    return untrained(exam, BM25Retriever)


def base(exam, folder, weight=0.):
    """The base, as a search is shipped, with BM25 by a fixed weight."""
    from embedtune import Search
    model = base_model()
    return untrained(exam, lambda corpus: Search(bm25_weight=weight).retriever(model, corpus))


def base_with_words(exam, folder):
    """The base and BM25."""
    return base(exam, folder, WEIGHT)


def tuning(dataset, folder):
    """The engine that tunes the model, by its defaults."""
    from embedtune import SentenceTransformersFinetuneEngine
    return SentenceTransformersFinetuneEngine(dataset, model_output_path=folder, show_progress_bar=False)


def tuned(exam, folder):
    """The tuned model without BM25."""
    return trained(exam, folder/'tuned', tuning, alone)


def by_machine(exam, folder):
    """The bundled language model's questions about passages of the set, asked once."""
    from embedtune import EmbeddingQAFinetuneDataset, generate_qa_embedding_pairs, local_llm
    path = folder/'machine.json'
    if path.is_file(): return EmbeddingQAFinetuneDataset.from_json(path)
    nodes = [Passage(*each) for each in exam.parts[0].corpus.items()]
    with local_llm() as llm: return generate_qa_embedding_pairs(nodes, llm, output_path=path, max_questions=MACHINE)


def tuned_on_machine(exam, folder, part=alone):
    """The model tuned on a language model's questions, without BM25."""
    engine = finished(tuning(by_machine(exam, folder), folder/'machine'))
    return untrained(exam, lambda corpus: part(engine.get_retriever(corpus)))


def shipped_on_machine(exam, folder):
    """The same with whatever its folder says."""
    return tuned_on_machine(exam, folder, as_shipped)


def shipped(exam, folder):
    """The tuned model with whatever its folder says."""
    return trained(exam, folder/'tuned', tuning)


def adapting(dataset, folder):
    """The engine that trains an adapter, by its defaults."""
    from embedtune import EmbeddingAdapterFinetuneEngine
    settings = dict(model_output_path=folder, show_progress_bar=False)
    return EmbeddingAdapterFinetuneEngine(dataset, base_model(), **settings)


def adapter(exam, folder):
    """An adapter on the base's vectors."""
    return trained(exam, folder/'adapter', adapting)


def reranking(dataset, folder):
    """The engine that trains a reranker over the base and BM25, by its defaults."""
    from embedtune import CrossEncoderFinetuneEngine, Search
    settings = dict(search=Search(bm25_weight=WEIGHT), show_progress_bar=False)
    return CrossEncoderFinetuneEngine(dataset, model_output_path=folder, **settings)


def reranked(exam, folder):
    """The base and BM25, reranked with the weight that the engine chose."""
    return trained(exam, folder/'reranker', reranking)


# what is measured on each set: the row, what gives its evaluations, the row that it must not fall behind
ROWS = (
    ('BM25', words, 'base'),
    ('base', base, None),
    ('base + BM25', base_with_words, 'base'),
    ('adapter', adapter, 'base'),
    ('tuned', tuned, 'base'),
    ('tuned, as shipped', shipped, 'base + BM25'),
    ("tuned on an LLM's questions", tuned_on_machine, 'base'),
    ("tuned on an LLM's questions, as shipped", shipped_on_machine, 'base + BM25'),
    ('reranked', reranked, 'base + BM25'),
)
RERANKED = ('stackfaq',)  # elsewhere it takes too long
MACHINE = 120  # a language model's questions about each set


def file_of(folder, row):
    """Where the evaluation of a row is kept."""
    name = row.replace(' ', '_').replace(',', '').replace("'", '')
    return folder/f'{name}.json'


def kept(exam, folder, row, function):
    """What a row gives on a set, measured once."""
    from embedtune import Evaluation
    path = file_of(folder, row)
    if path.exists(): return Evaluation.from_json(path)
    print(exam.name, row, '…', file=sys.stderr, flush=True)
    found = merged(function(exam, folder), row)
    path.parent.mkdir(parents=True, exist_ok=True)
    found.save_json(path)
    return found


def together(exam):
    """The dataset that tells `verdict` which questions stand or fall together."""
    from embedtune import EmbeddingQAFinetuneDataset
    groups = {group: group for group in exam.group.values()}
    queries = {query: query for query in exam.group}
    relevant = {query: [group] for query, group in exam.group.items()}
    return EmbeddingQAFinetuneDataset(queries, groups, relevant)


def compared(exam, before, after):
    """The verdict in a few words: with the metric that decided, and its interval."""
    from embedtune import verdict
    first = f'{DECIDES[exam.name]}@10'
    rest = [name for name in ('mrr@10', 'ndcg@10') if name != first]
    found = verdict(before, after, together(exam), metrics=(first, *rest))
    gain = next(d for d in found.differences if found.reason.startswith(str(d)))
    interval = f'[{gain.low:+.3f}, {gain.high:+.3f}]'
    return f'{found.decision} {gain.metric} {gain.mean:+.3f} {interval} over {before.name}'


def rows_of(exam, folder, measured=False):
    """The rows of the table of one set; if `measured`, those that have been."""
    rows = [each for each in ROWS if each[0] != 'reranked' or exam.name in RERANKED]
    if not FOLDS[exam.name]: rows = [each for each in rows if 'LLM' not in each[0]]  # 'tuned' is on an LLM's there
    if measured: rows = [each for each in rows if file_of(folder, each[0]).is_file()]
    results = {}
    for row, function, before in sorted(rows, key=lambda item: item[2] is not None):
        results[row] = kept(exam, folder, row, function)
    for row, _, before in rows:
        e = results[row]
        said = compared(exam, results[before], e) if before else ''
        if row == 'reranked': said += f', {1000*e.seconds/len(e.ranks):,.0f} ms a question'
        yield exam.name, row, len(e.ranks), f'{e.mrr(10):.3f}', f'{e.ndcg(10):.3f}', said


def main():
    """Print the table."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument('--only', choices=FOLDS, action='append', help='this set; may be given again')
    parser.add_argument('--quick', action='store_true', help='12 questions of each set: shows that it runs')
    parser.add_argument('--measured', action='store_true', help='nothing new: what has been measured already')
    parser.add_argument('--out', type=Path, help='JSON file for the table, such as bench/people.json, which a chapter shows')
    options = parser.parse_args()
    folder_of_questions()
    import pandas as pd
    from embedtune.evaluation import to_markdown
    table, root = [], FOLDER/'quick' if options.quick else FOLDER
    for name in options.only or FOLDS:
        exam = reports() if name == 'financebench' else collection(name)
        if options.quick: exam = shorter(exam)
        table += rows_of(exam, root/name, options.measured)
    columns = ['questions', 'row', 'number', 'MRR@10', 'nDCG@10', 'verdict']
    found = pd.DataFrame(table, columns=columns)
    if options.out: options.out.write_text(found.to_json(orient='records', indent=1, force_ascii=False) + '\n')
    print(to_markdown(found.set_index('questions')))


if __name__ == '__main__': main()
