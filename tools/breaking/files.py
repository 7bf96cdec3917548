"""Files that the package reads, mutated: cut short, bytes flipped, keys gone or strange, other types, out of bounds, nested deep."""
import json
import math
import os
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path

NONSENSE = (None, True, -1, 0, 1e308, float('nan'), float('inf'), .5, 10**400, '', '5', '../../x', '\ud800', [], {}, [[]],
    {'': ''}, 'é'*3, {'a': {'b': [1]}})


def places(content, path=()):
    """Every place in what a JSON file holds."""
    yield path
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in list(items)[:20]: yield from places(value, (*path, key))


def changed(content, rng):
    """The content, something done to one place in it."""
    path = rng.choice(list(places(content)))
    if not path: return rng.choice(NONSENSE)
    inside = content
    for key in path[:-1]: inside = inside[key]
    what = rng.randrange(4)
    if what == 0: inside[path[-1]] = rng.choice(NONSENSE)
    if what == 1: del inside[path[-1]]
    if what == 2 and isinstance(inside, dict): inside[rng.choice(['x', '', '__class__', 'é'])] = rng.choice(NONSENSE)
    if what == 3:
        for _ in range(rng.choice([3, 2000])): inside[path[-1]] = [inside[path[-1]]]
    return content


def mutated(blob, rng, text):
    """The bytes of a file, mutated; `text` says whether it is JSON, one object or one a line."""
    if text and rng.random() < .75:
        try:
            if text == 'lines':
                lines = blob.split(b'\n')
                n = rng.randrange(len(lines))
                if lines[n]: lines[n] = json.dumps(changed(json.loads(lines[n]), rng)).encode('utf-8', 'surrogatepass')
                return b'\n'.join(lines)
            return json.dumps(changed(json.loads(blob), rng)).encode('utf-8', 'surrogatepass')
        except (ValueError, RecursionError): pass
    what, place = rng.randrange(5), rng.randrange(max(1, len(blob)))
    if what == 0: return blob[:place]
    if what == 1: return blob[:place] + bytes([rng.randrange(256)]) + blob[place + 1:]
    if what == 2: return blob[:place] + rng.randbytes(8) + blob[place:]
    if what == 3: return b''
    return blob[:place] + blob[place:][:40]*30 + blob[place:]


class Case:
    """A kind of file: where a good one lies, what reads it, and what must hold of what was read."""
    def __init__(self, name, file, read, sound=lambda found: True, text='json'):
        self.name, self.file, self.read, self.sound, self.text = name, Path(file), read, sound, text


def finite(numbers):
    """Whether all of them are finite numbers."""
    return all(isinstance(n, (int, float)) and not isinstance(n, bool) and math.isfinite(n) for n in numbers)


def sound_dataset(dataset):
    """Whether a dataset holds what a dataset may hold."""
    texts = [*dataset.queries.values(), *dataset.corpus.values()]
    return all(isinstance(text, str) for text in texts) and dataset.validate() is None


def sound_evaluation(found):
    """Whether ranks are whole numbers from 1 on, or none, and the metrics lie between 0 and 1."""
    ranks = [rank for ranks in found.ranks.values() for rank in ranks]
    def good(rank): return isinstance(rank, float) and (rank == math.inf or 1 <= rank <= found.n_corpus and rank % 1 == 0)
    metrics = [*found.metrics.values()]
    return all(map(good, ranks)) and finite([found.seconds, *metrics]) and all(0 <= value <= 1 for value in metrics)


def sound_vectors(retriever):
    """Whether the vectors of an index are finite, of length 1, and those of its texts."""
    import numpy as np
    parts = retriever.by_size()
    windows = [(w, retriever.corpus[i]) for part in parts for i in part.ids for w in part.windows_of(i)]
    inside = all(0 <= w.start <= w.end <= len(text) for w, text in windows)
    return inside and all(np.allclose(np.linalg.norm(part.vectors, axis=1), 1, atol=1e-3) for part in parts)


