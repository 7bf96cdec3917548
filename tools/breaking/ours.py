"""Our own servers (embeddings, search, label page, one with a key) under 64 clients of which 16 are slow, and under hostile requests."""
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

CLIENTS, SLOW = 64, 16
TEXTS = {f'n{i}': f'passage {i} on {word}, which lasts {i*7 % 23} years' for i, word in enumerate(['warranty', 'parking', 'ferries', 'coal', 'harbors']*8)}
KEY = 'a-key-of-this-test'
GROWTH, PEAK = 60 << 20, 700 << 20  # bytes that memory may grow by between the first and the last quarter; above the start, at most


def serve_all():
    """Three servers in this process; prints their addresses, and ends with its parent."""
    from dataclasses import asdict
    import numpy as np
    from sklearn.feature_extraction.text import HashingVectorizer
    from embedtune import BM25Retriever, DenseRetriever, EmbeddingQAFinetuneDataset, Search
    from embedtune.core import _write_json
    from embedtune.labels import _DESK, _Labeling, _label_app
    from embedtune.runs import Hit
    from embedtune.search_server import _Library, _search_server
    from embedtune.serve import EmbeddingServer, _Gate, _listening, _server_of


    class Letters:
        """A model that knows a text by its runs of three letters."""
        name = fingerprint = 'letters'
        def encode_document(self, texts):
            return HashingVectorizer(analyzer='char_wb', ngram_range=(3, 3), n_features=256).transform(texts).toarray().astype(np.float32)
        encode_query = encode_document

    class Run:
        """A finished run, as far as servers need one."""
        told, reranker = {}, None
        def __init__(self, folder):
            self.folder, self.model, self.corpus, self.made = Path(folder), Letters(), TEXTS, {}
            self.questions = EmbeddingQAFinetuneDataset({'q1': 'How long is the warranty?', 'q2': 'Where is parking?'}, TEXTS, {'q1': ['n0'], 'q2': ['n1']})
            self.places = {i: dict(document='harbor.md', page=1) for i in TEXTS}
            _write_json(asdict(Search(bm25_weight=.5)), self.folder/'model'/'retriever.json')
        def place(self, node_id): return 'harbor.md, page 1'
        def retriever(self, by='shipped'):
            if by not in self.made: self.made[by] = BM25Retriever(TEXTS) if by == 'BM25' else DenseRetriever(self.model, TEXTS)
            return self.made[by]
        def search(self, question, k=5, by='shipped'):
            found = self.retriever(by).search([question], k)
            return [Hit(node, float(score), TEXTS[node], 0, len(TEXTS[node]), 'harbor.md', 'harbor.md', 1) for node, score in zip(found.ids[0], found.scores[0])]

    with tempfile.TemporaryDirectory() as folder:
        run, limits = Run(folder), dict(head=2, grace=2)
        with _search_server(_Library(lambda: run, run.folder), Search(), name='toy', **limits) as search, EmbeddingServer(Letters(), key=KEY, timeout=15, **limits) as keyed:
            gate = _Gate(_DESK, token='token')
            desk = _server_of(gate, _label_app(_Labeling(run, n=2, judge='Ann'), gate))
            listener = _listening('127.0.0.1', 0)
            threading.Thread(target=desk.run, kwargs=dict(sockets=[listener]), daemon=True).start()
            while not desk.started: time.sleep(.01)
            print(json.dumps(dict(search=search.port, keyed=keyed.port, label=listener.getsockname()[1])), flush=True)
            sys.stdin.read()
            desk.should_exit = True


class Child:
    """The servers, in a process of their own."""
    def __enter__(self):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        self.ports = json.loads(self.process.stdout.readline())
        return self
    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(60)
    def memory(self, row='VmRSS'):
        status = Path(f'/proc/{self.process.pid}/status').read_text()
        return next(int(line.split()[1])*1024 for line in status.splitlines() if line.startswith(row))
    def logged(self):
        self.errors.seek(0)
        return self.errors.read().decode('utf-8', 'replace')


