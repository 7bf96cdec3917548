"""Command lines that are wrong somewhere: values drawn for the parser's own options, strange words, odd consoles. Each is refused in a line, before work."""
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock

WHOLE = ('-1', 'x', '1.5', 'nan', '', '1e3', '9'*23, '0x10', '-0.0', '5\x1b[2J', 'inf', '9'*5000, '0')
REAL = ('nan', 'x', '', '-1', 'inf', '-inf', '1e999', '1,5', '--', '0.5.5', '\udcff')
WORDS = ('', '\udce9', 'a\x00b')
FILES = ('missing.json', '', 'folder', 'a\x00b', 'x'*5000, '\ud800', 'latin.txt', 'broken.json', 'list.json', 'empty.json', 'data.json/in', '/dev/null')
PLACES = ('', 'a\x00b', 'x'*5000, '\ud800', 'data.json', 'data.json/in', '/proc/x', '/dev/null/x')
MODELS = ('', 'no/such-model', 'data.json', 'folder', 'a\x00b', '\ud800', '../../x', 'x'*3000, 'a/b/c/d', 'foreign')
DOCUMENTS = ('missing.pdf', '', 'a\x00b', 'folder', 'x'*5000, '\ud800', 'broken.pdf', 'blank.txt')
NONE_IS_FINE = {'--frozen-layers', '--hard-negatives', '--chunk-overlap', '--max-usd', '--max-requests', '--port', '--num-gpus', '--seed',
    '--grace', '--waiting'}
OWN = {
    '--llm': ('', 'http://', 'ftp://host toy', 'http:///v1 toy', 'http://127.0.0.1:99999/v1 toy', 'http://[::1 toy', 'a\x00b', '\ud800', 'http://127.0.0.1:9/v1'),
    '--engine': ('nopdf', '', 'PDFIUM\x1b[1m'), '--style': ('funny', '', 'short,exam'), '--methods': ('NUDGE', 'none', ''), '--by': ('tuned', ''),
    '--kind': ('cubic', ''), '--store': ('qdrant', ''), '--openai-embeddings': ('text-embedding-3-small', ''), '--device': ('tpu9', 'cuda:99', '', 'cpu:x'),
    '--alpha': (*REAL, '1.5'), '--learning-rate': (*REAL, '0', '5'), '--worthwhile': (*REAL, '2'), '--tolerance': (*REAL, '9'), '--timeout': (*REAL, '0'),
    '--host': ('', 'no host', '256.1.1.1', 'a\x00b', '\ud800'), '--seed': (*WHOLE[:-1], str(2**32)), '--port': (*WHOLE[:-1], '65536'), '--n': WHOLE, '--k': WHOLE,
    '--batch-size': (*WHOLE, '1'), '--price': (*REAL, '1'), '--dims': WHOLE, '--sizes': (*WHOLE, '100000'), '--name': WORDS, '--judge': WORDS,
    '--reasoning-effort': WORDS, '--address': ('', 'nowhere', 'ray://'), '--lora': WHOLE, 'documents': DOCUMENTS, 'source': DOCUMENTS, '--train': DOCUMENTS,
    '--val': DOCUMENTS, '--model': MODELS, '--models': MODELS, '--reranker': MODELS, 'question': ('', ' ', *WORDS), '--questions': WHOLE}


class Worked(BaseException):
    """What was wrong was not seen before work began."""


class Paid(BaseHTTPRequestHandler):
    """An LLM that counts what it is asked."""
    asked = 0
    def do_POST(self): Paid.asked += 1; self.send_error(500)
    do_GET = do_POST
    def log_message(self, *words): pass


def works(*_, **__):
    """Where work begins."""
    raise Worked


def evaluations(folder, dataset):
    """Two evaluations of a dataset, in a folder."""
    from embedtune.evaluation import Evaluation
    for name, rank in (('base', 2.), ('finetuned', 1.)):
        ranks = {query: [rank] for query in dataset.queries}
        Evaluation(name, ranks, len(dataset.corpus), 1., 3, {query: list(dataset.corpus)[:3] for query in ranks}).save_json(folder/f'{name}.json')


