"""Servers that answer nonsense, to our clients of language and embedding models: broken HTTP, drips, redirects, floods, wrong vectors."""
import faulthandler
import gzip
import json
import math
import os
import random
import socket
import struct
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from functools import lru_cache
from pathlib import Path

from breaking.files import NONSENSE, changed

KEY, PASSWORD = 'sk-Very/Secret+Key=7', 'p%40ss-word'  # sent, and repeated by the servers; nothing may show them
HIDDEN = KEY, 'p@ss-word', PASSWORD, 'sk-in-the-url'
SECONDS, RETRIES = .4, 1  # of the clients; an answer may take twice that with its pauses
LIMIT, MEMORY = 10, 600 << 20  # seconds and bytes that a case may take


class Server:
    """A socket of this machine where `behave(connection, path, body)` answers every connection."""
    def __init__(self, behave):
        self.behave, self.heard, self.paths = behave, b'', []
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=64)
        self.url = f'http://127.0.0.1:{self.listener.getsockname()[1]}/v1'
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try: connection, _ = self.listener.accept()
            except OSError: return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        connection.settimeout(30)
        try:
            with connection:
                head, body = read_request(connection)
                if not head: return
                self.heard += head
                self.paths.append(head.split(b' ')[1].decode())
                self.behave(connection, self.paths[-1], body)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)
        except (OSError, ValueError): pass

    def __enter__(self): return self
    def __exit__(self, *_): self.listener.close()


def read_request(connection):
    """Head and body of a request."""
    got = b''
    while b'\r\n\r\n' not in got:
        part = connection.recv(1 << 16)
        if not part: return b'', b''
        got += part
    head, _, body = got.partition(b'\r\n\r\n')
    length = next((int(line.split(b':')[1]) for line in head.split(b'\r\n') if line.lower().startswith(b'content-length:')), 0)
    while len(body) < length: body += connection.recv(1 << 16)
    return head, body


def dumped(content):
    """JSON, however deep."""
    try: return json.dumps(content).encode('utf-8', 'surrogatepass')
    except RecursionError: return b'{"choices":'*5000


def http(body, status='200 OK', kind='application/json', **headers):
    """An answer as it stands on the wire."""
    body = body if isinstance(body, bytes) else dumped(body)
    rows = {'Content-Type': kind, 'Content-Length': len(body), 'Connection': 'close', 'retry-after-ms': 1}
    rows |= {name.replace('_', '-'): value for name, value in headers.items()}
    head = ''.join(f'{name}: {value}\r\n' for name, value in rows.items() if value is not None)
    return f'HTTP/1.1 {status}\r\n{head}\r\n'.encode('utf-8', 'replace') + body


def chat_body(text='Oslo.'):
    """What a decent server says."""
    message = dict(role='assistant', content=text, refusal=None)
    return dict(id='c', object='chat.completion', created=1, model='toy', choices=[dict(index=0, finish_reason='stop', message=message)],
        usage=dict(prompt_tokens=9, completion_tokens=3, total_tokens=12))


def vector_of(text):
    """Three numbers of a text."""
    return [1 + len(text), .5, float(text.count('a'))]


def vectors_body(body):
    """The vectors that a decent server sends."""
    texts = json.loads(body)['input']
    data = [dict(object='embedding', index=i, embedding=vector_of(text)) for i, text in enumerate(texts)]
    return dict(object='list', model='toy', data=data, usage=dict(prompt_tokens=9, total_tokens=9))


def decent(path, body): return vectors_body(body) if path.split('?')[0].endswith('embeddings') else chat_body()


# Each kind draws a behavior; True behind it: a decent answer may come of it.

def statuses(rng):
    """Any status, with a body that repeats what was sent."""
    status = rng.choice([100, 101, 199, 201, 204, 206, 226, 300, 304, 305, 399, 400, 401, 402, 403, 404, 405, 408, 409, 413, 418, 422, 429, 451, 500, 501, 503, 511, 599, 600, 999])
    words = rng.choice([f'no {KEY}', dict(error=dict(message=f'{KEY} \ud800 {" ".join(HIDDEN)}\n\nno', code=7)), [[[dict(detail=KEY)]]],
        dict(detail=[dict(loc=[1, KEY], msg=KEY)]), '', '<b>no</b>'*50, dict(error=KEY*300), json.loads('['*300 + ']'*300)])
    return (lambda c, path, body: c.sendall(http(words if status not in (204, 304) else b'', f'{status} {rng.choice(["OK", "", "Nö", KEY])}'))), 200 < status < 300


