"""Hostile strings through every writer: nothing in them runs, leaves its place, steers a terminal or leads to another file."""
import contextlib
import io
import json
import os
import re
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import yaml
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt

PIECES = ('<script>window.bad=1</script>', '"><img src=x onerror=bad()>', "' onmouseover='bad()", '</script><script>bad()</script>', '<!--', '-->', ']]>', '</style>', '</textarea>',
    '{{7*7}}', '{% raw %}', '${7*7}', '{0}', '{name}', '%s%n', '\x1b[2J', '\x1b]0;title\x07', '\x1b[1m', '\x9b31m', '\x90', '\x7f', '\x08\x08', '\r', '\r\n', '\n', '\n\n', '\x00', '\x0b',
    '\u202e', '\u202a', '\u2066', '\u2069', '\u200f', '\u061c', '\ufeff', '\u2028', '\u2029', '\x85', '\xa0', '\ud800', '\udfff', '\ud83d\ude00', '\udcff', '=cmd|"/c calc"!A1', '+1+1',
    '-2', '@SUM(A1)', '| a | b |', '|', '```', '`', '~~~', '[x](javascript:alert(1))', '![x](http://127.0.0.1/x.png)', '[x]: javascript:bad', '<http://a.b>', '$\\frac$', '$', '$$', '\\',
    '\\n', '---', '\n---\n', '\n# h', '# h', '- x', '1. x', '> q', '***', '&lt;', '&#60;script&#62;', '&', "'", '"', '../../x', '..', '.', '/etc/passwd', 'C:\\x', 'CON', 'nul.txt', 'x'*300, '模'*120,
    '😀', '👨\u200d👩\u200d👧', 'عربي', 'Z\u0338\u0321\u0344', '\U000e0041\U000e007f', 'word', ' ', '\t', '${jndi:ldap://x}', "'; DROP TABLE x; --", 'javascript:bad()', '\N{NO-BREAK SPACE}', '٣', 'ß', 'İ')
BENIGN = 'benign'
LOOSE = re.compile('[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]')


def drawn(rng):
    """A hostile string, not empty."""
    parts = [rng.choice(PIECES) for _ in range(rng.choice([1, 1, 2, 3, 6]))]
    if rng.random() < .3: parts.insert(rng.randrange(len(parts) + 1), ''.join(chr(rng.randrange(0x110000)) for _ in range(rng.randrange(1, 8))))
    return ''.join(parts)


def skeleton(page):
    """Elements and attributes of a page, in order, whatever its texts say."""
    return [(element.name, *sorted(element.attrs)) for element in BeautifulSoup(page.encode('utf-8', 'replace').decode(), 'lxml').find_all(True)]


def must(good, what):
    """Raise where something does not hold."""
    if not good: raise AssertionError(what)


MARKDOWN = MarkdownIt('commonmark', dict(html=True)).enable(['table', 'strikethrough'])


def rendered(text):
    """What a renderer of Markdown makes of a text, without the lines in front."""
    return MARKDOWN.render(re.sub(r'\A---\n.*?\n---\n', '', text, flags=re.S))


def told(text):
    """Whether a text holds nothing that steers."""
    must(not (found := LOOSE.search(text)), f'holds {found and ascii(found[0])}')


class Letters:
    """A toy model: two numbers of a text."""
    name, fingerprint, max_seq_length = 'letters', 'letters', None
    def encode(self, texts):
        found = np.array([[len(text), 1 + len(set(text))] for text in texts], np.float32)
        return found/np.linalg.norm(found, axis=1, keepdims=True)
    encode_query = encode_document = encode


def dataset_of(text, i=None):
    """A small dataset that holds the text everywhere, and its id."""
    from embedtune import EmbeddingQAFinetuneDataset
    from embedtune.core import _mended
    whole, i = _mended(text) if text.strip() else f'x{text}', i or 'n1'
    return EmbeddingQAFinetuneDataset({i: f'{whole} ?', 'q2': 'b?'}, {i: f'{whole} .', 'n2': 'b'}, {i: [i], 'q2': ['n2']})


def evaluations(text, queries, corpus):
    """Two evaluations, one of that name."""
    from embedtune.evaluation import Evaluation
    def made(name, rank): return Evaluation(name, {q: [rank] for q in queries}, len(corpus), 1., 2, {q: list(corpus) for q in queries})
    return [made('base', 2.), made(f'n{text}', 1.)]


