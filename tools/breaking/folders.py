"""Hostile folders: models with code and pickles, runs and indexes with paths that lead out, links. Nothing runs, nothing is read or written elsewhere, one line each."""
import copy
import json
import os
import pickle
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

CODE = 'from pathlib import Path\nPath({!r}).touch()\nclass Run:\n    def __init__(self, *a, **k): Path({!r}).touch()\n    @classmethod\n    def load(cls, *a, **k): return cls()\n    from_pretrained = load\n'
TYPES = ('evilmod.Run', 'evil.evilmod.Run', 'os.system', 'subprocess.Popen', 'builtins.exec', 'sentence_transformers.evilmod.Run', '.evilmod.Run', 'evilmod--evilmod.Run', 'evilmod', '', None, 5,
    ['evilmod.Run'], 'sentence_transformers.models.Nothing', 'sentence_transformers.util.misc.import_from_string', 'sentence_transformers.os.system', '__import__', 'x'*3000, '../evilmod.Run', 'pty.spawn\n')
NONSENSE = (None, True, -1, 1e308, '', '../../x', [], {}, [[]], 'x'*2000, '\ud800', {'': ''}, 10**30, '\x1b[2J')
OUT = ('../../secret.txt', '/etc/passwd', '../secret.txt', 'a/../../secret.txt', '~/.ssh/id_rsa', '/dev/zero', 'C:\\secret', '\x00', 'x'*400)


class Touch:
    """What a pickle of it does when it is loaded."""
    def __init__(self, marker): self.marker = marker
    def __reduce__(self): return (os.system, (f'touch {self.marker}',))