def bodies(rng):
    """A decent answer with something done to one place in it, or none at all."""
    seed = rng.random()
    def behave(c, path, body):
        c.sendall(http(changed(decent(path, body), random.Random(seed))))
    return behave, True


def texts(rng):
    """What is no JSON, or deep, or long, or strange."""
    n = rng.choice([1000, 100_000])
    word = rng.choice(['[', '{"a":', '[[],', '"', '\ud800', '<p>', '9', ' ', '\\', '{"error":', '["choices",'])
    blob = rng.choice([word*n, '', 'null', 'true', '[]', '{}', '7', '"text"', 'NaN', '{"choices": NaN}', '{"data": 1e999}', '\ufeff' + json.dumps(chat_body()),
        '[' * n + ']' * n, json.dumps(chat_body())[:-rng.randrange(1, 40)], json.dumps(chat_body()) * 2, '{"choices": [], "data": []}', '{"choices": {}, "data": {}}'])
    raw = rng.choice([blob.encode('utf-8', 'surrogatepass'), blob.encode('utf-16', 'surrogatepass'), rng.randbytes(200)])
    return (lambda c, path, body: c.sendall(http(raw, kind=rng.choice(['application/json', 'text/html', 'application/octet-stream', 'application/json; charset=klingon', '', 'x']*2)))), True


def kinds(rng):
    """A decent answer under a strange content type, charset or encoding."""
    kind = rng.choice(['text/html', 'text/plain', '', 'application/jsonl', 'text/event-stream', 'application/json; charset=utf-7', 'application/json; charset=undefined', 'image/png', '\u00e9', 'a/b; charset=idna', 'application/json; charset=rot13', 'json'])
    extra = rng.choice([{}, dict(Content_Encoding=rng.choice(['gzip', 'br', 'zstd', 'gzip, gzip', 'klingon', '', 'identity']))])
    return (lambda c, path, body: c.sendall(http(decent(path, body), kind=kind, **extra))), True


def headers(rng):
    """Headers of nonsense, of a decent answer or of a refusal."""
    value = rng.choice(['', 'nan', 'inf', '-1', '1e999', '9'*400, '9'*5000, 'Thu, 99 Foo 2099', 'Mon, 01 Jan 0001 00:00:00 -0000', 'Fri, 31 Dec 9999 23:59:59 +0000', 'é', '\x01', 'x'*70_000, '0x10', '१२'])
    name = rng.choice(['retry_after', 'retry_after_ms', 'x_should_retry', 'Content_Length', 'Transfer_Encoding', 'Set_Cookie', 'x_request_id', 'Connection', 'Location', 'Date'])
    status = rng.choice(['200 OK', '429 Busy', '500 Oops', '503 Later'])
    many = rng.choice([0, 0, 0, 5000])
    blob = lambda path, body: http(decent(path, body) if status[0] == '2' else dict(error='busy'), status, **{name: value}, **{f'x-{i}': 'y' for i in range(many)})
    return (lambda c, path, body: c.sendall(blob(path, body))), status[0] == '2'


def wire(rng):
    """Broken HTTP: cut off, reset, another protocol, wrong lengths, chunks of nonsense."""
    which = rng.randrange(8)
    def behave(c, path, body):
        good = http(decent(path, body))
        if which == 0: c.sendall(good[:random.Random(len(good)).randrange(1, len(good))])
        if which == 1:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            c.close()
        if which == 2: c.sendall(rng.choice([b'SSH-2.0-OpenSSH\r\n', b'\x16\x03\x01\x02\x00', b'HTTP/9.9 200 OK\r\n\r\n', b'HTTP/1.1\r\n\r\n', b'ICY 200\r\n\r\n', b'\r\n'*9, b'HTTP/1.1 twohundred OK\r\n\r\n']))
        if which == 3: c.sendall(http(decent(path, body), Content_Length=len(good)*3))
        if which == 4: c.sendall(http(decent(path, body), Content_Length=rng.choice([1, 0, -5, 'x'])))
        if which == 5: c.sendall(http(b'', Content_Length=None, Transfer_Encoding='chunked') + rng.choice([b'zz\r\n', b'ffffffffffffffffffff\r\n', b'5\r\nabc', b'-1\r\n\r\n', b'0\r\n\r\n']))
        if which == 6: c.sendall(b'HTTP/1.1 100 Continue\r\n\r\n'*rng.choice([1, 3000]) + good)
        if which == 7: c.sendall(good + good)
    return behave, which in (4, 6, 7)


