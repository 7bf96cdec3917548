"""One untuned model, one figure: `python bench/agreement.py` asks every place that says how good the base model is, on the same questions.

A finished run (default: that of `make tutorial`) and, where they can be had, the published questions. Exit code 1 if two places disagree.
"""
import argparse
import contextlib
import io
import json
import re
import sys
import tempfile
from html import unescape
from pathlib import Path

from harness import datasets

from embedtune import EmbeddingQAFinetuneDataset, Search, evaluate, ladder, load_model
from embedtune.cli import main as shell
from embedtune.embedding import DEFAULT_MODEL, VectorCache
from embedtune.evaluation import to_markdown
from embedtune.samples import DataUnavailable

FIGURES = ('hit_rate@5', 'mrr@10')


def rounded(evaluation): return f'{evaluation.hit_rate(5):.3f} / {evaluation.mrr(10):.3f}'


def of_markdown(table, row):
    """The figures of a row of a printed table."""
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines() if line.startswith('|')]
    names, found = rows[0], next(cells for cells in rows if cells[0] == row)
    return ' / '.join(found[names.index(name)] for name in FIGURES)


def of_page(page):
    """The same of a run's page: the first table, whose columns have names of their own."""
    table = re.search('<table.*?</table>', page.read_text(encoding='utf-8'), re.S).group()
    rows = [re.sub('<[^>]*>', '\n', row).split('\n') for row in re.findall('<tr.*?</tr>', table, re.S)]
    names, *rows = [[unescape(cell).strip() for cell in row if cell.strip()] for row in rows]
    found = next(row for row in rows if row[0] == 'base')
    return ' / '.join(found[names.index(name)] for name in ('Hit rate @5', 'MRR @10'))


def said(*words):
    """What a command prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out): code = shell([str(word) for word in words])
    if code: sys.exit(f'{words} failed')
    return out.getvalue()


def of_run(folder):
    """Pairs (where, figure): what a finished run says."""
    table = {row['retriever']: row for row in json.loads((folder/'run.json').read_text())['table']}
    yield 'run.json', ' / '.join(f'{table["base"][name]:.3f}' for name in FIGURES)
    yield 'report.html', of_page(folder/'report.html')


def of_parts(train, val, folder):
    """Pairs (where, figure): what the parts say about the base model on `val`."""
    file = folder/'val.json'
    val.save_json(file)
    yield 'evaluate(load_model())', rounded(evaluate(load_model(), val))
    yield 'Search().retriever(model, corpus)', rounded(evaluate(Search().retriever(load_model(), val.corpus), val))
    climbed = ladder(train, val, out=folder/'ladder', methods=['base'], show_progress=False, allow_leakage=True, cache=VectorCache())
    yield "ladder", rounded(climbed.rungs['base'].evaluation)
    yield "the ladder's table", of_markdown(to_markdown(climbed.table()), 'base')
    yield 'embedtune evaluate', of_markdown(said('evaluate', '--dataset', file), DEFAULT_MODEL)


def main():
    """Print where each figure stands; 1 if they are not the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path, nargs='?', default=Path('runs/tutorial'), help='of a finished run')
    run = parser.parse_args().folder
    sets = {run.name: [EmbeddingQAFinetuneDataset.from_json(run/f'{side}_dataset.json') for side in ('train', 'val')]}
    with contextlib.suppress(DataUnavailable): sets['published'] = datasets()
    disagree = False
    for name, sides in sets.items():
        with tempfile.TemporaryDirectory() as folder: found = dict(of_parts(*sides, Path(folder)))
        if name == run.name: found = dict(of_run(run)) | found
        for place, figure in found.items(): print(f'{name:10} {place:34} hit@5 / MRR@10 {figure}', flush=True)
        disagree |= len(set(found.values())) > 1
    return int(disagree)


if __name__ == '__main__': sys.exit(main())