def scratch(folder):
    """Small files, good ones and bad ones, and a run that looks finished."""
    from embedtune import EmbeddingQAFinetuneDataset
    texts = {f'n{i}': f'The ferry to island {i} sails at {i} and takes {i} minutes. Tickets cost {i} crowns on board.' for i in range(1, 7)}
    dataset = EmbeddingQAFinetuneDataset({f'q{i}': f'When does the ferry sail to island {i}?' for i in range(1, 7)}, texts, {f'q{i}': [f'n{i}'] for i in range(1, 7)})
    others = EmbeddingQAFinetuneDataset({'w1': 'Where is soup?'}, {'m1': 'Soup is served in the galley, below the deck, from noon on.'}, {'w1': ['m1']})
    dataset.save_json(folder/'data.json')
    others.save_json(folder/'val.json')
    evaluations(folder/'kept', dataset)
    (folder/'notes').mkdir()
    for name, text in texts.items(): (folder/'notes'/f'{name}.md').write_text(f'# {name}\n\n{text}\n')
    run = folder/'run'
    dataset.save_json(run/'train_dataset.json')
    dataset.save_json(run/'val_dataset.json')
    evaluations(run/'evaluations', dataset)
    told = dict(settings=dict(model='sentence-transformers/all-MiniLM-L6-v2'), sides={}, finished='2026-01-01', table=[dict(retriever='base'), dict(retriever='finetuned')])
    (run/'run.json').write_text(json.dumps(told))
    (folder/'folder').mkdir()
    (folder/'foreign').mkdir()
    (folder/'foreign'/'config.json').write_text('{"model_type": "nothing"}')
    for name, content in (('latin.txt', 'Où est la soupe?'.encode('latin-1')), ('broken.json', b'{"queries": '), ('list.json', b'[1]'), ('empty.json', b''),
        ('broken.pdf', b'%PDF-1.7 nothing'), ('blank.txt', b' \n')): (folder/name).write_bytes(content)


def lines(port):
    """A good line of each command, without options that a bad value is drawn for."""
    llm = f'http://127.0.0.1:{port}/v1 toy'
    return dict(run=['notes', '--llm', llm, '--out', 'new'], nodes=['notes', '--out', 'new.json'], pairs=['notes', '--llm', llm, '--out', 'new.json'],
        finetune=['--dataset', 'data.json', '--out', 'new'], adapter=['--dataset', 'data.json', '--out', 'new'], evaluate=['--dataset', 'data.json'],
        compare=['kept/base.json', 'kept/finetuned.json'], ladder=['--dataset', 'data.json', '--val-dataset', 'val.json', '--out', 'new'], report=['run'],
        search=['run', 'When?'], update=['run', 'notes'], serve=['sentence-transformers/all-MiniLM-L6-v2', '--port', '0'], label=['run'],
        export=['run', '--onnx'], index=['notes', '--out', 'new'])


def values(command, action):
    """Bad values of an option."""
    name = action.option_strings[0] if action.option_strings else action.dest
    if action.nargs == 0: return ()
    if name == '--questions' and command == 'label': return ('missing.csv', 'a\x00b', '\ud800', 'folder', 'latin.txt')
    if name == 'source' and command in ('serve', 'export'): return MODELS
    if name in OWN: found = OWN[name]
    elif name in ('--out', '--save', '--page', '--log-dir'):
        found = PLACES
        if action.dest == 'out' and command in ('nodes', 'pairs'): found = tuple(place for place in PLACES if place != 'data.json') + ('folder',)
        if action.dest == 'page': found = tuple(place for place in PLACES if place not in ('data.json', '')) + ('folder',)
    elif name in ('folder', '--train-dataset', '--dataset', '--val-dataset', '--judged', 'before', 'after', '--queries', '--examples'): found = FILES
    else: found = WHOLE if action.metavar == 'N' else REAL if action.metavar == 'X' else WORDS
    if name == '--examples': found = tuple(value for value in FILES if not value.endswith('.json') or value == 'missing.json') + ('blank.txt',)
    return tuple(value for value in found if value not in ('0', '-0.0') or name not in NONE_IS_FINE)