class Writers:
    """A method for each writer: it raises `AssertionError` where a text does what it should not."""
    def __init__(self, folder): self.folder, self.known = folder, {}

    def same(self, name, made, of):
        """The skeleton of what was made must be that of a harmless text."""
        if name not in self.known: self.known[name] = of(made(BENIGN))
        must(of(made_now := made(self.text)) == self.known[name], 'escaped')
        return made_now

    def verdict(self, some, dataset):
        """What two evaluations come to, computed once."""
        from embedtune.verdicts import verdict
        self.known['verdict'] = self.known.get('verdict') or verdict(*some, dataset)
        return replace(self.known['verdict'], before=some[0].name, after=some[1].name)

    def report(self):
        """The page of a report."""
        from embedtune.core import _mended
        from embedtune.report import _report_page
        def made(text):
            dataset = dataset_of(text, _mended(f'i{text}'))
            some = evaluations(text, dataset.queries, dataset.corpus)
            found = self.verdict(some, dataset)
            found.reason += text
            return _report_page(dataset, some, [found], {f'p{text}': b'\x89PNG\r\n\x1a\n'}, {f's{text}': text, 'list': [text, {text: 1}]}, f't{text}')
        page = self.same('report', made, skeleton)
        told(page)
        script = BeautifulSoup(page, 'lxml').find('script', id='data').string
        must(len(json.loads(script)['nodes']) == 2, 'data')

    def search(self):
        """The search page."""
        from embedtune.search_server import _page_of
        def made(text):
            hit = dict(place=f'p{text}', pieces=[(f'a{text}', True), (f'b{text}', False)], others=f'o{text}', more=f'm{text}')
            return _page_of(f'n{text}', f'q{text}', [dict(by='BM25', hits=[hit])]) + _page_of(f'n{text}', '', (), f't{text}')
        told(self.same('search', made, skeleton))

    def label(self):
        """What the label page is given; it puts texts into nodes of text alone."""
        from embedtune.labels import _Labeling
        dataset = dataset_of(self.text)
        words = SimpleNamespace(words_of=lambda texts: [text.split() for text in texts])
        run = SimpleNamespace(corpus=dataset.corpus, place=lambda node: f'p{self.text}', places={'n1': dict(file=self.text)})
        desk = SimpleNamespace(run=run, texts=dataset.queries, words=words, labels=SimpleNamespace(drafts={}), file_of=lambda node: None)
        seen = _Labeling.passage(desk, 'n1', 'n1')
        for piece in (seen['place'], *(part for part, _ in seen['parts'])): told(piece)

    def cells(self):
        """Cells and code of Markdown."""
        from embedtune.core import _md_cell, _md_code, _one_line
        page = rendered(f'| a | b |\n|---|---|\n| {_md_cell(self.text)} | x{_md_code(self.text.replace("|", "!"))} |\n')
        names = [name for name, *_ in skeleton(page)]
        must(names == ['html', 'body', 'table', 'thead', 'tr', 'th', 'th', 'tbody', 'tr', 'td', 'td', 'code'], f'escaped {names[9:]}')
        told(page)
        must(' '.join(BeautifulSoup(page, 'lxml').find('td').text.split()).rstrip('…') in ' '.join(_one_line(self.text).split()), 'changed')

    def tables(self):
        """Tables in notebooks, as Markdown and as HTML."""
        from embedtune.evaluation import compare, to_markdown
        from embedtune.leakage import check_leakage
        from embedtune.filters import _FilterReport
        def made(text):
            dataset = dataset_of(text)
            some = evaluations(text, dataset.queries, dataset.corpus)
            found = self.verdict(some, dataset)
            found.reason += text
            filtered = _FilterReport({'q': f'a{text}'}, ['short'], {'q': 'short'})
            found = [to_markdown(compare(some)), *(each._repr_markdown_() for each in (dataset, some[1], found, filtered))]
            return '\n\n'.join(found)
        page = rendered(self.same('tables', made, lambda text: skeleton(rendered(text))))
        told(page)
        table = compare(evaluations(self.text, ['q'], ['n', 'm']))
        must(skeleton(table._repr_html_()) == skeleton(compare(evaluations(BENIGN, ['q'], ['n', 'm']))._repr_html_()), 'HTML')
        must(check_leakage(dataset_of(self.text), dataset_of(self.text))._repr_markdown_().count('\n') < 40, 'leakage')

    def cards(self):
        """Cards of datasets and models."""
        from embedtune.card import _model_card
        def made(text):
            facts = dict(base=f'b{text}', base_fingerprint='0', questions=2, nodes=2, loss=text, settings=dict(epochs=4, note=text), versions=dict(embedtune='1'))
            some = evaluations(text, ['q'], ['n', 'm'])
            cards = [_model_card(f'n{text}', facts, Letters(), kind, some) for kind in ('model', 'adapter', 'tower', 'reranker')]
            return '\n\n'.join([dataset_of(text).card(f'n{text}', f'a{text}', f'f{text}'), *cards])
        def of(text): return [(name, *rest) for card in re.split(r'(?m)^(?=---\nlibrary)', text) for name, *rest in skeleton(rendered(card))]
        cards = self.same('cards', made, of)
        told(cards)
        front = yaml.safe_load(dataset_of(self.text).card(f'n{self.text}', 'a').split('\n---\n')[0].removeprefix('---\n'))
        must(set(front) == {'license', 'task_categories', 'tags', 'pretty_name'} - ({'license'} - set(front)), f'front {list(front)}')

    def terminal(self):
        """What the shell prints: results, warnings and errors."""
        from embedtune.cli import main
        from embedtune.core import EmbedtuneError
        from embedtune.runs import Hit
        hit = Hit('n', .5, self.text, 0, len(self.text), f'p{self.text}', f'd{self.text}')
        words = SimpleNamespace(words_of=lambda texts: [text.split() for text in texts])
        run = SimpleNamespace(search=lambda *_: [hit], retriever=lambda by: words)
        def warned(*_, **__): warnings.warn(f'warned: {self.text}'); raise EmbedtuneError(f'no: {self.text}')
        def broken(*_, **__): raise ZeroDivisionError(self.text)
        for place, found, codes in ((dict(return_value=run), 1, (0,)), (dict(side_effect=warned), 2, (2,)), (dict(side_effect=broken), 1, (70,))):
            out, err = io.StringIO(), io.StringIO()
            with mock.patch('embedtune.runs.open_run', **place), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err): code = main(['search', '.', 'When?'])
            must(code in codes, f'code {code}')
            told(out.getvalue() + err.getvalue())
            if code: must(len(err.getvalue().splitlines()) == found, f'lines {err.getvalue()!r:.200}')
            else: must(out.getvalue().count('\n') == 3, f'lines {out.getvalue()!r:.200}')
        err = io.StringIO()
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()): code = main(['report', f'{self.folder}/no{self.text}', f'--x{self.text}'])
        told(err.getvalue())
        must(code == 2 and len(err.getvalue().splitlines()) == 1, f'line {code} {err.getvalue()!r:.200}')

    def datasets(self):
        """Files of datasets and evaluations: read back as they were, or refused."""
        from embedtune import EmbeddingQAFinetuneDataset, EmbedtuneError
        from embedtune.evaluation import Evaluation
        given = EmbeddingQAFinetuneDataset({self.text: self.text}, {self.text: f'.{self.text}'}, {self.text: [self.text]}, doc_ids={self.text: self.text})
        with contextlib.suppress(EmbedtuneError):
            given.save_json(self.folder/'data.json')
            found = EmbeddingQAFinetuneDataset.from_json(self.folder/'data.json')
            must((found.queries, found.corpus, found.doc_ids) == (given.queries, given.corpus, given.doc_ids), 'changed')
        _, named = evaluations(self.text, ['q'], ['n', 'm'])
        named.save_json(self.folder/'evaluation.json')
        must(Evaluation.from_json(self.folder/'evaluation.json').name == named.name, 'name')

    def trec(self):
        """TREC's and BEIR's files: read back as they were, or refused and not written."""
        from embedtune import EmbedtuneError
        from embedtune.trec import load_beir, load_qrels, load_run, save_beir, save_qrels, save_run
        for path, save, load, given in ((self.folder/'qrels', save_qrels, load_qrels, {self.text: {self.text: 1}}), (self.folder/'run', save_run, load_run, {self.text: [(self.text, 1.)]})):
            with contextlib.suppress(EmbedtuneError):
                save(given, path)
                must(load(path) == given, 'changed')
            path.unlink(missing_ok=True)
        dataset = dataset_of(self.text, self.text)
        with contextlib.suppress(EmbedtuneError):
            save_beir(dataset, self.folder/'beir')
            found = load_beir(self.folder/'beir')
            must(found.relevant_docs == dataset.relevant_docs and list(found.queries) == list(dataset.queries), 'BEIR changed')

    def journal(self):
        """Files of a line for each record."""
        from embedtune.journal import _append_jsonl, _read_jsonl
        path = self.folder/'lines.jsonl'
        path.unlink(missing_ok=True)
        _append_jsonl(path, {'a': self.text}, {'b': f'{self.text}.'})
        must([list(record) for record in _read_jsonl(path)] == [['a'], ['b']], 'lines')

    def names(self):
        """Names of files."""
        from embedtune import EmbedtuneError
        from embedtune.core import _file_name
        from embedtune.labels import _label_file
        name = _file_name(self.text)
        path = self.folder/'names'/f'{name}.json'
        must(re.fullmatch(r'[\w-]+', name) and path.resolve().parent == (self.folder/'names').resolve(), f'leads to {path}')
        must(name.split('.')[0] not in ('con', 'nul') and len(path.name.encode()) < 256, 'name')
        path.parent.mkdir(exist_ok=True)
        path.write_text('')
        path.unlink()
        with contextlib.suppress(EmbedtuneError): must(_label_file(self.folder, self.text).resolve().parent == (self.folder/'labels').resolve(), 'judge')

    def documents(self):
        """Files of such a name and such a text, and files within a mail, to nodes and where they stand."""
        from email.message import EmailMessage
        from embedtune import EmbedtuneError, load_documents
        from embedtune.nodes import split_nodes
        from embedtune.runs import _by_content, _place_of, _told_place
        place = self.folder/'docs'
        place.mkdir(exist_ok=True)
        name = re.sub('[/\0]', '', ''.join(c for c in self.text if not 0xd800 <= ord(c) < 0xe000 or 0xdc80 <= ord(c) < 0xdd00))
        while len(os.fsencode(name)) > 240: name = name[:-1]
        file = place/f'{name}.md'
        file.write_bytes(f'# h{self.text}\n\nThe ferry sails at nine. {self.text}\n'.encode('utf-8', 'surrogatepass'))
        mail = EmailMessage()
        mail.set_content('See the files.')
        with contextlib.suppress(ValueError): mail.add_attachment(b'Soup is served at noon.', maintype='text', subtype='plain', filename=f'{self.shown.strip()}.txt'.replace('\n', ' '))
        (place/'mail.eml').write_bytes(mail.as_bytes())
        before = {path for path in self.folder.rglob('*') if path.name != '__pycache__'}
        try:
            with warnings.catch_warnings(action='ignore'): nodes = split_nodes(load_documents(place, show_progress=False), None, chunk_size=64)
            for node in nodes:
                told(_told_place(_place_of(node, _by_content([file]))).replace('\n', '\x00'))
                json.dumps(_place_of(node), ensure_ascii=False).encode()
        except EmbedtuneError: pass
        finally: must({path for path in self.folder.rglob('*')} == before, 'wrote')
        for path in place.iterdir(): path.unlink()

    def indexes(self):
        """Indexes: ids and texts come back."""
        from embedtune import EmbedtuneError, open_index, save_index
        from embedtune.retrieval import Search
        corpus = {self.text: dataset_of(self.text).corpus['n1'], 'n2': 'b'}
        with contextlib.suppress(EmbedtuneError):
            save_index(Search(()).retriever(Letters(), corpus), self.folder/'index')
            must(open_index(self.folder/'index', Letters()).corpus == corpus, 'changed')

    def plots(self):
        """Pictures, a twentieth of the time: names are no formulas."""
        if self.n % 20: return
        from matplotlib import pyplot as plt
        from embedtune.evaluation import plot_comparison, plot_hit_rate
        from embedtune.verdicts import _plot_ranks
        some = evaluations(self.text, ['q'], ['n', 'm'])
        with warnings.catch_warnings(action='ignore'):
            for axes in (plot_comparison(some), plot_hit_rate(some), _plot_ranks(*some)):
                axes.figure.savefig(io.BytesIO(), format='png', dpi=20)
                plt.close(axes.figure)