class Toy:
    """A language model that always answers the same."""
    model, unit, settings, name, concurrency = 'toy', 'node', {}, 'toy', 1
    def chat(self, messages, **settings): return 'Who carries coal?'


class Letters:
    """An embedding model that counts letters."""
    fingerprint, name, max_seq_length = 'letters', 'letters', None
    def encode_document(self, texts):
        import numpy as np
        letters = 'abcdefghijklmnopqrstuvwxyz'
        counts = np.array([[text.lower().count(letter) + .01 for letter in letters] for text in texts], np.float32)
        return counts/np.linalg.norm(counts, axis=1, keepdims=True)
    encode_query = encode_document


def tiny(folder):
    """A SentenceTransformer that is small enough to be loaded a hundred times."""
    import torch
    from embedtune import load_model
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel
    tokenizer = load_model(device='cpu', bare=True).tokenizer
    torch.manual_seed(0)
    sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    config = BertConfig(vocab_size=len(tokenizer), **sizes)
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    words = Transformer(str(folder), max_seq_length=64)
    return SentenceTransformer(modules=[words, Pooling(words.get_embedding_dimension()), Normalize()], device='cpu')


def questions():
    """Eight questions on eight passages."""
    from embedtune import EmbeddingQAFinetuneDataset
    carried = ('coal', 'timber', 'people', 'letters', 'dogs', 'apples', 'bicycles', 'an orchestra')
    corpus = {f'n{n}': f'Boat {n*7} leaves pier {n} at {n + 6}:30.\nIt carries {what}; the fare is {n*3 + 4} crowns.'
        for n, what in enumerate(carried)}
    queries = {f'q{n}': f'Which boat carries {what}?' for n, what in enumerate(carried)}
    return EmbeddingQAFinetuneDataset(queries, corpus, {f'q{n}': [f'n{n}'] for n in range(8)}, written_by='people')


def of_texts(folder, few):
    """Datasets, evaluations, journals, batches, and what people bring."""
    from embedtune import BM25Retriever, EmbeddingQAFinetuneDataset, evaluate
    from embedtune.core import _write_json
    from embedtune.evaluation import Evaluation
    from embedtune.journal import ReplayLLM, _BatchState
    from embedtune.queries import read_queries
    from embedtune.trec import load_beir, load_qrels, load_run, save_beir, save_qrels
    few.save_json(folder/'val_dataset.json')
    few.save_json(folder/'train_dataset.json')
    wrong = {q: [next(i for i in few.corpus if i not in ids)] for q, ids in few.relevant_docs.items()}
    full = EmbeddingQAFinetuneDataset(few.queries, few.corpus, few.relevant_docs, doc_ids=dict.fromkeys(few.corpus, 'a.pdf'),
        written_by=dict.fromkeys(few.queries, 'people'), negative_docs=wrong)
    full.save_json(folder/'dataset.json')
    yield Case('dataset', folder/'dataset.json', EmbeddingQAFinetuneDataset.from_json, sound_dataset)
    beside = lambda path: EmbeddingQAFinetuneDataset.from_json(path.with_name('val_dataset.json'))
    yield Case('dataset, train beside val', folder/'train_dataset.json', beside, sound_dataset)
    evaluate(BM25Retriever(few.corpus), full).save_json(folder/'evaluation.json')
    yield Case('evaluation', folder/'evaluation.json', Evaluation.from_json, sound_evaluation)
    journal = ReplayLLM(folder/'answers.jsonl', Toy())
    for n in range(4): journal.chat([dict(role='user', content=f'question {n}')])
    texts = lambda found: [text for pair in found.answers.items() for text in pair]
    sound = lambda found: all(isinstance(text, str) for text in texts(found)) and isinstance(found.settings, dict)
    yield Case('journal', folder/'answers.jsonl', ReplayLLM, sound, 'lines')
    batches = [dict(id='batch_1', tag='0a', input='ff', requests=3), dict(id=None, tag='0b', input='fe', requests=1)]
    _write_json(batches, folder/'answers.jsonl.batch.json')
    yield Case('batch state', folder/'answers.jsonl.batch.json', lambda path: _BatchState(folder/'answers.jsonl'),
        lambda found: all(finite([entry['requests']]) and isinstance(entry['tag'], str) for entry in found.batches))
    rows = [dict(query=text, node_ids=few.relevant_docs[q], page=3) for q, text in few.queries.items()]
    (folder/'asked.jsonl').write_text('\n'.join(map(json.dumps, rows)))
    _write_json(rows, folder/'asked.json')
    (folder/'asked.csv').write_text('query;page;passage\n' + '\n'.join(f'"{row["query"]}";3;coal' for row in rows))
    asked = lambda found: all(isinstance(query.text, str) and query.text.strip() for query in found)
    for name, text in (('asked.jsonl', 'lines'), ('asked.json', 'json'), ('asked.csv', None)):
        yield Case(f'people\'s questions, {name}', folder/name, read_queries, asked, text)
    qrels = {q: {i: 1 for i in ids} for q, ids in few.relevant_docs.items()}
    save_qrels(qrels, folder/'qrels.txt')
    grades = lambda found: finite(n for grades in found.values() for n in grades.values())
    yield Case('qrels of TREC', folder/'qrels.txt', load_qrels, grades, None)
    ranked = [f'{q} Q0 {i} {n} {9 - n} toy' for q, ids in qrels.items() for n, i in enumerate(ids, 1)]
    (folder/'run.txt').write_text('\n'.join(ranked))
    scores = lambda found: finite(score for ranked in found.values() for _, score in ranked)
    yield Case('run of TREC', folder/'run.txt', load_run, scores, None)
    save_beir(few, folder/'beir')
    for name in ('corpus.jsonl', 'queries.jsonl', 'qrels/test.tsv'):
        text = 'lines' if name.endswith('jsonl') else None
        yield Case(f'BEIR, {name}', folder/'beir'/name, lambda path: load_beir(folder/'beir'), sound_dataset, text)