def asked(ports, rng):
    """A proper request: port, method, path, body, and what must hold of the answer."""
    words = ' '.join(rng.choices('warranty parking ferries coal harbors lasts years what'.split(), k=rng.choice([1, 5, 200])))
    which = rng.choice(['embed', 'embed', 'many', 'search', 'rerank', 'page', 'health', 'label page', 'label', 'judge'])
    post = lambda path, content, sound, port='search': (ports[port], 'POST', path, json.dumps(content), sound)
    if which == 'embed': return post('/v1/embeddings', dict(input=words), lambda found: len(found['data'][0]['embedding']) == 256)
    if which == 'many': return post('/v1/embeddings', dict(input=[f'{words} {i}' for i in range(50)]), lambda found: [each['index'] for each in found['data']] == list(range(50)))
    if which == 'search': return post('/search', dict(question=words, k=3, by=rng.choice(['BM25', 'base', 'shipped'])), lambda found: found['question'] == words and len(found['hits']) <= 3)
    if which == 'rerank': return post('/rerank', dict(query='warranty', documents=[words, 'coal', 'warranty']), lambda found: {each['index'] for each in found['results']} == {0, 1, 2})
    if which == 'page': return ports['search'], 'GET', '/?question=warranty', None, lambda page: '<mark>' in page
    if which == 'health': return ports['search'], 'GET', '/health', None, lambda found: found['status'] == 'ok'
    if which == 'label page': return ports['label'], 'GET', '/token/label.js', None, lambda page: 'export' in page
    if which == 'label': return post('/token/ask', dict(do='open'), lambda found: 'view' in found, 'label')
    return post('/token/ask', dict(do='judge', question='q1', node='n0', grade=rng.randrange(4)), lambda found: found.get('kept') or 'not among' in found.get('error', ''), 'label')


def work(ports, todo, seconds, lost, seed):
    """A decent client: asks on connections that it keeps, until nothing is left to do."""
    rng, kept = random.Random(seed), {}
    while True:
        try: todo.pop()
        except IndexError: return
        port, method, path, body, sound = asked(ports, rng)
        start = time.perf_counter()
        try:
            connection = kept.get(port) or http.client.HTTPConnection('127.0.0.1', port, timeout=150)
            connection.request(method, path, body, {'Content-Type': 'application/json'} if body else {})
            answer = connection.getresponse()
            text = answer.read().decode()
            kept[port] = connection
            found = json.loads(text) if 'json' in answer.headers['content-type'] else text
            if answer.status != 200 or not sound(found): lost[f'{path}: {answer.status} {text[:80]}'] += 1
        except Exception as error:
            kept.pop(port, None)
            lost[f'LOST {path}: {type(error).__name__} {str(error)[:60]}'] += 1
        seconds.append(time.perf_counter() - start)