def slow(rng):
    """Hangs, and drips of body or head that never pause for as long as the time-out."""
    which, pause = rng.choice(['hang', 'hang after head', 'drip body', 'drip head', 'drip spaces']), rng.choice([.01, .1, .2])
    def behave(c, path, body):
        good, end = http(decent(path, body)), time.monotonic() + LIMIT + 8
        head = good.index(b'\r\n\r\n') + 4
        if which == 'hang after head': c.sendall(good[:head])
        if 'body' in which or 'spaces' in which:
            c.sendall(http(b'', Content_Length=10**6))
        if which == 'drip head': c.sendall(b'HTTP/1.1 200 OK\r\nx: ')
        while time.monotonic() < end:
            time.sleep(pause)
            if 'drip' in which: c.sendall(b' ')
    return behave, False


@lru_cache
def packed_spaces(): return gzip.compress(b' '*(1 << 28), 1)


def floods(rng):
    """Answers of gigabytes: a body without an end, packed zeros, chunks, a head that does not end, lists of nothing."""
    which = rng.choice(['spaces', 'content', 'numbers', 'lists', 'zip', 'head', 'chunks', 'error'])
    def behave(c, path, body):
        piece = dict(spaces=b' ', content=b'a', numbers=b'0.1,', lists=b'[],', error=b'x').get(which, b'0')*(1 << 18)
        start = dict(content=b'{"choices": [{"message": {"content": "', numbers=b'{"data": [{"index": 0, "embedding": [', lists=b'{"data": [', error=b'{"error": "').get(which, b'')
        if which == 'zip': return c.sendall(http(packed_spaces()*12, Content_Encoding='gzip'))
        if which == 'head': c.sendall(b'HTTP/1.1 200 OK\r\nx: ')
        elif which == 'chunks': c.sendall(http(b'', Content_Length=None, Transfer_Encoding='chunked'))
        else: c.sendall(http(start, '500 Oops' if which == 'error' else '200 OK', Content_Length=1 << 33))
        piece = b'%x\r\n%b\r\n' % (len(piece), piece) if which == 'chunks' else piece
        for _ in range(12_000): c.sendall(piece)
    return behave, False


def long(rng):
    """A proper answer whose text is long in a way that a pattern may take long for, or holds lone surrogates, or too much usage."""
    begin = rng.choice(['', 'Thinking Process:', '<think>', 'Thinking Process: Final', 'analysis', '1. ', '[', '{"questions": ["', 'Why?'])
    body = rng.choice(['\n', ' ', ':', '?', '(', '1. ', '"a", ', '</think>', '<p ', '|', '*', '\ud83d', 'Final:', '\u200b', '["', '?(', '?"'])*rng.choice([1000, 200_000])
    usage = rng.choice([None, 'many', [], dict(prompt_tokens='9'*4000, completion_tokens='three'), dict(prompt_tokens=1e308, completion_tokens=True),
        dict(prompt_tokens=10**300, completion_tokens=-5), dict(prompt_tokens=float('nan'), completion_tokens=[1])])
    answer = begin + body + rng.choice(['', 'Why is it cold in Oslo?', '"]}', 'x'])
    told = chat_body(answer) | dict(usage=usage)
    return (lambda c, path, body: c.sendall(http(vectors_body(body) | dict(usage=usage) if path.endswith('embeddings') else told))), True