def of_vectors(folder, few, model, retriever):
    """Indexes, migrations, kept vectors, a corpus in parts."""
    import numpy as np
    from embedtune import Search, open_index, save_index
    from embedtune.corpus import embed_corpus
    from embedtune.core import _write_json
    from embedtune.embedding import VectorCache, _PrecomputedEmbedding, encode
    from embedtune.migrate import Migration
    save_index(retriever, folder/'index')
    for name in ('index.json', 'corpus.json', 'vectors-0.npy', 'windows-0.npy'):
        text = 'json' if name.endswith('json') else None
        yield Case(f'index, {name}', folder/'index'/name, lambda path: open_index(path.parent, model), sound_vectors, text)
    _write_json(dict(model='letters', done=list(few.corpus)[:3]), folder/'moved'/'migration.json')
    def state(path): return Migration(folder/'index', model, model, path.parent, search=Search(())).state
    yield Case('migration', folder/'moved'/'migration.json', state, lambda said: set(said['done']) <= set(few.corpus))
    cache, keys = VectorCache(folder/'vectors.sqlite'), [f'{n:064x}' for n in range(40)]
    cache.put(keys, encode(Letters(), list(few.corpus.values())*5)[:40])
    yield Case('vector cache', folder/'vectors.sqlite', lambda path: VectorCache(path).get(keys),
        lambda found: all(vector is None or np.isfinite(vector).all() for vector in found), None)
    np.savez(folder/'given.npz', texts=list(few.corpus.values()), vectors=encode(Letters(), list(few.corpus.values())))
    sound = lambda found: np.isfinite(found.vectors).all()
    yield Case('given vectors', folder/'given.npz', _PrecomputedEmbedding.load, sound, None)
    (folder/'rows.jsonl').write_text('\n'.join(json.dumps(dict(id=i, text=text)) for i, text in few.corpus.items()))
    def again(path=None):
        return embed_corpus(folder/'rows.jsonl', Letters(), folder/'parts', Search(()), 'exact', show_progress=False)
    again()
    sound = lambda said: sound_vectors(open_index(folder/'parts', Letters()))
    yield Case('corpus, rows', folder/'rows.jsonl', again, sound, 'lines')
    yield Case('corpus, parts.json', folder/'parts'/'parts.json', again, sound)
    read = lambda path: open_index(path.parent, Letters())
    yield Case('corpus, index.json', folder/'parts'/'index.json', read, sound_vectors)


