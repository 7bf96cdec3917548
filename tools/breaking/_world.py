"""A small world in which processes are stopped: a server that counts what is paid, a toy model, a few pages, children forked from a warm parent."""
import hashlib
import json
import os
import random
import re
import shutil
import signal
import sys
import time
import traceback
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WRITES = {'os.rename', 'os.remove', 'os.rmdir', 'os.mkdir', 'os.truncate', 'shutil.rmtree', 'shutil.move'}
PROBE = 'Wann fährt die Fähre?'


class Answers(BaseHTTPRequestHandler):
    """Answers chats and embeddings, the same for the same text; notes what came when, and when it was answered."""
    notes, delay, protocol_version = [], .03, 'HTTP/1.1'
    def log_message(self, *_): pass
    def do_GET(self):
        if self.path.startswith('/delay/'): type(self).delay = float(self.path.split('/')[2])
        if self.path == '/forget': self.notes.clear()
        self.say(self.notes)
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers['content-length'])))
        sent = body.get('messages') or body['input']
        embeds = 'input' in body
        note = dict(came=time.time(), gone=None, sent=sent if embeds else [hashlib.md5(json.dumps(sent).encode()).hexdigest()])
        self.notes.append(note)
        time.sleep(self.delay)
        try: self.say(embedded(body['input']) if embeds else answered(sent[-1]['content']))
        except OSError: return
        note['gone'] = time.time()
    def say(self, content):
        blob = json.dumps(content).encode()
        self.send_response(200)
        self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(blob)))
        self.end_headers()
        self.wfile.write(blob)


def answered(prompt):
    """A chat's reply: two questions of rare words of the passage."""
    passage = re.search(r'<passage>(.*)</passage>', prompt, re.S)
    words = list(dict.fromkeys(re.findall(r'[a-z]{6,}', (passage or ['', prompt])[1])))
    rng = random.Random(prompt)
    asked = [f'How do {" ".join(rng.sample(words, min(5, len(words))))} work?' for _ in range(2)]
    message = dict(role='assistant', content=json.dumps(dict(questions=asked)))
    return dict(id='x', object='chat.completion', created=0, model='toy', choices=[dict(index=0, finish_reason='stop', message=message)],
        usage=dict(prompt_tokens=10, completion_tokens=10, total_tokens=20))


def embedded(texts):
    """An embedding's reply: 16 numbers that the text decides."""
    data = [dict(object='embedding', index=i, embedding=[random.Random(f'{text} {n}').uniform(-1, 1) for n in range(16)])
        for i, text in enumerate(texts)]
    return dict(object='list', model='toy', data=data, usage=dict(prompt_tokens=10, total_tokens=10))


class Server:
    """The process that answers; forked before anything heavy is imported."""
    def __init__(self):
        server = ThreadingHTTPServer(('127.0.0.1', 0), Answers)
        server.daemon_threads, server.handle_error = True, lambda *_: None # a client that is killed resets its connections
        self.address = f'http://127.0.0.1:{server.server_port}'
        self.pid = os.fork()
        if not self.pid: server.serve_forever()
        server.socket.close()
    def ask(self, path):
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.address + path, timeout=30) as reply: return json.load(reply)
    def notes(self): return self.ask('/notes')
    def forget(self, delay=.03): self.ask('/forget'), self.ask(f'/delay/{delay}')
    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def write_pages(folder, names, seed):
    """Markdown pages of made-up words, each section its own."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    syllables = [a + b for a in 'bcdfglmnprstv' for b in 'aeiou']
    for name in names:
        word = lambda: ''.join(rng.choices(syllables, k=rng.randint(2, 4)))
        sections = [f'## {word().title()} {word()}\n\n' + ' '.join(word() for _ in range(90)) + '.\n' for _ in range(12)]
        (folder/name).write_text(f'# {word().title()} {word()}\n\n' + '\n'.join(sections))


def write_toy_model(folder):
    """A BERT of two thin layers, untrained, with the bundled model's tokenizer."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel
    from embedtune import load_model
    tokenizer = load_model(bare=True, device='cpu').tokenizer
    torch.manual_seed(0)
    size = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=256)
    BertModel(BertConfig(vocab_size=len(tokenizer), **size)).save_pretrained(folder/'bert')
    tokenizer.save_pretrained(folder/'bert')
    part = Transformer(str(folder/'bert'), max_seq_length=256)
    SentenceTransformer(modules=[part, Pooling(32)], device='cpu').save_pretrained(str(folder/'toy'))


