#!/usr/bin/env python
"""Measure `embedtune serve`: 64 clients against one at a time and against bare `encode`, a stop in the middle of it, and memory.

    python bench/serve.py            # all of it, a few minutes on two cores
    python bench/serve.py --rounds 1 --questions 384 --passages 64

The server is a process of its own, with the default model and two threads. The clients share its cores: all 64 live in one process with an
event loop that writes HTTP/1.1 by hand on open connections, which costs less than any client library; its share of the CPU is told.
Bare `encode` gets the same texts in one call, so it sorts all of them by length and writes no HTTP. Rounds take turns, so that a busy
machine is busy for all; the middle of the rounds is told."""
import argparse
import asyncio
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import time

CLIENTS = 64


def start():
    """A server in a process of its own, and its port."""
    env = os.environ | dict(OMP_NUM_THREADS='2', TOKENIZERS_PARALLELISM='false', HF_HUB_OFFLINE='1', EMBEDTUNE_OFFLINE='1')
    code = 'from embedtune.search_server import serve; serve(port=0)'
    process = subprocess.Popen([sys.executable, '-c', code], env=env, stdout=subprocess.PIPE, text=True)
    port = int(process.stdout.readline().split('127.0.0.1:')[1].split(':')[0])
    return process, port


def request_of(texts, kind):
    """The bytes of a request."""
    body = json.dumps(dict(input=texts if len(texts) > 1 else texts[0], encoding_format=kind)).encode()
    head = f'POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n'
    return head.encode() + body


async def client(port, requests, times, outcome):
    """Send requests one after the other on one connection, a new one when it is closed."""
    reader = writer = None
    for request in requests:
        begin, sent = time.perf_counter(), False
        try:
            if writer is None: reader, writer = await asyncio.open_connection('127.0.0.1', port)
            writer.write(request)
            await writer.drain()
            sent = True
            head = (await reader.readuntil(b'\r\n\r\n')).lower()
            await reader.readexactly(int(head.split(b'content-length:')[1].split(b'\r\n')[0]))
        except OSError as error:
            outcome['lost' if sent else 'refused'] += 1
            if not sent: return
            writer = None
            continue
        except asyncio.IncompleteReadError:
            outcome['lost'] += 1
            writer = None
            continue
        outcome['answered' if head.split()[1] == b'200' else 'other'] += 1
        times.append(time.perf_counter() - begin)
        if b'connection: close' in head:
            writer.close()
            writer = None
    if writer: writer.close()


def load(port, requests, clients=CLIENTS, seconds=None, after=None):
    """What `clients` clients get for `requests`, each its share; with `after`, a function called after `seconds`."""
    times, outcome = [], dict(answered=0, other=0, refused=0, lost=0)
    async def all_of_them():
        shares = [requests[i::clients] for i in range(clients)]
        if after: asyncio.get_running_loop().call_later(seconds, after)
        await asyncio.gather(*[client(port, share, times, outcome) for share in shares])
    begin, cpu = time.perf_counter(), time.process_time()
    asyncio.run(all_of_them())
    took = time.perf_counter() - begin
    times.sort()
    quantile = lambda q: times[min(len(times) - 1, int(q*len(times)))] if times else 0
    return dict(outcome, seconds=took, per_second=outcome['answered']/took, p50=quantile(.5), p99=quantile(.99), client_cpu=(time.process_time() - cpu)/took)


def memory(process):
    """Resident memory of a process in MB."""
    with open(f'/proc/{process.pid}/status') as lines:
        return next(int(line.split()[1])/1024 for line in lines if line.startswith('VmRSS'))


def bare(texts):
    """A function that says how many texts a second `encode` does in one call, with two threads."""
    import torch
    from embedtune.embedding import encode
    from embedtune.precision import load_model
    torch.set_num_threads(2)
    model = load_model().model
    encode(model, texts[:64])
    def measure():
        begin = time.perf_counter()
        encode(model, texts)
        return len(texts)/(time.perf_counter() - begin)
    return measure


def texts_of(kind, n):
    """Questions of people about Uber's report, or its passages."""
    from embedtune import EmbeddingQAFinetuneDataset
    from embedtune.samples import published_qa
    dataset = EmbeddingQAFinetuneDataset.from_json(published_qa()[1])
    texts = list((dataset.queries if kind == 'questions' else dataset.corpus).values())
    return [f'{texts[i % len(texts)]} {i // len(texts) or ""}'.strip() for i in range(n)]


def compare(port, kind, n, rounds):
    """One line: 64 clients, one at a time, and bare `encode` on the same texts."""
    texts = texts_of(kind, n)
    requests = [request_of([text], 'base64') for text in texts]
    measure = bare(texts)
    load(port, requests[:128])
    found = []
    for _ in range(rounds):
        many, alone, own = load(port, requests), load(port, requests[:n//6], 1), measure()
        found.append((many['per_second'], alone['per_second'], own, many['p50'], many['p99'], many['client_cpu'], many['per_second']/alone['per_second'], many['per_second']/own))
    names = 'clients_64 one_at_a_time bare p50 p99 client_cpu times_one share_of_bare'.split()
    return dict(texts=kind, n=n, **{name: round(statistics.median(each), 3) for name, each in zip(names, zip(*found))})


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument('--rounds', type=int, default=3)
    parse.add_argument('--questions', type=int, default=1500)
    parse.add_argument('--passages', type=int, default=300)
    args = parse.parse_args()
    process, port = start()
    try:
        for kind, n in dict(questions=args.questions, passages=args.passages).items():
            if n: print(json.dumps(compare(port, kind, n, args.rounds)), flush=True)
        requests = [request_of([f'word {i}'], 'float') for i in range(2000)]
        load(port, requests[:500])
        before = memory(process)
        load(port, requests)
        print(json.dumps(dict(memory_before=round(before), memory_after_2000=round(memory(process)))), flush=True)
        stop = load(port, requests*4, seconds=1, after=lambda: process.send_signal(signal.SIGTERM))
        begin = time.perf_counter()
        process.wait(30)
        print(json.dumps(dict(stopped={name: stop[name] for name in ('answered', 'other', 'refused', 'lost')}, exit_after=round(time.perf_counter() - begin, 2))), flush=True)
    finally: process.kill()


if __name__ == '__main__': main()