def of_models(folder, few, model):
    """What lies beside weights: search settings, manifests, adapters, towers, an export, checkpoints."""
    import numpy as np
    import torch
    from embedtune import Search
    from embedtune.adapter import EmbeddingAdapterFinetuneEngine
    from embedtune.core import _write_json
    from embedtune.embedding import fingerprint
    from embedtune.layers import load_adapter
    from embedtune.reranker import _told_by_folder
    from embedtune.saving import _SEAL, _hashes, _is_whole
    from embedtune.search import load_search, save_search
    from embedtune.tower import TowerEmbeddingModel
    from embedtune.export import OnnxEmbedding, export_onnx
    (folder/'search').mkdir()
    (folder/'search'/'modules.json').write_text('[]')
    save_search(Search((128, 64), bm25_weight=.25), folder/'search')
    numbers = lambda found: [found.stride, found.context, found.bm25_weight, found.depth, *(found.sizes or ())]
    yield Case('search settings', folder/'search'/'retriever.json', lambda path: load_search(path.parent),
        lambda found: finite(numbers(found)) and 0 < found.stride <= 1)
    engine = EmbeddingAdapterFinetuneEngine(few, model, model_output_path=folder/'adapter', show_progress_bar=False)
    with warnings.catch_warnings(action='ignore'): engine.finetune()
    def sound(found):
        return finite([found.alpha]) and 0 <= found.alpha <= 1 and all(np.isfinite(each).all() for each in found.weights.values())
    for name, text in (('adapter.json', 'json'), ('adapter.safetensors', None)):
        yield Case(f'adapter, {name}', folder/'adapter'/name, lambda path: load_adapter(path.parent), sound, text)
    _write_json(dict(in_features=4, out_features=4, bias=True), folder/'llama'/'config.json')
    torch.save({'linear.weight': torch.eye(4), 'linear.bias': torch.zeros(4)}, folder/'llama'/'pytorch_model.bin')
    for name, text in (('config.json', 'json'), ('pytorch_model.bin', None)):
        yield Case(f'LlamaIndex adapter, {name}', folder/'llama'/name, lambda path: load_adapter(path.parent), sound, text)
    manifest = dict(base='mini', questions=8, nodes=8, loss='ListNetLoss', history=[dict(step=1, epoch=1., loss=.5)],
        settings=dict(top_n=20, weight=.5, num_negatives=2))
    _write_json(manifest, folder/'reranker'/'embedtune.json')
    yield Case('reranker settings', folder/'reranker'/'embedtune.json', lambda path: _told_by_folder(path.parent),
        lambda told: finite([told.get('top_n') or 20, told.get('weight') or 1.]))
    small = tiny(folder/'bert')
    small.save_pretrained(str(folder/'tower'))
    told = dict(epochs=1, batch_size=64, learning_rate=1e-4, scale=20., max_nodes=None, seed=1, unjudged=False, alpha=.5)
    _write_json(told | dict(base=fingerprint(small), questions=8), folder/'tower'/'tower.json')
    yield Case('tower', folder/'tower'/'tower.json', lambda path: TowerEmbeddingModel.from_model_path(path.parent, small, 'cpu'),
        lambda found: np.isfinite(found.encode_query(['coal'])).all())
    export_onnx(small, folder/'onnx')
    for name in ('onnx.json', 'tokenizer.json', 'model.onnx'):
        yield Case(f'export, {name}', folder/'onnx'/name, lambda path: OnnxEmbedding(path.parent),
            lambda found: np.isfinite(found.encode_query(['coal'])).all(), 'json' if name == 'onnx.json' else None)
    (folder/'checkpoint-1').mkdir()
    (folder/'checkpoint-1'/'weights').write_bytes(b'1234')
    _write_json(_hashes(folder/'checkpoint-1'), folder/'checkpoint-1'/_SEAL)
    yield Case('seal of a checkpoint', folder/'checkpoint-1'/_SEAL, lambda path: _is_whole(path.parent))