def redirects(rng):
    """A redirect to another host, to another port, to http, to a file; the key must not go there."""
    status = rng.choice([301, 302, 303, 307, 308])
    def behave(c, path, body): c.sendall(http(dict(error='elsewhere'), f'{status} Moved', Location=behave.to))
    behave.to, behave.other = rng.choice(['http://localhost:{port}/v1/chat/completions', 'http://127.0.0.1:{port}{path}', '//localhost:{port}/x', 'file:///etc/passwd', 'http://[1/', '', 'http://u:' + PASSWORD + '@127.0.0.1:{port}/', 'ftp://x']), True
    return behave, False


def secrets(rng):
    """A refusal or an answer that repeats the key, as it is, quoted, escaped, packed, or cut by a limit."""
    from base64 import b64encode
    from urllib.parse import quote
    shown = rng.choice([KEY, quote(KEY, safe=''), json.dumps(KEY), repr(KEY), b64encode(f'u:{PASSWORD}'.encode()).decode(), b64encode(b'u:p@ss-word').decode(), *HIDDEN,
        'x'*rng.randrange(60, 200) + KEY, ' '.join(HIDDEN), KEY*80, KEY.replace('/', '\\/'), KEY.upper()])
    status = rng.choice(['200 OK', '400 No', '401 No', '403 No', '404 No', '429 Quota', '500 Oops'])
    kind, word = rng.choice(['application/json', 'text/html']), rng.choice(['error', 'message', 'detail'])
    def behave(c, path, body):
        if status[0] != '2': return c.sendall(http({word: f'no {shown} here', 'request': shown}, status, kind))
        c.sendall(http(chat_body(f'Why {shown}?') if rng.random() < .5 else dict(data=shown, choices=shown), kind=kind))
    return behave, True


def vectors(rng):
    """Vectors: wrong in length, number, order, kind, size; zeros; NaN; other lengths later."""
    which = rng.choice(['zero', 'one zero', 'nan', 'inf', 'huge', 'tiny', 'strings', 'booleans', 'null', 'nested', 'empty', 'ragged', 'fewer', 'more', 'twice',
        'negative', 'float index', 'text index', 'other length later', 'base64', 'dict', 'unnormalized', 'shuffled', 'no index', 'big integers'])
    told = []
    def behave(c, path, body):
        found = vectors_body(body)
        data, first = found['data'], found['data'][0]
        told.append(1)
        if which == 'zero': data[:] = [each | dict(embedding=[0, 0, 0]) for each in data]
        one = {'one zero': [0.0, 0, 0], 'nan': [float('nan'), 1, 1], 'inf': [float('inf'), 1, 1], 'huge': [1e38, 2e38, 3e38], 'tiny': [1e-60]*3, 'strings': ['0.5', '1', '2'], 'big integers': [10**300, 1, 1],
            'booleans': [True, False, True], 'null': None, 'nested': [[1, 2, 3]], 'empty': [], 'ragged': [1, 2], 'base64': 'AACAPwAAAAAAAAAA', 'dict': {'0': 1}}
        if which in one: first['embedding'] = one[which]
        if which in ('empty', 'nested', 'strings', 'booleans'): data[:] = [each | dict(embedding=one[which]) for each in data]
        if which == 'fewer': data.pop()
        if which == 'more': data.append(first | dict(index=len(data)))
        if which == 'twice': data[-1]['index'] = 0
        if which == 'negative': first['index'] = -1
        if which == 'float index': first['index'] = 0.5
        if which == 'text index': first['index'] = 'first'
        if which == 'other length later' and len(told) > 1: data[:] = [each | dict(embedding=[1, 2, 3, 4]) for each in data]
        if which == 'unnormalized': data[:] = [each | dict(embedding=[7000*x for x in each['embedding']]) for each in data]
        if which == 'shuffled': data.reverse()
        if which == 'no index': data[:] = [dict(embedding=each['embedding']) for each in data]
        c.sendall(http(found))
    return behave, which in ('unnormalized', 'shuffled', 'no index', 'huge')