def warm_up():
    """Import all that children need, without a thread or a parallel loop."""
    import torch
    torch.set_num_threads(1)
    from importlib import import_module
    for name in ('pipeline', 'ladders', 'corpus', 'export', 'updating', 'migrate', 'adapter', 'reranker', 'tower', 'report', 'cli'): import_module(f'embedtune.{name}')
    for name in ('openai', 'httpx2', 'pandas', 'matplotlib.pyplot', 'sklearn.linear_model', 'scipy.stats', 'pyarrow.parquet', 'datasets',
            'sentence_transformers.cross_encoder.losses', 'transformers.models.bert.modeling_bert', 'bm25s', 'safetensors.torch', 'safetensors.numpy', 'semantic_text_splitter', 'openai.resources', 'scipy.cluster'):
        try: import_module(name)
        except ImportError: pass
    from embedtune import cli
    from embedtune.precision import _bf16_pays
    _bf16_pays(torch.device('cpu')) # measures, and remembers
    parsers = {word: cli._make_parser(word) for word in ('run', 'pairs', 'finetune', 'adapter', 'index', 'ladder', 'update', 'export')}
    cli._make_parser = parsers.get # reads the sources of all options, a second each


def strike_at(operation, folder, delay):
    """Kill this process at its n-th change of a file in a folder; `delay` seconds after it began, 0: before it."""
    seen = [0]
    def hook(event, args):
        writes = event == 'open' and isinstance(args[1], str) and set(args[1]) & set('wax+') or event == 'open' and args[2] & (os.O_WRONLY | os.O_RDWR)
        if not (writes or event in WRITES) or not str(args[0]).startswith(str(folder)): return
        seen[0] += 1
        if operation is None: os.write(3, b'.')
        elif seen[0] == operation:
            if not delay: os.kill(os.getpid(), signal.SIGKILL)
            signal.signal(signal.SIGALRM, signal.SIG_DFL) # its default ends the process, whatever it is doing
            signal.setitimer(signal.ITIMER_REAL, delay)
    sys.addaudithook(hook)


class Child:
    """A process forked from this one that runs a command line, or a function, in a folder of its own."""
    def __init__(self, what, world, before=None, log='log.txt'):
        self.log, self.started = world/log, time.time()
        self.pid, self.code = os.fork(), None
        if self.pid: return
        code = 70
        try:
            os.setsid()
            out = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(out, 1), os.dup2(out, 2)
            os.environ['EMBEDTUNE_CACHE'] = str(world/'cache')
            os.chdir(world)
            if before: before()
            if callable(what): code = what() or 0
            else:
                from embedtune.cli import main
                sys.argv = ['embedtune', *map(str, what)]
                code = main()
        except Exception: traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)
    def wait(self, seconds):
        """Whether it ended within so many seconds; `code` then says how."""
        until = time.time() + seconds
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid: self.code, self.ended = os.waitstatus_to_exitcode(status), time.time()
            elif time.time() > until: return False
            else: time.sleep(.005)
        return True
    def kill(self, number=signal.SIGKILL):
        """Send a signal, if it is still there; the time of it."""
        if self.code is None: os.kill(self.pid, number)
        return time.time()
    def said(self): return self.log.read_text(errors='replace') if self.log.exists() else ''
    def last(self):
        lines = [line for line in re.split(r'[\n\r]', self.said()) if line.strip()]
        return lines[-1][:200] if lines else ''