def dawdle(ports, stop, lost, seed):
    """A slow client: drips, says nothing, does not read; or asks slowly and is answered."""
    rng = random.Random(seed)
    body = json.dumps(dict(input=[f'text {i}' for i in range(rng.choice([1, 500]))])).encode()
    head = b'POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n' % len(body)
    which = ['silent', 'drips', 'does not read', 'slow body'][seed % 4]
    while not stop.is_set():
        try:
            with socket.create_connection(('127.0.0.1', ports[rng.choice(['search', 'label']) if which in ('silent', 'drips') else 'search']), timeout=150) as connection:
                if which == 'does not read': connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                if which == 'drips':
                    for byte in b'GET / HTTP/1.1\r\nx: ' + b'x'*10_000:
                        if stop.wait(.1): return
                        connection.sendall(bytes([byte]))
                elif which == 'slow body':
                    step = max(1, len(body) // 20)
                    connection.sendall(head)
                    for start in range(0, len(body), step):
                        connection.sendall(body[start:start + step])
                        time.sleep(.02)
                    if (got := connection.recv(15)[9:12]) != b'200': lost[f'LOST slow body {got}'] += 1
                else:
                    if which == 'does not read': connection.sendall((head + body)*3)
                    stop.wait(10)
        except ConnectionError: stop.wait(.05)  # it was closed on
        except OSError as error: lost[f'LOST slow client: {error}'] += which == 'slow body'


def loaded(child, n):
    """So many requests by many clients at once; the time each took, and what was lost."""
    lost, stop, memory, every = Counter(), threading.Event(), [], []
    slow = [threading.Thread(target=dawdle, args=(child.ports, stop, lost, seed), daemon=True) for seed in range(SLOW)]
    for each in slow: each.start()
    for quarter in range(4):
        todo, seconds = list(range(n // 4)), []
        clients = [threading.Thread(target=work, args=(child.ports, todo, seconds, lost, quarter*1000 + seed)) for seed in range(CLIENTS - SLOW)]
        for each in clients: each.start()
        for each in clients: each.join()
        memory.append(child.memory())
        every += seconds
    stop.set()
    for each in slow: each.join(150)
    return lost, memory, sorted(every)


def hostile(rng, ports):
    """A request that nobody should send: port and bytes; statuses that may come of it."""
    post = lambda path, body, kind='application/json', host='localhost', more='': (f'POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n').encode('utf-8', 'replace') + body
    get = lambda path, host='localhost', more='', method='GET': f'{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n'.encode('utf-8', 'replace')
    port = rng.choice(['search', 'keyed', 'label'])
    path = dict(search=['/v1/embeddings', '/search', '/rerank', '/v1/rerank'], keyed=['/v1/embeddings'], label=['/token/ask'])[port]
    path, auth = rng.choice(path), f'Authorization: Bearer {KEY}\r\n'*(port == 'keyed')
    values = [None, True, -1, 0, 10**30, 1e308, float('nan'), '', 'x'*300_000, '\ud800', [], {}, [[]], [7], ['a', 7], ['']*3000, {'text': '\ud800'}, [{'text': None}], ['\ud83d'], '<script>', '\x00', ['a', ['b']]]
    names = ['input', 'model', 'encoding_format', 'dimensions', 'input_type', 'question', 'k', 'by', 'query', 'documents', 'top_n', 'return_documents', 'do', 'node', 'grade', 'judge']
    content = dict(input='a', question='a', query='a', documents=['a', 'b'], do='judge', node='n0', grade=1)
    for _ in range(rng.randrange(1, 4)): content[rng.choice(names)] = rng.choice(values)
    fine = {200, 400, 401, 403, 404, 405, 413, 415, 503}
    cases = [
        (port, post(path, json.dumps(content).encode(), more=auth), fine), (port, post(path, json.dumps(content).encode(), more=auth), fine),
        (port, post(path, json.dumps(content).encode(), more=auth), fine),
        (port, post(path, rng.choice([b'', b'{', b'[]', b'null', b'['*100_000, b'{"a":'*5000, rng.randbytes(50), b'9'*9000]), more=auth), {400, 413}),
        (port, post(path, b'{}', kind=rng.choice(['text/plain', '', 'application/x-www-form-urlencoded', 'multipart/form-data']), more=auth), {415}),
        (port, post(path, b'{"input": "' + b'x'*17_000_000 + b'"}', more=auth), {413}),
        (port, post(path, b'{"input": "a"}', host=rng.choice(['evil.org', 'localhost.evil.org', '127.0.0.1.evil.org', '', 'evil.org:80', '0.0.0.0', '[::ffff:8.8.8.8]', 'localhost@evil.org'])), {403}),
        (port, get(rng.choice(['/../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/token/../label.py', '//etc/passwd', '/token/label.py', '/\u00e9', '/%00', '/token%2Flabel.js', '/tokem/', '/metrics/x', '/static/x']), more=auth), {400, 404}),
        (port, get('/', more=auth + 'Origin: https://evil.org\r\nAccess-Control-Request-Method: POST\r\n', method=rng.choice(['OPTIONS', 'TRACE', 'PUT', 'DELETE', 'CONNECT', 'PRI'])), {400, 404, 405}),
        ('search', get('/?question=%ED%A0%80<script>alert(1)</script>&k=99999999999999999999&k=%00'.replace(' ', '')), {200}),
        ('search', get('/?' + 'question=a&'*4000), {200, 400}), (port, get('/health', more='x: ' + 'y'*rng.choice([100_000, 3_000_000]) + '\r\n'), {200, 400, 401, 404, 431, None}),
        (port, get('/health', more=''.join(f'x{i}: y\r\n' for i in range(5000))), {200, 400, 404, 431}),
        (port, b'POST ' + path.encode() + b' HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n', {400, 401, 404, 415, 501}),
        ('label', b'POST /token/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ' + rng.choice([b'-5', b'x', b'99999999999999999999', b'5, 6', b'0x10']) + b'\r\n\r\nabc', {400, 408, 413, None}),
        (port, b'GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.org\r\n\r\n', {400, 403}), (port, b'GET http://evil.org/ HTTP/1.1\r\nHost: evil.org\r\n\r\n', {400, 403, 404}),
        (port, rng.choice([b'\x16\x03\x01\x02\x00\x01', b'GET /\r\n\r\n', b'SSH-2.0-x\r\n\r\n', b'\x00'*100 + b'\r\n\r\n', b'GET / HTTP/9.9\r\n\r\n', rng.randbytes(300) + b'\r\n\r\n', b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n']), {400, 401, 403, 505, None}),
        ('keyed', get(rng.choice(['/v1/models', '/metrics', '/', '/v1/embeddings', '/nothing']), more=rng.choice(['', 'Authorization: Bearer\r\n', 'Authorization: Bearer ' + KEY[:-1] + '\r\n', 'Authorization: Basic %%%\r\n', 'Authorization: Bearer é\r\n', f'Authorization: Bearer {KEY}x\r\n'])), {401, 400}),
        ('label', get(rng.choice(['/', '/token', '/tokem/', '/label.js', '/TOKEN/', '/token\x00/'])), {404, 400})]
    return rng.choice(cases)


def answered(port, sent):
    """Status, head and body that come of some bytes; status None where the connection is closed on."""
    got = b''
    try:
        with socket.create_connection(('127.0.0.1', port), timeout=40) as connection:
            sender = threading.Thread(target=quietly, args=(connection.sendall, sent), daemon=True)
            sender.start()
            sender.join(1)
            while part := connection.recv(1 << 16):
                got += part
                connection.settimeout(2)  # the connection may be kept
    except ConnectionError: pass
    except TimeoutError:
        if not got: raise
    head, _, body = got.partition(b'\r\n\r\n')
    status = int(head[9:12]) if head.startswith(b'HTTP/1.') and head[9:12].isdigit() else None
    return status, head.lower(), body


def quietly(function, *given):
    """Call it; a connection that is closed is none of its concern."""
    try: function(*given)
    except OSError: pass


def attacked(child, n, rng):
    """What came of hostile requests."""
    outcomes = Counter()
    for _ in range(n):
        port, sent, fine = hostile(rng, child.ports)
        start = time.monotonic()
        try: status, head, body = answered(child.ports[port], sent)
        except TimeoutError: outcomes[f'HANGS {port} {sent[:60]!r}'] += 1; continue
        if status not in fine and not (status is None and len(sent) > 1 << 20): outcomes[f'{port}: {status} for {sent[:60]!r} … {sent[-60:]!r} {body[:80]!r}'] += 1
        elif b'access-control' in head: outcomes[f'CORS {port}'] += 1
        elif b'Traceback' in body or b'<script>alert' in body: outcomes[f'SHOWN {body[:80]!r}'] += 1
        elif time.monotonic() - start > 30: outcomes['SLOW'] += 1
        else: outcomes['refused' if status != 200 else 'answered'] += 1
    return outcomes


def idle(child, n=400):
    """Connections that bring nothing: how many are still open after a while, and whether others are answered meanwhile."""
    connections = [socket.create_connection(('127.0.0.1', child.ports['search'])) for _ in range(n)]
    for connection in connections: connection.sendall(b'GET /health HTTP/1.1\r\n')
    meanwhile = answered(child.ports['search'], b'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')[0]
    still, end = connections, time.monotonic() + 30
    while still and time.monotonic() < end:
        time.sleep(.5)
        still = [each for each in still if not closed(each)]
    for each in connections: each.close()
    return meanwhile, len(still)


def closed(connection):
    """Whether the other side has ended a connection."""
    connection.setblocking(False)
    try: return connection.recv(1 << 16) == b''
    except BlockingIOError: return False
    except ConnectionError: return True


def finds(n, rng):
    """20 requests for each of `n` by 64 clients, 5 hostile ones for each, and 400 idle connections."""
    found = Counter()
    with Child() as child:
        start = child.memory()
        lost, memory, seconds = loaded(child, 20*n)
        quantile = lambda share: seconds[min(len(seconds) - 1, int(share*len(seconds)))]
        print(f'load: {len(seconds)} requests, {CLIENTS} clients of which {SLOW} slow, {lost.total()} lost; median {quantile(.5)*1000:.0f} ms, '
            f'p99 {quantile(.99)*1000:.0f} ms, most {seconds[-1]*1000:.0f} ms', flush=True)
        outcomes = attacked(child, 5*n, rng)
        good = {name: outcomes.pop(name, 0) for name in ('refused', 'answered')}
        print('hostile: ' + ', '.join(f'{name} {count}' for name, count in good.items()) + f', finds {outcomes.total()}', flush=True)
        meanwhile, still = idle(child)
        print(f'idle: 400 connections, {still} left open; meanwhile another client got {meanwhile}')
        peak, logged = child.memory('VmHWM'), child.logged()
        print(f'memory: {start >> 20} MB at the start, {", ".join(str(each >> 20) for each in memory)} MB by quarters of the load, {peak >> 20} MB at most, {child.memory() >> 20} MB in the end')
    found += lost + outcomes
    if meanwhile != 200 or still: found[f'IDLE connections: {still} open, {meanwhile} for others'] += 1
    if memory[-1] - memory[0] > GROWTH: found['MEMORY grows'] += 1
    if peak - start > PEAK: found['MEMORY at most'] += 1
    lines = [line for line in logged.splitlines() if line.strip()]
    if any('Traceback' in line for line in lines): found[f'TRACEBACK in the log: {next(line for line in reversed(lines))[:160]}'] += sum('Traceback' in line for line in lines)
    for what, count in found.most_common(12): print(f'    {count} {what}', flush=True)
    return found


if __name__ == '__main__': serve_all()