def batches(rng):
    """A Batch API, something done to one of its answers, or to a line of its files."""
    seed, at = rng.random(), rng.choice(['files', 'batches', 'id', 'content', 'none'])
    keys = []
    def behave(c, path, body):
        own, place = random.Random(seed), path.split('?')[0].removeprefix('/v1/')
        if b'custom_id' in body: keys[:] = [json.loads(line)['custom_id'] for line in body.split(b'\n') if line.startswith(b'{')]
        line = dict(id='l', custom_id=keys[0] if keys else 'k', error=None, response=dict(status_code=200, body=chat_body()))
        if place.endswith('content'):
            line = changed(line, own) if at == 'content' else line
            blob = own.choice([json.dumps(line).encode()]*3 + [b'[]\n7\n', rng.randbytes(60), b'{"custom_id":'*3000])  if at == 'content' else json.dumps(line).encode()
            return c.sendall(http(blob, kind='application/octet-stream'))
        batch = dict(id='b', object='batch', endpoint='/v1/chat/completions', status='completed', output_file_id='o', error_file_id=None, errors=None, metadata=None,
            request_counts=dict(total=1, completed=1, failed=0), created_at=1, completion_window='24h', input_file_id='f')
        told = dict(files=dict(id='f', object='file', bytes=1, created_at=1, filename='x', purpose='batch', status='processed')).get(place, batch)
        name = dict(files='files', batches='batches').get(place, 'id')
        c.sendall(http(changed(told, own) if name == at else told))
    return behave, True


KINDS = dict(statuses=statuses, bodies=bodies, texts=texts, kinds=kinds, headers=headers, wire=wire, slow=slow, floods=floods, long=long,
    redirects=redirects, secrets=secrets, vectors=vectors, batches=batches)


def reset_peak():
    """Begin to measure the most memory that this process takes; bytes it takes now."""
    Path('/proc/self/clear_refs').write_text('5')
    return memory('VmRSS')


def memory(row):
    """Bytes of this process, by the name that Linux gives them."""
    return next(int(line.split()[1])*1024 for line in Path('/proc/self/status').read_text().splitlines() if line.startswith(row))


def hidden_in(url):
    """What must not be shown where this address is asked."""
    return HIDDEN if '@' in url else HIDDEN[:1]


def ask_chat(url, folder, rng):
    """An answer and its questions, through a journal."""
    from embedtune import ChatLLM
    from embedtune.journal import ReplayLLM
    from embedtune.judge import _parse_score
    from embedtune.questions import _parse_questions
    llm = ChatLLM('toy', url, KEY, timeout=SECONDS, max_retries=RETRIES, price=(1, 1), max_usd=1e9)
    llm.throttle.sleep = lambda seconds: time.sleep(min(seconds, .01))
    tape = ReplayLLM(folder/f'{rng.random()}.jsonl', llm)
    try: answer = tape.chat([dict(role='user', content='The capital of Norway?')])
    finally:
        kept = tape.path.read_text(encoding='utf-8') if tape.path.exists() else ''
        if any(secret in kept for secret in hidden_in(url)): raise AssertionError('the journal shows a key')
        if not 0 <= llm.usage.usd < 1e6: raise AssertionError(f'usage of {llm.usage.usd} dollars')
    _parse_score(answer)
    for question in [answer, *_parse_questions(answer)]: question.encode()
    if not answer.strip(): return 'an empty answer'
    if any(secret in answer for secret in hidden_in(url)): return 'an answer that shows a key'


def ask_batch(url, folder, rng):
    """An answer by the Batch API, twice: the second call goes on where the first one was."""
    from embedtune import ChatLLM, EmbedtuneError
    from embedtune.journal import _batch_chat
    llm, path = ChatLLM('toy', url, KEY, timeout=SECONDS, max_retries=0, price=(1, 1), max_usd=1e9), folder/f'{rng.random()}.jsonl'
    for last in (False, True):
        try: tape = _batch_chat(llm, path, [[dict(role='user', content='The capital of Norway?')]], poll=.01, max_wait=.1, show_progress=False)
        except EmbedtuneError:
            if last: raise
    for answer in tape.answers.values(): answer.encode()
    if not 0 <= llm.usage.usd < 1e6: return f'usage of {llm.usage.usd} dollars'