def page_of(folder):
    """The page of a run, without the figures, which take long."""
    from embedtune import EmbeddingQAFinetuneDataset
    from embedtune.report import _read_run, _report_page, _run_evaluations, _run_settings
    run = _read_run(folder)
    dataset = EmbeddingQAFinetuneDataset.from_json(folder/'val_dataset.json')
    return _report_page(dataset, _run_evaluations(folder, run), settings=_run_settings(folder, run))


def of_runs(folder, few, model, retriever):
    """A finished run by two sides, one by one folder, a ladder, and what people said."""
    from embedtune import BM25Retriever, evaluate, save_index
    from embedtune.core import _write_json
    from embedtune.journal import _append_jsonl, _read_jsonl
    from embedtune.labels import _merged, read_labels
    from embedtune.ladders import _file_names, _Job
    from embedtune.pipeline import _USUAL, _records, _Run
    from embedtune.runs import open_run
    evaluations = [evaluate(BM25Retriever(few.corpus), few, name=name) for name in _USUAL]
    told = dict(before='base', after='finetuned', decision='MARGINAL', reason='few', whose='that people wrote')
    settings = dict(llm='toy', model='mini', questions=8, epochs=1, batch_size=64, seed=42, allow_leakage=False, llm_only=False)
    side = dict(llm='toy', questions=8, documents=['ff'], names=['a.pdf'], model='mini')
    said = dict(settings=settings, versions=dict(torch='2'), sides=dict(train=side, val=side), finished='2026-01-01',
        table=_records(evaluations), by_writer=dict(people=_records(evaluations)), verdicts=[told],
        recommendation=dict(method='base', reason='few'), files={'val_dataset.json': 'ff'})
    manifest = dict(base='mini', settings=dict(alpha=.5, epochs=1, dims=[64, 32]), guard='the base stays',
        history=[dict(step=1, epoch=.5, loss=.3, kept_out=0.)])
    for name, measured in (('run', 'run'), ('run of one folder', 'one/evaluated')):
        place = folder/measured.split('/')[0]
        few.save_json(place/'val_dataset.json')
        few.save_json(place/'train_dataset.json')
        for e, file in zip(evaluations, _file_names(_USUAL).values()): e.save_json(folder/measured/'evaluations'/f'{file}.json')
        _write_json(manifest, folder/measured/'model'/'embedtune.json')
        shipped = dict(key='ff', tuned_again=True, questions=8, what='on both sides')
        _write_json(said | (dict(shipped=shipped) if place.name == 'one' else {}), place/'run.json')
        inside = (folder/measured/file for file in ('model/embedtune.json', 'evaluations/base.json'))
        for path in (place/'run.json', place/'val_dataset.json', *inside):
            yield Case(f'{name}, {path.name}', path, lambda path, place=place: page_of(place), lambda page: '<table' in page)
        going_on = lambda path: _Run(path.parent, llm=Toy())
        yield Case(f'{name}, run.json as a run goes on', place/'run.json', going_on, lambda job: isinstance(job.sides, dict))
    one = folder/'one'
    save_index(retriever, one/'index')
    where = dict(document='a.pdf', doc_id='a', page=1, page_end=2, heading='Coal', sha256='ff', file='/a.pdf')
    _write_json([dict(id=i, boxes=[[1, 5.5, 5., 90., 20.]], **where) for i in few.corpus], one/'nodes.json')
    def opened(path=None):
        run = open_run(one)
        return run, run.search('Who carries coal?', 3, by='BM25')
    hits = lambda found: all(isinstance(hit.place, str) and finite([hit.score]) for hit in found[1])
    for file in ('run.json', 'nodes.json', 'index/index.json', 'index/corpus.json'):
        yield Case(f'search in a run, {file}', one/file, opened, hits)
    query, ids = next(iter(few.relevant_docs.items()))
    step = dict(question=query, at='2026-01-01T00:00:00+00:00')
    judged = dict(do='done', text='Coal?', written_by=None, grades={ids[0]: 3}, **step)
    for each in (dict(do='judge', node=ids[0], grade=3, **step), judged, dict(do='undo'), dict(do='skip', **step)):
        _append_jsonl(one/'labels'/'ann.jsonl', each)
        _append_jsonl(one/'labels'/'bo.jsonl', each)
    good = lambda grade: grade in (0, 1, 2, 3) and not isinstance(grade, bool)
    yield Case('labels', one/'labels'/'ann.jsonl', lambda path: _merged(read_labels(one)),
        lambda said: all(good(grade) for grades in said.values() for grade in grades.values()), 'lines')
    for n in range(4): _append_jsonl(one/'queries.jsonl', dict(question=f'Where is pier {n}?'))
    rows = lambda found: all(isinstance(row, dict) for row in found)
    yield Case('log of queries', one/'queries.jsonl', _read_jsonl, rows, 'lines')
    job = _Job(few, few, out=folder/'ladder', show_progress=False)
    job.rung('BM25', {})
    for file in ('rungs', 'evaluations'):
        yield Case(f'ladder, {file}', folder/'ladder'/file/'bm25.json', lambda path: job.rung('BM25', {}),
            lambda rung: finite([rung.train_seconds, rung.new_vectors, rung.query_ms]) and sound_evaluation(rung.evaluation))