def contents(folder):
    """What a folder holds: {path within: hash}; without pages, figures and vectors kept, and without seconds, which differ."""
    found = {}
    for path in sorted(folder.rglob('*')):
        if not path.is_file() or path.suffix in ('.lock', '.html', '.png', '.sqlite'): continue
        blob = path.read_bytes()
        if path.suffix == '.json':
            try: blob = json.dumps(timeless(json.loads(blob)), sort_keys=True).encode()
            except ValueError: pass
        if path.name.endswith('.answers.jsonl'): blob = b'\n'.join(sorted(set(blob.split(b'\n')))) # threads end in any order
        found[path.relative_to(folder).as_posix()] = hashlib.sha256(blob).hexdigest()
    return found


def timeless(content):
    """JSON without the values that tell seconds."""
    if isinstance(content, list): return [timeless(each) for each in content]
    if not isinstance(content, dict): return content
    return {key: timeless(value) for key, value in content.items() if not re.search(r'seconds|_ms|finished|files', key)}


class Case:
    """A command, what it starts from, and what it leaves when nobody disturbs it."""
    def __init__(self, name, what, start, out='out'):
        self.name, self.what, self.start, self.out = name, what, start, out
    def world(self, at):
        """A fresh copy of what it starts from."""
        shutil.rmtree(at, ignore_errors=True)
        shutil.copytree(self.start() if callable(self.start) else self.start, at)
        return at
    def words(self, at): return self.what(at) if callable(self.what) else self.what
    def measured(self, at, server):
        """Run it once undisturbed: what it leaves, how long it takes, how many changes of files it makes, what it asks."""
        if hasattr(self, 'kept'): return self
        world = self.world(at)
        server.forget()
        reader, writer = os.pipe()
        def count(): os.dup2(writer, 3), strike_at(None, world, 0)
        child = Child(self.words(world), world, count)
        os.close(writer)
        if not child.wait(400) or child.code: raise SystemExit(f'{self.name}: undisturbed it ends with {child.code}: {child.last()}')
        self.seconds, self.operations = child.ended - child.started, len(os.read(reader, 1 << 20))
        os.close(reader)
        self.kept = contents(world/self.out)
        self.asked = [text for note in server.notes() for text in note['sent']]
        return self
    def differs(self, world):
        """What is not as it is undisturbed: '' if nothing."""
        now = contents(world/self.out)
        wrong = [name for name, digest in self.kept.items() if now.get(name) != digest]
        over = [name for name in now if name not in self.kept]
        if wrong: return f'differs: {", ".join(("missing " if name not in now else "") + name for name in sorted(wrong)[:3])}'
        return f'left over: {", ".join(sorted(over)[:3])}' if over else ''


def repeated(notes, struck=None, slack=.4):
    """How many texts were asked for twice, though they were not under way when a process was struck."""
    first, twice = {}, []
    for note in sorted(notes, key=lambda note: note['came']):
        for text in note['sent']:
            if text.startswith(PROBE): continue # each process sends it once, to see whether the model is still the same
            if text in first: twice.append(first[text])
            first.setdefault(text, note)
    late = lambda note: struck and note['came'] <= struck and (note['gone'] is None or note['gone'] > struck - slack)
    return sum(not late(note) for note in twice)


@contextmanager
def world(folder):
    """The server, the model and the cases, in a folder; everything is imported."""
    server = Server()
    try:
        os.environ.update(OPENAI_API_KEY='none', OPENAI_BASE_URL=f'{server.address}/v1', OMP_NUM_THREADS='1', TOKENIZERS_PARALLELISM='false',
            EMBEDTUNE_CACHE=str(folder/'cache'), EMBEDTUNE_TOY=str(folder/'toy'))
        warm_up()
        write_toy_model(folder)
        yield server, Cases(folder, server)
    finally: server.end()


