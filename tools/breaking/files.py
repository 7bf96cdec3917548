"""Files that the package reads, mutated: truncated, bytes flipped, keys gone or strange, other types, numbers out of bounds, nested deep."""
import json
import math
import random
import shutil
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
    """Whether ranks are whole numbers from 1 on, or none."""
    ranks = [rank for ranks in found.ranks.values() for rank in ranks]
    whole = all(isinstance(rank, float) and rank >= 1 and (rank == float('inf') or rank % 1 == 0) for rank in ranks)
    return whole and finite([found.seconds, found.mrr(10), found.ndcg(10)]) and found.n_corpus >= 1


def sound_vectors(retriever):
    """Whether the vectors of an index are finite, and of length 1."""
    import numpy as np
    lengths = np.concatenate([np.linalg.norm(part.vectors, axis=1) for part in retriever.by_size()])
    return bool(np.allclose(lengths, 1, atol=1e-3))


def made(folder):
    """Small good files of every kind, and what reads them."""
    from embedtune import EmbeddingQAFinetuneDataset, Search, evaluate, load_model, open_index, save_index
    from embedtune.adapter import EmbeddingAdapterFinetuneEngine
    from embedtune.evaluation import Evaluation
    from embedtune.journal import ReplayLLM
    from embedtune.layers import load_adapter
    from embedtune.queries import report_questions
    from embedtune.search import load_search, save_search
    model, dataset = load_model(device='cpu'), report_questions('sample')
    few = dataset.only(list(dataset.queries)[:8])
    few.save_json(folder/'dataset.json')
    yield Case('dataset', folder/'dataset.json', EmbeddingQAFinetuneDataset.from_json, sound_dataset)
    retriever = Search((64,)).retriever(model, few.corpus)
    evaluate(retriever, few).save_json(folder/'evaluation.json')
    yield Case('evaluation', folder/'evaluation.json', Evaluation.from_json, sound_evaluation)
    (folder/'search').mkdir()
    (folder/'search'/'modules.json').write_text('[]')
    save_search(Search((128, 64), bm25_weight=.25), folder/'search')
    yield Case('search settings', folder/'search'/'retriever.json', lambda path: load_search(path.parent),
        lambda found: finite([found.stride, found.context, found.bm25_weight, *found.sizes]) and 0 < found.stride <= 1)
    save_index(retriever, folder/'index')
    for name in ('index.json', 'corpus.json', 'vectors-0.npy', 'windows-0.npy'):
        yield Case(f'index, {name}', folder/'index'/name, lambda path: open_index(path.parent, model), sound_vectors,
            'json' if name.endswith('json') else None)
    engine = EmbeddingAdapterFinetuneEngine(few, model, model_output_path=folder/'adapter', show_progress_bar=False)
    with warnings.catch_warnings(action='ignore'): engine.finetune()
    for name in ('adapter.json', 'adapter.safetensors'):
        yield Case(f'adapter, {name}', folder/'adapter'/name, lambda path: load_adapter(path.parent),
            lambda found: finite([found.alpha]) and 0 <= found.alpha <= 1 and all(weight.sum() == weight.sum() for weight in found.weights.values()),
            'json' if name.endswith('json') else None)
    journal = ReplayLLM(folder/'answers.jsonl', Toy())
    for n in range(4): journal.chat([dict(role='user', content=f'question {n}')])
    yield Case('journal', folder/'answers.jsonl', ReplayLLM,
        lambda found: all(isinstance(answer, str) for answer in found.answers.values()), 'lines')


class Toy:
    """A language model that always answers the same."""
    model, unit, settings, name, concurrency = 'toy', 'node', {}, 'toy', 1
    def chat(self, messages, **settings): return 'Who carries coal?'


def run_files(folder):
    """A finished run, small, and the pages that read it."""
    from embedtune.report import write_report
    root = Path(__file__).resolve().parents[2]/'runs'/'tutorial'
    if not (root/'run.json').is_file(): return
    shutil.copytree(root, folder/'run', ignore=shutil.ignore_patterns('*.safetensors'))
    for name in ('run.json', 'leakage.json', 'model/embedtune.json', 'evaluations/base.json', 'val_dataset.json'):
        yield Case(f'run, {name}', folder/'run'/name, lambda path: write_report(folder/'run', folder/'page.html'))


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
    except (EmbedtuneError, OSError) as error: return 'told' if '\n' not in str(error) else f'SEVERAL LINES {error!r}'
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f'TRACEBACK {type(error).__name__}: {str(error)[:80]} ({Path(last.filename).name}:{last.lineno})'
    finally: case.file.write_bytes(good)


def finds(n, rng):
    """Every kind of file, mutated `n` times."""
    found = Counter()
    with tempfile.TemporaryDirectory() as folder:
        cases = [*made(Path(folder)), *run_files(Path(folder))]
        for case in cases:
            good, outcomes = case.file.read_bytes(), Counter()
            if (outcome := tried(case, good)) != 'read': sys.exit(f'{case.name}: the good file gives {outcome}')
            for _ in range(n): outcomes[tried(case, mutated(good, rng, case.text))] += 1
            told = {name: outcomes.pop(name, 0) for name in ('read', 'told', 'told later')}
            print(f'{case.name}: ' + ', '.join(f'{name} {count}' for name, count in told.items()) + f', finds {outcomes.total()}', flush=True)
            for what, count in outcomes.items(): found[f'{case.name}: {what}'] += count
    return found