def ask_vectors(url, folder, rng):
    """Vectors, kept in a cache."""
    import numpy as np
    from embedtune import OpenAIEmbedding
    from embedtune.embedding import CachedEmbedding, VectorCache
    model = OpenAIEmbedding('toy', url, KEY, timeout=SECONDS, max_retries=RETRIES, batch_size=2, price=1, max_usd=1e9)
    given = ['a', 'a cat and a bat', 'b', 'an apple', 'c d']
    found = CachedEmbedding(model, VectorCache(folder/f'{rng.random()}.sqlite')).encode_document(given)
    wanted = np.array([vector_of(text) for text in given])
    if not 0 <= model.usage.usd < 1e6: return f'usage of {model.usage.usd} dollars'
    if found.dtype != np.float32 or not np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-4): return 'vectors that are no unit vectors'
    if found.shape == wanted.shape and (np.abs(found - wanted/np.linalg.norm(wanted, axis=1, keepdims=True)).max(axis=1) > 1e-4).sum() > 2: return 'vectors of other texts'


def tried(ask, behave, decent_too, folder, rng):
    """What became of one server: 'read', 'told', or what was found."""
    from embedtune import EmbedtuneError
    with Server(behave) as server, Server(lambda c, path, body: c.sendall(http(decent(path, body)))) as other:
        if hasattr(behave, 'to'): behave.to = behave.to.format(port=other.url.split(':')[2].split('/')[0], path='/v1/embeddings')
        url = server.url.replace('//', f'//u:{PASSWORD}@') + '?key=sk-in-the-url' if rng.random() < .3 else server.url
        before, start = reset_peak(), time.monotonic()
        faulthandler.dump_traceback_later(LIMIT)  # says where it is slow
        with warnings.catch_warnings(record=True, action='always') as warned:
            try: outcome = ask(url, folder, rng) or 'read'
            except EmbedtuneError as error: outcome, said = 'told', str(error)
            except Exception as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                return f'TRACEBACK {type(error).__name__}: {str(error)[:80]} ({Path(last.filename).name}:{last.lineno})'
        faulthandler.cancel_dump_traceback_later()
        took, more = time.monotonic() - start, memory('VmHWM') - before
        if other.heard: return f'REDIRECTED{" with the key" if KEY.encode() in other.heard else ""}'
    told = [said] if outcome == 'told' else []
    told += [str(warning.message) for warning in warned]
    if any(secret.lower() in line.lower() for line in told for secret in hidden_in(url)): return f'SHOWN {told}'
    if any('\n' in line or len(line) > 600 or line.encode('utf-8', 'replace').decode() != line for line in told): return f'NOT ONE LINE {told[0][:200]!r}'
    if took > LIMIT: return f'SLOW {math.ceil(took/10)*10} s ({ask.__name__}, {outcome})'
    if more > MEMORY: return f'MEMORY {more >> 20} MB'
    if outcome not in ('told', 'read') or outcome == 'read' and not decent_too: return f'NONSENSE ACCEPTED {outcome}'
    return outcome


def addresses(folder, n, rng):
    """Base URLs of nonsense, and such as would send a key in clear."""
    from embedtune import ChatLLM, EmbedtuneError, OpenAIEmbedding
    hosts = ['http://[1/v1', 'http://gpu-box/v1', ' http://gpu-box/v1', 'HTTP://gpu-box/v1', 'http:///v1', 'http://127.0.0.1:99999/v1', 'http://127.0.0.1:x/v1', '127.0.0.1:1/v1', 'file:///etc/passwd', 'http://\ud800/v1',
        'http://127.0.0.1:1/\x00', 'http://é.example/v1', 'ht\ntp://gpu-box/v1', '//gpu-box/v1', 'http://gpu-box@127.0.0.1.evil/v1', 'http://' + 'a'*300 + '/v1', 'ftp://gpu-box/v1', 'javascript:alert(1)', '', 'http://127.1.evil:1/v1',
        'http://127.0.0.1:1/v1?key=' + KEY, f'http://u:{PASSWORD}@gpu-box/v1', 'http://::1/v1', 'http://[::1]:1/v1', 'http://[::ffff:10.0.0.1]/v1', 'http:\\\\gpu-box/v1', 'https:///v1', 'http://%31%32%37.0.0.1:1/v1']
    outcomes, sent, real = Counter(), [], socket.getaddrinfo
    def noted(host, *rest, **more):
        if host not in ('127.0.0.1', 'localhost', '::1'):
            sent.append(host)
            raise socket.gaierror(-2, 'no such host')
        return real(host, *rest, **more)
    socket.getaddrinfo = noted
    try:
        for number in range(max(n, len(hosts))):
            url = hosts[number % len(hosts)]
            for make, ask in ((ChatLLM, lambda llm: llm.complete('Hi')), (OpenAIEmbedding, lambda model: model.encode_query(['Hi']))):
                sent.clear()
                os.environ['OPENAI_BASE_URL'] = 'https://nowhere.invalid/v1'
                try: ask(make('toy', url, KEY, timeout=SECONDS, max_retries=0)) and None
                except EmbedtuneError as error: outcome = 'told' if '\n' not in str(error) and not any(each in str(error) for each in HIDDEN) else f'SHOWN {error}'
                except Exception as error:
                    last = traceback.extract_tb(error.__traceback__)[-1]
                    outcome = f'TRACEBACK {type(error).__name__}: {str(error)[:60]} ({Path(last.filename).name}:{last.lineno})'
                else: outcome = 'NONSENSE ACCEPTED'
                if sent and 'https' not in url and url: outcome = f'KEY IN CLEAR to {sent[0][:30]!a} by {url[:40]!a}'
                outcomes[outcome] += 1
    finally:
        socket.getaddrinfo = real
        del os.environ['OPENAI_BASE_URL']
    return outcomes