def made(folder):
    """Small good files of every kind, and what reads them."""
    from embedtune import Search
    few, model = questions(), Letters()
    retriever = Search(()).retriever(model, few.corpus)
    parts = dict(texts=(of_texts, few), vectors=(of_vectors, few, model, retriever),
        runs=(of_runs, few, model, retriever), models=(of_models, few, model))
    for name, (part, *given) in parts.items():
        (folder/name).mkdir()
        yield from part(folder/name, *given)


def tried(case, blob):
    """What happens where the file holds these bytes: 'read', 'told', or what was found."""
    from embedtune import EmbedtuneError
    good = case.file.read_bytes()
    case.file.write_bytes(blob)
    try:
        with warnings.catch_warnings(action='ignore'): found = case.read(case.file)
        try: return 'read' if case.sound(found) else 'NONSENSE'
        except EmbedtuneError: return 'told later'
        except Exception as error: return f'NONSENSE {type(error).__name__}: {str(error)[:80]}'
    except EmbedtuneError as error: return 'told' if '\n' not in str(error) else f'SEVERAL LINES {error!r}'
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f'TRACEBACK {type(error).__name__}: {str(error)[:80]} ({Path(last.filename).name}:{last.lineno})'
    finally: case.file.write_bytes(good)


def finds(n, rng):
    """Every kind of file, mutated `n` times."""
    found, total = Counter(), Counter()
    show = os.environ.get('BREAK_SHOW') # one find of each kind is kept there
    with tempfile.TemporaryDirectory() as folder:
        for case in made(Path(folder)):
            good, outcomes = case.file.read_bytes(), Counter()
            if (outcome := tried(case, good)) != 'read': sys.exit(f'{case.name}: the good file gives {outcome}')
            for _ in range(n):
                blob = mutated(good, rng, case.text)
                outcomes[outcome := tried(case, blob)] += 1
                if show and outcome.split()[0] not in ('read', 'told'):
                    Path(show, f'{case.name} {outcomes[outcome]}'.replace('/', '-')).write_bytes(blob)
            told = {name: outcomes.pop(name, 0) for name in ('read', 'told', 'told later')}
            total += Counter(told)
            counts = ', '.join(f'{name} {count}' for name, count in told.items())
            print(f'{case.name}: {counts}, finds {outcomes.total()}', flush=True)
            for what, count in outcomes.items(): found[f'{case.name}: {what}'] += count
    counts = ', '.join(f'{name} {count}' for name, count in total.items())
    print(f'{total.total() + found.total():,} files: {counts}, finds {found.total()}')
    return found