def drawn(rng, parsers, good):
    """A command line with one thing wrong, and what that is."""
    command = rng.choice(list(good))
    words = list(good[command])
    if rng.random() < .08:
        strange = rng.choice([['--nothing'], ['--json='], ['-'], ['--seed'], ['--', '--out'], ['--out'], ['\x1b[31m'], ['--help=1'], ['--epoch', '3']])
        return [command, *words, *strange], strange[0]
    actions = [action for action in parsers[command]._actions if values(command, action)]
    action = rng.choice(actions)
    value = rng.choice(values(command, action))
    name = action.option_strings[0] if action.option_strings else action.dest
    if action.option_strings:
        if name in words: del words[words.index(name):words.index(name) + 2]
        return [command, *words, f'{name}={value}'], f'{name} {value[:30]!r}'
    order = [each.dest for each in parsers[command]._actions if not each.option_strings]
    words[order.index(action.dest)] = value
    return [command, '--json', *words] if rng.random() < .1 else [command, *words], f'{name} {value[:30]!r}'


def listed(folder):
    """All that lies in a folder, and when it was written."""
    return {path.relative_to(folder).as_posix(): path.lstat().st_mtime_ns for path in sorted(folder.rglob('*')) if path.name != '__pycache__'}


def judged(code, out, err, asked, before, after):
    """What is wrong with how a command ended; None: nothing."""
    told = [line for line in err.splitlines() if line.strip() and not line.startswith('embedtune: warning: ')]
    if 'Traceback' in err: return f'TRACEBACK {told[-2][:160] if len(told) > 1 else err[-100:]}'
    if code == 0: return 'ACCEPTED'
    if code not in (2, 3): return f'CODE {code} {err[-160:]!r}'
    if asked: return f'PAID {asked}'
    if before != after: return f'WROTE {sorted(set(before.items()) ^ set(after.items()))[0][0]}'
    if len(told) != 1 or not told[0].startswith('embedtune: error: '): return f'NOT ONE LINE {err[-200:]!r}'
    if any(ord(c) < 32 and c != '\n' or 0x7f <= ord(c) < 0xa0 or 0xd800 <= ord(c) < 0xe000 for c in err + out): return f'STEERS {err[-200:]!r}'
    return 'LONG' if len(err) > 1500 else None


def called(words, folder):
    """How a command ends in this process."""
    from embedtune.cli import main
    out, err, before, asked = io.StringIO(), io.StringIO(), listed(folder), Paid.asked
    start = time.time()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try: code = main(words)
        except Worked: return 'WORKED'
        except BaseException as error: return f'RAISED {type(error).__name__}: {str(error)[:120]}'
    found = judged(code, out.getvalue(), err.getvalue(), Paid.asked - asked, before, listed(folder))
    if os.environ.get('BREAK_TIMES') and time.time() - start > 5: print(f'{time.time() - start:5.0f} s {str(words)[:150]}', flush=True)
    return found or ('SLOW' if time.time() - start > 60 else None)


CONSOLES = (dict(PYTHONIOENCODING='cp1252'), dict(PYTHONIOENCODING='ascii'), dict(LC_ALL='C', PYTHONUTF8='0', PYTHONCOERCECLOCALE='0'), dict(LC_ALL='POSIX'),
    dict(PYTHONIOENCODING='utf-16'), dict(PYTHONIOENCODING='latin-1:strict'), dict(TERM='dumb', COLUMNS='1'), dict(COLUMNS='x'))