class Cases(dict):
    """The cases by name; what several start from is made when one of them is first taken."""
    def __init__(self, folder, server):
        plain, toy = folder/'plain', folder/'toy'
        write_pages(plain/'train', ['a.md', 'b.md'], 1)
        write_pages(plain/'val', ['c.md'], 2)
        asking = ['--llm', f'{server.address}/v1 toy', '--model', toy, '--questions', 14]
        data, one_folder = ['--dataset', 'pairs.json', '--out', 'out'], ['run', 'train', *asking, '--epochs', 1, '--batch-size', 8, '--out', 'out']
        paired = lambda: made(['pairs', 'train', *asking, '--out', 'pairs.json'], plain, folder/'paired')
        ran = lambda: changed(made(one_folder, plain, folder/'ran'))
        super().__init__({case.name: case for case in (
            Case('run', ['run', '--train', 'train', '--val', 'val', *asking, '--epochs', 2, '--batch-size', 8, '--out', 'out'], plain),
            Case('run FOLDER', one_folder, plain),
            Case('pairs', ['pairs', 'train', *asking, '--out', 'out/pairs.json'], plain),
            Case('finetune', ['finetune', '--model', toy, *data, '--epochs', 3, '--batch-size', 4], paired),
            Case('adapter', ['adapter', '--model', toy, *data], paired),
            Case('adapter of an API', ['adapter', '--openai-embeddings', 'toy', *data], paired),
            Case('reranker', lambda at: reranker, paired),
            Case('index', ['index', 'train', '--model', toy, '--out', 'out'], plain),
            Case('ladder', ['ladder', '--dataset', 'pairs.json', '--val-dataset', 'pairs.json', '--allow-leakage', '--model', toy,
                '--openai-embeddings', 'toy', '--methods', 'BM25', 'base', 'API model', '--out', 'out'], paired),
            Case('migrate', lambda at: migration, lambda: made(old_index, plain, folder/'indexed')),
            Case('update', ['update', 'out', 'train'], ran),
            Case('export', ['export', 'out', '--onnx', '--tolerance', 1], ran, 'out/onnx'))})


def made(what, start, world):
    """What a command leaves, made once."""
    if world.exists(): return world
    shutil.copytree(start, world)
    child = Child(what, world)
    if not child.wait(400) or child.code: raise SystemExit(f'{what}: {child.code} {child.last()}')
    return world


def changed(world):
    """A run whose documents are others by now."""
    if not (world/'train'/'d.md').exists(): write_pages(world/'train', ['d.md', 'a.md'], 3)
    return world


def reranker():
    """What tunes a cross-encoder."""
    from embedtune import EmbeddingQAFinetuneDataset
    from embedtune.reranker import CrossEncoderFinetuneEngine
    dataset, toy = EmbeddingQAFinetuneDataset.from_json('pairs.json'), Path(os.environ['EMBEDTUNE_TOY'])
    CrossEncoderFinetuneEngine(dataset, toy.parent/'bert', 'out', base=toy, epochs=2, batch_size=4, num_negatives=3, top_n=5,
        show_progress_bar=False).finetune()


def old_index():
    """What writes the index that is migrated."""
    from embedtune import Search, load_model, save_index
    texts = {f'{file.stem}{i}': text for file in sorted(Path('train').glob('*.md')) for i, text in enumerate(file.read_text().split('\n## '))}
    save_index(Search((64,)).retriever(load_model(os.environ['EMBEDTUNE_TOY']), texts), 'old')


def migration():
    """What moves an index to a model behind an API."""
    from embedtune import OpenAIEmbedding, Search, load_model
    from embedtune.migrate import Migration
    toy = Path(os.environ['EMBEDTUNE_TOY'])
    Migration('old', load_model(toy), OpenAIEmbedding('toy', batch_size=8), 'out', search=Search()).run(batch=4, show_progress=False)
