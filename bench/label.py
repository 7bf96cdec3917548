"""How many keys does a question take? `python bench/label.py [runs/tutorial] [--n 50]`. Prints one table and the verdict.

Starts `embedtune label` on a finished run and judges its questions in a headless Chromium by the keyboard alone: what the run knows as an answer is answered with 4, Enter ends
a question. The run itself stays as it is. Needs Debian's package chromium, and playwright (`make .venv/.slow`).
"""
import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent/'tools'))


def linked(run, folder):
    """A folder with all that lies in the run's, but for its labels."""
    for each in run.resolve().iterdir():
        if each.name != 'labels': (folder/each.name).symlink_to(each)
    return folder


@contextmanager
def labelling(folder, n):
    """The process of `embedtune label`, and the address that it prints."""
    command = [sys.executable, '-c', 'import sys; from embedtune.cli import main; sys.exit(main())', 'label', str(folder), '--n', str(n), '--judge', 'keyboard']
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | dict(PYTHONUNBUFFERED='1'))
    try:
        address = next((found[0] for line in process.stdout if (found := re.search(r'http://\S+', line))), None)
        if not address: sys.exit('embedtune label did not start')
        yield process, address
    finally:
        if process.poll() is None: process.send_signal(signal.SIGINT)


def listen(tab, address):
    """The list to which is added what should not be: errors, warnings, dialogs, requests to elsewhere."""
    wrong = []
    tab.on('console', lambda message: wrong.append(message.text))
    tab.on('pageerror', lambda error: wrong.append(str(error)))
    tab.on('dialog', lambda dialog: (wrong.append('dialog'), dialog.dismiss()))
    tab.on('request', lambda request: request.url.startswith((address, 'data:')) or wrong.append(request.url))
    tab.on('response', lambda answer: answer.status < 400 or wrong.append(f'{answer.status} {answer.url}'))
    return wrong


def judge(tab, address, right):
    """Judge every question; the number of keys for each."""
    keys = []
    told = lambda word: tab.expect_response(lambda answer: f'"do":"{word}"' in (answer.request.post_data or ''))
    with told('open') as answer: tab.goto(address)
    while view := answer.value.json()['view']:
        places = [place for place, each in enumerate(view['passages']) if each['node'] in right.get(view['question'], ())]
        at, pressed = 0, 1
        for place in places:
            for _ in range(place - at): tab.keyboard.press('ArrowDown')
            with told('judge'): tab.keyboard.press('4')
            pressed += place - at + 1
            at = min(place + 1, len(view['passages']) - 1)
        with told('done') as answer: tab.keyboard.press('Enter')
        keys.append(pressed)
    tab.locator('.end h1').wait_for()
    return keys


def main():
    from browser import chromium
    from embedtune import EmbeddingQAFinetuneDataset
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('run', type=Path, nargs='?', default=Path('runs/tutorial'), help='folder of a finished run')
    parser.add_argument('--n', type=int, default=50, help='questions')
    args = parser.parse_args()
    right = EmbeddingQAFinetuneDataset.from_json(args.run/'val_dataset.json').relevant_docs
    with tempfile.TemporaryDirectory() as folder, chromium() as browser, labelling(linked(args.run, Path(folder)), args.n) as (process, address):
        tab = browser.new_page(viewport=dict(width=1280, height=800))
        wrong, start = listen(tab, address), time.perf_counter()
        keys = judge(tab, address, right)
        seconds = time.perf_counter() - start
        page = tab.locator('.end').inner_text().splitlines()
        process.send_signal(signal.SIGINT)
        said = process.stdout.read()
    print('| questions | keys a question | most keys | seconds a question, by script | errors | verdict on the page |\n|---:|---:|---:|---:|---:|---|')
    print(f'| {len(keys)} | {sum(keys)/len(keys):.1f} | {max(keys)} | {seconds/len(keys):.2f} | {len(wrong)} | {page[0]} |\n')
    print(*wrong, said, sep='\n')
    return int(bool(wrong) or process.returncode != 0)


if __name__ == '__main__': sys.exit(main())