def consoled(rng, folder):
    """A real process with an odd console: what it did wrong, or None."""
    shell = [sys.executable, '-c', 'import sys; from embedtune.cli import main; sys.exit(main())']
    env = os.environ | rng.choice(CONSOLES)
    words = rng.choice([['--help'], ['compare', 'kept/base.json', 'kept/finetuned.json'], ['run', '--help'], ['nodes', b'\xff\xe9.md'], ['compare', 'kept/base.json', '文.json'],
        ['compare', 'kept/base.json', 'kept/finetuned.json', '--json'], ['search', 'run', b'caf\xe9'], ['report', 'r\u202eun']])
    how = rng.choice(['plain', 'plain', 'head', 'closed', 'full'])
    full = open('/dev/full', 'w') if how == 'full' else subprocess.PIPE
    ended = subprocess.Popen([*shell, *words], cwd=folder, env=env, stdout=full, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        preexec_fn=(lambda: os.close(1)) if how == 'closed' else None)
    if how == 'head': ended.stdout.close()
    out, err = (b'', ended.stderr.read()) if how == 'head' else ended.communicate(timeout=120)
    code, err, out = ended.wait(), err.decode('utf-8', 'backslashreplace'), out or b''
    try: out.decode()
    except UnicodeDecodeError: return f'NO UTF-8 {words} {env.get("PYTHONIOENCODING")}'
    if 'Traceback' in err or 'Exception ignored' in err: return f'TRACEBACK {words} {how}: {err.strip().splitlines()[-1][:120]}'
    wanted = (2,) if words[0] in ('nodes', 'search', 'report') or '文.json' in words else (0, 2, 74) if how in ('full', 'closed') else (0, 141)
    if code not in wanted: return f'CODE {code} {words} {how}: {err[-120:]!r}'
    return None if len(err.strip().splitlines()) == (code == 2) else f'NOT ONE LINE {words} {how}: {err[-200:]!r}'


def told(outcomes, name):
    """Print the outcomes of a kind; the finds."""
    print(f'{name}: ' + ', '.join(f'{what} {count}' for what, count in Counter(what.split()[0] for what in outcomes.elements()).items()), flush=True)
    return Counter({f'{name}: {what}': count for what, count in outcomes.items() if what != 'told'})


@contextlib.contextmanager
def stage():
    """A scratch folder to be in, a server that counts, and work that is told at once."""
    from embedtune.serve import EmbeddingServer
    from sentence_transformers import CrossEncoder, SentenceTransformer
    server = ThreadingHTTPServer(('127.0.0.1', 0), Paid)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here, bare = os.getcwd(), {name: value for name, value in os.environ.items() if not name.startswith('OPENAI')}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        for place, name in ((SentenceTransformer, 'encode'), (CrossEncoder, 'predict'), (EmbeddingServer, 'run')): stack.enter_context(mock.patch.object(place, name, works))
        stack.enter_context(mock.patch.dict(os.environ, bare, clear=True))
        scratch(Path(folder))
        os.chdir(folder)
        try: yield Path(folder).resolve(), server.server_port
        finally:
            os.chdir(here)
            server.shutdown()


def finds(n, rng):
    """`n` bad command lines in this process, and a twentieth as many real ones on odd consoles."""
    from embedtune.cli import _make_parser
    found, outcomes, consoles = Counter(), Counter(), Counter()
    with stage() as (folder, port):
        good = lines(port)
        parsers = {name: _make_parser(name)._subparsers._group_actions[0].choices[name] for name in good}
        for _ in range(n):
            words, wrong = drawn(rng, parsers, good)
            outcome = called(words, folder)
            outcomes[f'{outcome} ({words[0]}, {wrong})' if outcome else 'told'] += 1
            for left in ('new', 'new.json'):
                shutil.rmtree(left, ignore_errors=True)
                Path(left).unlink(missing_ok=True)
        for _ in range(max(1, n//20)): consoles[consoled(rng, folder) or 'told'] += 1
    for each, name in ((outcomes, 'command lines'), (consoles, 'odd consoles')): found += told(each, name)
    return found