def tiny(folder):
    """A small embedding model that works, and a cross-encoder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast
    words = {word: i for i, word in enumerate(['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'the', 'ferry', 'sails', 'soup', 'when', 'noon', 'at'])}
    cut = Tokenizer(models.WordPiece(words, unk_token='[UNK]'))
    cut.pre_tokenizer = pre_tokenizers.Whitespace()
    named = dict(pad_token='[PAD]', unk_token='[UNK]', cls_token='[CLS]', sep_token='[SEP]', mask_token='[MASK]')
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=cut, model_max_length=64, **named)
    config = BertConfig(vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, max_position_embeddings=64)
    for kind, name in ((BertModel, 'plain'), (BertForSequenceClassification, 'reranker')):
        config.num_labels = 1
        kind(config).save_pretrained(folder/name)
        tokenizer.save_pretrained(folder/name)
    body = Transformer(str(folder/'plain'))
    SentenceTransformer(modules=[body, Pooling(8), Dense(8, 4)], device='cpu').save(str(folder/'model'), create_model_card=False)


def good(folder):
    """A good folder of each kind, and what reads it."""
    from embedtune import EmbeddingQAFinetuneDataset, Search, evaluate, load_documents, load_model, open_index, save_index
    from embedtune.adapter import EmbeddingAdapterFinetuneEngine
    from embedtune.evaluation import Evaluation
    from embedtune.layers import load_adapter
    from embedtune.report import write_report
    from embedtune.reranker import _load_reranker
    from embedtune.runs import open_run
    from embedtune.search import load_retriever, save_search
    tiny(folder)
    corpus = {'n1': 'the ferry sails at noon', 'n2': 'the soup', 'n3': 'at noon'}
    dataset = EmbeddingQAFinetuneDataset({'q1': 'when sails the ferry', 'q2': 'when soup'}, corpus, {'q1': ['n1'], 'q2': ['n2']})
    model = load_model(folder/'model', device='cpu')
    save_search(Search((16,)), folder/'model')
    save_index(Search((16,)).retriever(model, corpus), folder/'index')
    engine = EmbeddingAdapterFinetuneEngine(dataset, model, model_output_path=folder/'adapter', show_progress_bar=False)
    with warnings.catch_warnings(action='ignore'): engine.finetune()
    run = folder/'run'
    dataset.save_json(run/'val_dataset.json')
    dataset.save_json(run/'train_dataset.json')
    for name in ('base', 'finetuned'): evaluate(Search((16,)).retriever(model, corpus), dataset, name=name).save_json(run/'evaluations'/f'{name}.json')
    for name in ('model', 'index'): shutil.copytree(folder/name, run/name)
    told = dict(settings=dict(model=str(folder/'model')), versions={}, sides=dict(train=dict(documents=[])), finished='2026-01-01', table=[dict(retriever='base'), dict(retriever='finetuned')],
        files={'val_dataset.json': '0'})
    (run/'run.json').write_text(json.dumps(told))
    (run/'nodes.json').write_text(json.dumps([dict(id=i, document='a.md', doc_id='a', file='a.md') for i in corpus]))
    (folder/'docs').mkdir()
    (folder/'docs'/'a.md').write_text('# The ferry\n\nThe ferry sails at noon.\n')
    Evaluation.from_json(run/'evaluations'/'base.json')
    def read_run(path):
        found = open_run(path)
        found.search('when sails the ferry', 2, 'shipped'), found.search('when', 2, 'base')
        write_report(path)
    return dict(model=lambda path: load_retriever(path, corpus, device='cpu').search(['when'], 1), reranker=lambda path: _load_reranker(path, 'cpu').predict([('when', 'noon')]),
        index=lambda path: open_index(path, model).search(['when'], 2), adapter=load_adapter, run=read_run, docs=lambda path: load_documents(path, show_progress=False))


def changed_json(path, change):
    """Change what a JSON file holds."""
    content = json.loads(path.read_text())
    changed = change(content)
    path.write_text(json.dumps(content if changed is None else changed))


def planted(folder, marker):
    """Lay code and pickles about in a folder."""
    code = CODE.format(str(marker), str(marker))
    (folder/'evil').mkdir(exist_ok=True)
    for name in ('evilmod.py', 'modeling_bert.py', 'tokenization_evil.py', 'configuration_bert.py', '__init__.py', 'conftest.py', 'setup.py', 'sitecustomize.py', 'evil/__init__.py', 'evil/evilmod.py'): (folder/name).write_text(code)
    for name in ('training_args.bin', 'optimizer.pt', 'scheduler.pt', 'rng_state.pth', 'model.pkl', 'scaler.joblib'): (folder/name).write_bytes(pickle.dumps(Touch(marker)))


def pickled(file, marker):
    """A pickle in place of weights, without safetensors beside it."""
    for weights in file.parent.glob('*.safetensors'): weights.unlink()
    file.write_bytes(pickle.dumps(Touch(marker)))


def attacks(kind, folder, marker, rng):
    """Ways to be hostile with a folder of a kind: (name, what does it)."""
    secret = folder.parent/'secret.txt'
    def replaced(name, value): return lambda: (folder/name).write_bytes((value if isinstance(value, str) else json.dumps(value)).encode('utf-8', 'surrogatepass'))
    def put(name, *keys, value):
        def change(content):
            inside = content
            for key in keys[:-1]: inside = inside[key]
            inside[keys[-1]] = value
        return lambda: changed_json(folder/name, change)
    def linked(name, to=None):
        def link():
            if (folder/name).is_dir() and not (folder/name).is_symlink(): shutil.rmtree(folder/name)
            (folder/name).unlink(missing_ok=True)
            (folder/name).symlink_to(to or secret)
        return link
    foreign = rng.choice(TYPES)
    nonsense = rng.choice(NONSENSE)
    out = rng.choice(OUT)
    every = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob('*')) if path.is_file()]
    some = rng.choice(every)
    jsons = [name for name in every if name.endswith('.json')]
    shared = [(f'link of {some}', linked(some)), (f'loop of {some}', linked(some, folder/some)), (f'folder in place of {some}', lambda: ((folder/some).unlink(), (folder/some).mkdir())),
        (f'nothing in {some}', lambda: (folder/some).write_text(''))]
    if jsons:
        some_json = rng.choice(jsons)
        shared.append((f'{some_json}: {nonsense!r:.20}', replaced(some_json, nonsense)))
        def inside(content):
            if isinstance(content, dict) and content: content[rng.choice(list(content))] = nonsense
            else: return nonsense
        shared.append((f'in {some_json}: {nonsense!r:.20}', lambda: changed_json(folder/some_json, inside)))
    auto = {'AutoModel': 'evilmod.Run', 'AutoConfig': 'evilmod.Run', 'AutoTokenizer': ['evilmod.Run', None], 'AutoModelForSequenceClassification': 'evilmod.Run'}
    models = [('auto_map', put('config.json', 'auto_map', value=auto)), ('auto_map, unknown kind', lambda: (put('config.json', 'auto_map', value=auto)(), put('config.json', 'model_type', value='evil')())),
        ('tokenizer auto_map', put('tokenizer_config.json', 'auto_map', value=dict(AutoTokenizer=['evilmod.Run', 'evilmod.Run']))),
        ('tokenizer class', put('tokenizer_config.json', 'tokenizer_class', value='evilmod.Run')), ('architectures', put('config.json', 'architectures', value=[foreign])),
        ('config nonsense', put('config.json', rng.choice(['architectures', 'model_type', 'hidden_size', 'auto_map', 'quantization_config', 'dtype']), value=nonsense)),
        ('pickled weights', lambda: pickled(folder/'pytorch_model.bin', marker)), ('an adapter', lambda: (folder/'adapter_config.json').write_text(json.dumps(dict(
            peft_type='LORA', auto_mapping=dict(base_model_class='Run', parent_library='evilmod'), base_model_name_or_path=out, target_modules=['query'], r=2)))),
        ('chat template', lambda: (folder/'chat_template.jinja').write_text("{{ ''.__class__.__mro__[1].__subclasses__() }}")), ('weights lead out', lambda: (folder/'model.safetensors.index.json').write_text(
            json.dumps(dict(metadata={}, weight_map={'a': out}))))]
    if kind == 'model':
        modules = [('foreign type', put('modules.json', rng.choice([0, 1, 2]), 'type', value=foreign)), ('module leads out', put('modules.json', rng.choice([0, 1, 2]), 'path', value=out)),
            ('modules', replaced('modules.json', rng.choice([[], [5], {}, [{}], 'x', None, [dict(idx=0, name='0', path='', type=foreign)], [[dict()]]]))),
            ('one more', lambda: changed_json(folder/'modules.json', lambda found: found + [dict(idx=3, name='3', path='', type=foreign)])),
            ('activation', put('2_Dense/config.json', 'activation_function', value=foreign)), ('pickled layer', lambda: pickled(folder/'2_Dense'/'pytorch_model.bin', marker)),
            ('kind', put('config_sentence_transformers.json', 'model_type', value=rng.choice(NONSENSE))), ('prompts', put('config_sentence_transformers.json', 'prompts', value=rng.choice(NONSENSE))),
            ('function', put('config_sentence_transformers.json', 'similarity_fn_name', value=foreign)), ('search', replaced('retriever.json', dict(sizes=nonsense))),
            ('body', put('sentence_bert_config.json', rng.choice(['transformer_task', 'modality_config', 'model_args', 'config_args', 'tokenizer_args', 'processing_kwargs']),
                value=rng.choice([nonsense, dict(trust_remote_code=True), dict(model=dict(trust_remote_code=True))])))]
        return [*shared, *models, *modules*2]
    if kind == 'reranker': return [*shared, *models*2, ('activation', put('config.json', 'sentence_transformers', value=dict(activation_fn=foreign, version='5'))),
        ('no ST', lambda: (folder/'config_sentence_transformers.json').write_text(json.dumps(dict(model_type='CrossEncoder', activation_fn=foreign))))]
    if kind == 'index': return [*shared, *[(f'pickled {name}', lambda name=name: np.save(folder/name, np.array([Touch(marker)], object), allow_pickle=True)) for name in ('vectors-0.npy', 'windows-0.npy')]*3,
        *[(f'pickle as {name}', lambda name=name: (folder/name).write_bytes(pickle.dumps(Touch(marker)))) for name in ('vectors-0.npy', 'corpus.json')], ('store', put('index.json', 'store', value=rng.choice(['lancedb', out, nonsense]))),
        ('part', put('index.json', 'parts', value=[dict(size=out, file=out)])), ('words', put('index.json', 'words', value=out))]
    if kind == 'adapter':
        def llama():
            (folder/'adapter.json').unlink()
            pickled(folder/'pytorch_model.bin', marker)
            (folder/'config.json').write_text(json.dumps(rng.choice([dict(in_features=4, out_features=4), nonsense])))
        def odd():
            import torch
            llama()
            torch.save(rng.choice([5, [1], dict(a=5), {5: torch.zeros(2)}, dict(weight=torch.zeros(4, 4))]), folder/'pytorch_model.bin')
        return [*shared, ('kind', put('adapter.json', 'kind', value=foreign)), ('settings', put('adapter.json', 'settings', value=rng.choice([nonsense, dict(cls=foreign), dict(in_features=10**9, out_features=10**9)]))),
            ('LlamaIndex, pickled', llama), ('LlamaIndex, odd', odd), ('pickle as weights', lambda: (folder/'adapter.safetensors').write_bytes(pickle.dumps(Touch(marker))))]
    if kind == 'run': return [*shared, ('files lead out', put('run.json', 'files', value={out: '0', '../secret.txt': '0', '/etc/passwd': '0'})), ('table leads out', put('run.json', 'table', value=[dict(retriever=out)])),
        ('model leads out', put('run.json', 'settings', 'model', value=out)), ('nodes', put('nodes.json', 0, 'file', value=out)), ('document', put('nodes.json', 0, 'document', value=rng.choice([out, nonsense]))),
        ('sides', put('run.json', 'sides', value=rng.choice([nonsense, dict(train=nonsense), dict(train=dict(documents=nonsense))]))), ('report is a link', lambda: (folder/'report.html').symlink_to(secret)),
        ('evaluations are a link', linked('evaluations', folder.parent)), ('foreign model', lambda: changed_json(folder/'model'/'modules.json', lambda found: found + [dict(idx=3, name='3', path='', type=foreign)])),
        ('pickled index', lambda: np.save(folder/'index'/'vectors-0.npy', np.array([Touch(marker)], object), allow_pickle=True)), ('guard', lambda: (folder/'model'/'embedtune.json').write_text(json.dumps(nonsense)))]
    return [('a link out', lambda: (folder/'b.md').symlink_to(secret)), ('a link to a folder', lambda: (folder/'b').symlink_to('/etc')), ('a loop', lambda: (folder/'b').symlink_to(folder)),
        ('a device', lambda: (folder/'b.md').symlink_to('/dev/zero')), ('a broken link', lambda: (folder/'b.md').symlink_to(out.replace('\0', 'x')[:200])), ('a folder named so', lambda: (folder/'b.pdf').mkdir()),
        ('bytes', lambda: Path(os.fsdecode(os.fsencode(folder) + b'/\xff\xe9.md')).write_text('Soup.')), ('deep', lambda: folder.joinpath(*['d']*200).mkdir(parents=True))]


def tried(read, path, marker, secret):
    """What happens when a hostile folder is read: 'read', 'told', or what was found."""
    from embedtune import EmbedtuneError
    before = secret.read_text()
    try:
        with warnings.catch_warnings(action='ignore'): found = read(path)
        if 'the secret' in repr(found): return 'READ WHAT LIES ELSEWHERE'
        outcome = 'read'
    except (EmbedtuneError, OSError) as error: outcome = 'told' if '\n' not in str(error) and 'the secret' not in str(error) else f'SEVERAL LINES {error!r:.200}'
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)
        ours = [place for place in last if '/embedtune/' in place.filename][-1:]
        outcome = f'TRACEBACK {type(error).__name__}: {str(error)[:80]} ({", ".join(f"{Path(place.filename).name}:{place.lineno}" for place in [*ours, last[-1]])})'
    if marker.exists():
        marker.unlink()
        return 'RAN CODE'
    page = path/'report.html'
    if page.is_file() and not page.is_symlink() and 'the secret' in page.read_text(): return 'SHOWED WHAT LIES ELSEWHERE'
    return outcome if secret.read_text() == before else 'WROTE ELSEWHERE'


def finds(n, rng):
    """`n` hostile folders in all, of six kinds."""
    found, outcomes, here = Counter(), {}, os.getcwd()
    with tempfile.TemporaryDirectory() as place:
        place = Path(place).resolve()
        marker, secret = place/'ran', place/'work'/'secret.txt'
        with warnings.catch_warnings(action='ignore'): readers = good(place)
        (place/'work').mkdir()
        secret.write_text('the secret lies here')
        for kind, read in readers.items():
            if (outcome := tried(read, place/kind, marker, secret)) != 'read': sys.exit(f'{kind}: the good folder gives {outcome}')
        kinds = ['model']*4 + ['run']*3 + ['reranker', 'index', 'adapter', 'adapter', 'docs']
        for _ in range(n):
            kind = rng.choice(kinds)
            folder = place/'work'/kind
            shutil.copytree(place/kind, folder)
            if kind != 'docs': planted(folder, marker)
            what, attack = rng.choice(attacks(kind, folder, marker, rng))
            os.chdir(folder) # as where a user unpacked it
            known = copy.copy(sys.modules), sys.path[:]
            if rng.random() < .5: sys.path.insert(0, '') # as `python` without a script has it
            try:
                attack()
                outcome = tried(readers[kind], folder, marker, secret)
            finally:
                os.chdir(here)
                sys.path[:] = known[1]
                for name in {*sys.modules} - {*known[0]}:
                    if 'evil' in name: del sys.modules[name]
            outcomes.setdefault(kind, Counter())[outcome if outcome in ('read', 'told') else f'{outcome} by {what}'] += 1
            shutil.rmtree(folder)
    for kind, counts in outcomes.items():
        held = {name: counts.pop(name, 0) for name in ('read', 'told')}
        print(f'{kind}: ' + ', '.join(f'{name} {count}' for name, count in held.items()) + f', finds {counts.total()}', flush=True)
        for what, count in counts.items(): found[f'{kind}: {what}'] += count
    return found
