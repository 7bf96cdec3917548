"""The goals of asking, measured: `python bench/pairs.py [speed faults kills local judged gain]`, all of them by default. Prints one table.

`speed`, `faults` and `kills` talk to a server on this machine that answers in a second; `local` asks the local LLM (leave the cores to it);
`gain` needs the 10-Ks and the published data, and an hour the first time. Validation sets are only reported on.
"""
import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault('OMP_WAIT_POLICY', 'passive')

from embedtune.journal import _read_jsonl
from embedtune.llm import ChatLLM, local_llm
from embedtune.pairs import generate_qa_embedding_pairs, _journal_path

HOW = dict(questions_per_node=4, filters=None)  # how `gain` asks: no better with the filters over a whole set, on blocks of the Lyft report

CHILD = """
import sys; sys.path.insert(0, {bench!r})
from pairs import ask, make_nodes
ask(make_nodes(200), {url!r}, 16, output_path={path!r})
"""


class Slow(BaseHTTPRequestHandler):
    """Two questions about the passage in `seconds`; a share `trouble` of first answers are 429, 500, silence or HTML."""
    def do_POST(self):
        prompt = json.loads(self.rfile.read(int(self.headers['Content-Length'])))['messages'][-1]['content']
        word = prompt.split('<passage>\n')[-1].split()[1]
        with self.server.lock:
            self.server.asked[word] += 1
            wrong = self.server.asked[word] == 1 and self.server.rng.random() < self.server.trouble
            kind = self.server.rng.choice(['429', '500', 'timeout', 'html']) if wrong else ''
        time.sleep(4 if kind == 'timeout' else self.server.seconds)
        answer = f'How does {word} travel to the northern harbor?\nWhy is {word} carried by the northern ferry?'
        body = '<html>' if kind == 'html' else json.dumps(dict(choices=[dict(index=0, message=dict(role='assistant', content=answer))]))
        try:
            self.send_response(int(kind) if kind.isdigit() else 200)
            self.send_header('Content-Length', str(len(body)))
            if kind == '429': self.send_header('Retry-After', '1')
            self.end_headers()
            self.wfile.write(body.encode())
            with self.server.lock: self.server.answered[word] += not kind
        except OSError: pass  # the client went away
    def log_message(self, *_): pass


class Server(ThreadingHTTPServer):
    """Serves `Slow` at `url` in a thread, and counts."""
    def __init__(self, seconds=1., trouble=0.):
        super().__init__(('127.0.0.1', 0), Slow)
        self.seconds, self.trouble, self.rng, self.lock = seconds, trouble, random.Random(0), threading.Lock()
        self.asked, self.answered, self.url = Counter(), Counter(), f'http://127.0.0.1:{self.server_port}/v1'
        self.daemon_threads = True
        threading.Thread(target=self.serve_forever, daemon=True).start()
    def handle_error(self, *_): pass


def make_nodes(n):
    """So many nodes, each about a thing of its own."""
    return [SimpleNamespace(id=f'n{i}', text=f'The cargo{i} is carried by the northern ferry to the northern harbor, and its travel takes a night.') for i in range(n)]


def ask(nodes, url, concurrency, **settings):
    """The dataset that the server's answers give."""
    llm = ChatLLM('toy', url, concurrency=concurrency, timeout=3)
    return generate_qa_embedding_pairs(nodes, llm, retriever=False, filters=None, show_progress=False, **settings)


def speed():
    """300 nodes, 32 at a time, against one at a time (30 of them, times ten)."""
    server = Server()
    start = time.perf_counter()
    ask(make_nodes(30), server.url, 1)
    one_by_one = 10 * (time.perf_counter() - start)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    dataset = ask(make_nodes(300), server.url, 32)
    seconds, grown = time.perf_counter() - start, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    yield '300 nodes, 1 s an answer, concurrency 32', '25 times as fast as one at a time', f'{one_by_one / seconds:.1f} times ({seconds:.1f} s), {len(dataset.queries)} questions'
    yield 'memory, beyond what 30 nodes took', 'flat', f'{grown:+.0f} MB'


def faults():
    """The same with one first answer in ten gone wrong."""
    server = Server(trouble=.1)
    start = time.perf_counter()
    dataset = ask(make_nodes(300), server.url, 32)
    complete = sum(count == 2 for count in Counter(ids[0] for ids in dataset.relevant_docs.values()).values())
    yield ('the same, 10 % 429, 500, timeouts, HTML', 'every node has its questions, none answered twice',
           f'{complete} of 300 nodes, {sum(n > 1 for n in server.answered.values())} answered twice, {sum(server.asked.values())} requests, {time.perf_counter() - start:.1f} s')


def kills(n=20):
    """SIGKILL at random moments, the last run left alone."""
    server, rng, again = Server(seconds=.05), random.Random(1), 0
    with tempfile.TemporaryDirectory() as folder:
        path, known = Path(folder)/'train.json', set()
        for turn in range(n + 1):
            child = subprocess.Popen([sys.executable, '-c', CHILD.format(bench=str(Path(__file__).parent), url=server.url, path=str(path))])
            if turn < n:
                until = sum(server.asked.values()) + rng.randint(1, 12)
                while sum(server.asked.values()) < until and child.poll() is None: time.sleep(.002)
                time.sleep(rng.random() * .05)
                child.send_signal(signal.SIGKILL)
            child.wait()
            journal = [r['key'] for r in _read_jsonl(_journal_path(path)) if 'answer' in r]
            assert known <= set(journal), 'an answer was lost'
            known, again = set(journal), len(journal) - len(set(journal))
        questions = len(json.loads(path.read_text())['queries'])
    yield f'SIGKILL at {n} random moments', 'no question lost, none asked twice', f'{questions} of 400 questions, {again} known answers asked again'