KINDS = ('report', 'search', 'label', 'cells', 'tables', 'cards', 'terminal', 'datasets', 'trec', 'journal', 'names', 'documents', 'indexes', 'plots')


def tried(writers, kind, text, n):
    """What a writer does with a text: 'held', or what was found."""
    from embedtune.core import _shown
    writers.text, writers.shown, writers.n = text, _shown(text), n
    try: getattr(writers, kind)()
    except AssertionError as error: return f'{error}'
    except Exception as error:
        if os.environ.get('BREAK_RAISE'): raise
        return f'RAISED {type(error).__name__}: {str(error)[:90]}'
    return 'held'


def finds(n, rng):
    """`n` strings through every writer."""
    found, texts = Counter(), [drawn(rng) for _ in range(n)]
    with tempfile.TemporaryDirectory() as folder:
        writers = Writers(Path(folder))
        for kind in KINDS:
            outcomes, examples, start = Counter(), {}, time.process_time()
            for i, text in enumerate(texts):
                outcomes[outcome := tried(writers, kind, text, i)] += 1
                examples.setdefault(outcome, text)
            held = outcomes.pop('held', 0)
            print(f'{kind}: held {held}, finds {outcomes.total()}' + f' ({time.process_time() - start:.1f} s)'*bool(os.environ.get('BREAK_TIMES')), flush=True)
            for what, count in outcomes.items(): found[f'{kind}: {what}, such as {ascii(examples[what])[:120]}'] += count
    return found