def proxied(folder):
    """Whether anything that goes to this machine goes to a proxy."""
    from embedtune import ChatLLM, OpenAIEmbedding
    outcomes = Counter()
    with Server(lambda c, path, body: c.sendall(http(decent(path, body)))) as server, Server(lambda c, path, body: c.sendall(http(decent(path, body)))) as proxy:
        for name in ('http_proxy', 'HTTP_PROXY', 'ALL_PROXY', 'all_proxy', 'https_proxy'):
            for host in ('127.0.0.1', 'localhost', 'LOCALHOST', '[::1]', '127.0.0.2'):
                os.environ[name] = proxy.url.removesuffix('/v1')
                url = server.url.replace('127.0.0.1', host)
                for ask in (lambda: ChatLLM('toy', url, KEY, timeout=2, max_retries=0).complete('Hi'), lambda: OpenAIEmbedding('toy', url, KEY, timeout=2, max_retries=0).encode_query(['Hi'])):
                    try: ask()
                    except ValueError: pass
                    outcomes['PROXIED' if proxy.heard else 'direct'] += 1
                del os.environ[name]
    return outcomes


def warm_up(folder, rng):
    """Ask a decent server once, so that no case pays for imports; exits where that goes wrong."""
    import openai.types.batch
    with Server(lambda c, path, body: c.sendall(http(decent(path, body)))) as server:
        if wrong := ask_chat(server.url, folder, rng) or ask_vectors(server.url, folder, rng): sys.exit(f'a decent server gives {wrong}')


def finds(n, rng):
    """Every kind of server, `n` times for each client; and addresses and proxies."""
    found, good = Counter(), ('read', 'told', 'direct')
    packed_spaces()
    chosen = os.environ.get('KINDS', ' '.join(KINDS)).split()  # for a closer look
    with tempfile.TemporaryDirectory() as folder:
        warm_up(Path(folder), rng)
        for name in chosen:
            kind = KINDS[name]
            clients = dict(vectors=[ask_vectors], batches=[ask_batch]).get(name, [ask_chat, ask_vectors])
            start, outcomes = time.monotonic(), Counter()
            for _ in range(n):
                for ask in clients: outcomes[tried(ask, *kind(rng), Path(folder), rng)] += 1
            report(name, outcomes, good, found, time.monotonic() - start)
        report('addresses', addresses(Path(folder), n, rng), good, found, 0)
        report('proxies', proxied(Path(folder)), good, found, 0)
    return found


def report(name, outcomes, good, found, seconds):
    """Print a line for a kind, and count its finds."""
    told = ', '.join(f'{outcome} {outcomes[outcome]}' for outcome in good if outcomes[outcome])
    wrong = {outcome: count for outcome, count in outcomes.items() if outcome not in good}
    print(f'{name}: {told or "none good"}, finds {sum(wrong.values())}' + f' ({seconds:.0f} s)'*(seconds > 0), flush=True)
    for outcome, count in wrong.items():
        found[f'{name}: {outcome}'] += count
        print(f'    {count} {outcome}', flush=True)