def local(questions=60):
    """The local LLM on the Lyft report: candidates and kept questions a second."""
    from embedtune.documents import load_documents
    from embedtune.samples import ten_k
    from embedtune.nodes import split_nodes
    nodes = split_nodes(load_documents(ten_k()[0], engine="pypdf", show_progress=False), show_progress=False)[100:250]
    from embedtune.pairs import _default_retriever
    retriever = _default_retriever(nodes, False)
    retriever.search(['to embed the nodes'], 1)
    with local_llm() as llm:
        llm.complete('Hello')
        start, before = time.perf_counter(), llm.usage.requests
        kept = len(generate_qa_embedding_pairs(nodes, llm, max_questions=questions, retriever=retriever, show_progress=False).queries)
        seconds, requests = time.perf_counter() - start, llm.usage.requests - before
    yield 'local LLM, two idle cores', '1 kept question a second', f'{kept / seconds:.2f} ({kept} questions)'
    yield 'local LLM, two idle cores', '4 candidates a second', f'{4 * requests / seconds:.2f}'


def judged():
    """The committed verdicts on 100 kept questions of the local LLM."""
    rows = json.loads((Path(__file__).parent.parent/'data'/'lyft_2021_judged.json').read_text())
    yield f'kept questions that their passage answers, of {len(rows)}', '90 %', f'{100 * sum(row["answerable"] for row in rows) / len(rows):.0f} % (judged by a language model)'


def figures(evaluations):
    """Means of hit@5 and MRR@10 over the seeds."""
    import numpy as np
    return np.mean([(e.hit_rate(5), e.mrr(10)) for e in evaluations], axis=0)


def share_of_gain(base, tuned, published):
    """The gain of `tuned` over `base` as a share of that of `published`, for hit@5 and MRR@10."""
    base, tuned, published = map(figures, (base, tuned, published))
    return ', '.join(f'{name} {share:.1f} %' for name, share in zip(('hit@5', 'MRR@10'), 100 * (tuned - base) / (published - base)))


def hits(evaluations):
    """hit@5 of every question, mean over the seeds."""
    import numpy as np
    return np.mean([e.per_query('hit_rate', 5) for e in evaluations], axis=0)


def interval(gains, draws=10_000):
    """The mean gain with its 95 % interval: bootstrap over questions."""
    import numpy as np
    means = np.random.default_rng(0).choice(gains, (draws, len(gains))).mean(axis=1)
    return f'{gains.mean():+.3f} [{np.quantile(means, .025):+.3f}, {np.quantile(means, .975):+.3f}]'


def tune(dataset, folder, seed):
    """The model tuned on a dataset; one that is there already, from the same questions, is loaded."""
    from embedtune import SentenceTransformersFinetuneEngine
    from embedtune.embedding import CachedEmbedding
    from embedtune.engine import MANIFEST
    engine, manifest = SentenceTransformersFinetuneEngine(dataset, model_output_path=folder, seed=seed), folder/MANIFEST
    if not manifest.exists() or json.loads(manifest.read_text())['dataset_fingerprint'] != dataset.fingerprint: engine.finetune()
    return CachedEmbedding(engine.get_finetuned_model())


def gain(folder='runs/bench_pairs', seeds=(42, 43)):
    """Tuned on the local LLM's questions about the Lyft report, against tuned on the published ones."""
    from embedtune import EmbeddingQAFinetuneDataset, evaluate, load_model
    from embedtune.samples import published_qa, ten_k
    from embedtune.pipeline import _prepare
    from embedtune.queries import report_questions
    from embedtune.retrieval import BM25Retriever
    folder, (train, val), human = Path(folder), map(EmbeddingQAFinetuneDataset.from_json, published_qa()), report_questions('uber')
    ours = _prepare(ten_k()[0], folder/'train_dataset.json', **HOW)
    models = {'base': [load_model()]}
    for name, dataset in (('published', train), ('local', ours)): models[name] = [tune(dataset, folder/f'{name}-{seed}', seed) for seed in seeds]
    on_val, on_human = ({name: [evaluate(model, dataset) for model in group] for name, group in models.items()} for dataset in (val, human))
    yield (f'val_dataset.json, share of the published gain ({len(ours.queries)} questions, {len(seeds)} seeds)', '70 % of both',
           share_of_gain(*(on_val[n] for n in ('base', 'local', 'published'))))
    for name, group in on_val.items():
        yield f'val_dataset.json, {name}', 'none', 'hit@5 {:.3f}, MRR@10 {:.3f}'.format(*figures(group)) + ' of ' + ', '.join(f'{e.hit_rate(5):.3f}/{e.mrr(10):.3f}' for e in group)
    on_human['BM25'] = [evaluate(BM25Retriever(human.corpus), human)]
    for name, group in on_human.items(): yield f'100 reading questions, {name}', 'none', 'page hit@5 {:.3f}, MRR@10 {:.3f}'.format(*figures(group))
    yield '100 reading questions, local over base, page hit@5', 'above 0', interval(hits(on_human['local']) - hits(on_human['base']))


def main():
    """Print the table."""
    import pandas as pd
    from embedtune.evaluation import to_markdown
    parts = dict(speed=speed, faults=faults, kills=kills, local=local, judged=judged, gain=gain)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('parts', nargs='*', metavar='PART', help=f'of {", ".join(parts)} (default: all)')
    chosen = parser.parse_args().parts or list(parts)
    if unknown := set(chosen) - set(parts): parser.error(f'expected {", ".join(parts)}, got {", ".join(unknown)}')
    rows = [row for name in chosen for row in parts[name]()]
    print(to_markdown(pd.DataFrame(rows, columns=['what', 'goal', 'measured']).set_index('what')))


if __name__ == '__main__': sys.exit(main())
