// One page for passages to be judged on, in a browser and, by anywidget, in a notebook.
// Texts of documents are only ever appended as text nodes.
const GRADES = ['not', 'a little', 'mostly', 'answers it'];
const DEEDS = [['Enter', 'Next: the rest is “not”'], ['u', 'Undo'], ['s', 'Skip']];

function make(tag, name, ...content) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...content);
  return element;
}

function isolated(text) {
  const element = make('bdi', '', text);
  element.dir = 'auto';
  return element;
}

class Label {
  // `ask` takes a message and promises an answer; see `_Labeling.answer`.
  constructor(root, ask) {
    this.root = root;
    this.ask = ask;
    this.queue = Promise.resolve();
    this.papers = new Map();
    root.classList.add('embedtune-label');
    root.dataset.lmSuppressShortcuts = 'true'; // JupyterLab's own keys stay silent here
    root.tabIndex = -1;
    this.build();
  }

  // 1. The parts that stay

  build() {
    this.bar = document.createElement('progress');
    this.bar.setAttribute('aria-label', 'questions judged');
    this.told = make('p');
    this.said = make('p', 'said');
    this.said.setAttribute('role', 'status');
    this.text = make('h1');
    this.text.dir = 'auto';
    this.about = make('p');
    this.list = make('ol', 'passages');
    this.paper = make('aside', 'paper');
    this.paper.setAttribute('aria-label', 'the page of the document');
    this.desk = make('div', 'desk', this.list, this.paper);
    this.asked = make('div', 'asked', this.text, this.about);
    this.work = make('section', '', this.desk);
    this.work.setAttribute('aria-label', 'passages');
    this.end = make('section', 'end');
    this.end.setAttribute('aria-label', 'verdict');
    const head = make('div', 'head', make('div', 'top', this.told, this.bar), this.said, this.asked);
    this.root.append(head, this.work, this.end, this.keys());
  }

  button(name, content, step) {
    const button = make('button', name, ...content);
    button.type = 'button';
    button.onclick = () => this.then(step);
    return button;
  }

  keys() {
    const hint = (keys, what) => make('span', 'hint', ...keys.flatMap(key => [make('kbd', '', key), ' ']), what);
    const hints = [hint(['1', '2', '3', '4'], 'judge'), hint(['↑', '↓'], 'move')];
    const deeds = DEEDS.map(([key, what]) => this.button('deed', [make('kbd', '', key), ` ${what}`], () => this.press(key)));
    const stop = this.button('stop', [make('span', 'hint', 'See the '), 'verdict'], () => this.conclude());
    this.legend = make('div', 'keys', ...hints, ...deeds, stop);
    return this.legend;
  }

  // 2. What comes from the answers

  then(step) {
    this.queue = this.queue.then(step).then(
      () => { this.said.textContent = ''; },
      error => { this.said.textContent = `Not kept: ${error.message}`; });
    return this.queue;
  }

  async take(message) {
    const answer = await this.ask(message);
    if (answer.error) throw new Error(answer.error);
    if (answer.progress) this.progress(answer.progress);
    if (answer.view) this.show(answer.view, answer.node);
    else if (answer.progress) await this.conclude();
    return answer;
  }

  progress({finished, total, told}) {
    this.bar.max = total;
    this.bar.value = finished;
    this.told.textContent = told;
  }

  show(view, node) {
    this.view = view;
    this.end.hidden = true;
    this.asked.hidden = this.work.hidden = this.legend.hidden = false;
    this.text.replaceChildren(view.text);
    this.asked.classList.toggle('long', view.text.length > 180);
    this.about.textContent = view.about;
    this.list.replaceChildren(...view.passages.map((each, place) => this.passage(each, place)));
    const again = view.passages.findIndex(each => each.node === node);
    this.focus(Math.max(0, again));
    if (again < 1) this.root.scrollIntoView({block: 'start'});
  }

  passage(each, place) {
    const text = make('p', 'text');
    text.dir = 'auto';
    const chip = make('span', 'chip');
    const buttons = GRADES.map((name, grade) => {
      const content = [make('kbd', '', String(grade + 1)), ` ${name}`];
      const button = this.button('', content, () => this.judge(place, grade));
      button.dataset.grade = grade;
      return button;
    });
    const grades = make('div', 'grades', ...buttons);
    grades.setAttribute('role', 'group');
    grades.setAttribute('aria-label', 'How well does it answer?');
    const item = make('li', 'passage', make('p', 'place', isolated(each.place), chip), text, grades);
    item.tabIndex = -1;
    item.onclick = event => { if (!event.target.closest('button')) this.focus(place); };
    Object.assign(each, {item, chip, buttons, body: text});
    this.grade(each, each.grade);
    this.fill(each, false);
    return item;
  }

  fill(each, whole) {
    // Where it is one of many, a passage begins with what has most of the question's words
    let skip = whole ? 0 : each.lead;
    const parts = skip ? ['… '] : [];
    for (const [piece, marked] of each.parts) {
      const left = piece.slice(Math.min(skip, piece.length));
      skip -= piece.length - left.length;
      if (left) parts.push(marked ? make('mark', '', left) : left);
    }
    each.body.replaceChildren(...parts);
  }

  grade(each, grade) {
    each.grade = grade;
    each.chip.textContent = grade === null ? '' : GRADES[grade];
    if (grade === null) delete each.item.dataset.grade;
    else each.item.dataset.grade = grade;
    each.buttons.forEach((button, place) => button.setAttribute('aria-pressed', String(place === grade)));
  }

  focus(place) {
    const all = this.view.passages;
    if (!all.length) return;
    this.place = Math.min(Math.max(place, 0), all.length - 1);
    all.forEach((each, other) => {
      if (each.item.getAttribute('aria-current') === 'true' && other !== this.place) this.fill(each, false);
      each.item.setAttribute('aria-current', String(other === this.place));
    });
    const here = all[this.place];
    this.fill(here, true);
    here.item.focus({preventScroll: true});
    here.item.scrollIntoView({block: 'nearest'});
    this.turn(here);
  }

  // 3. The page of the document, beside the passage or under it

  async turn(here) {
    if (!here.papered) { this.desk.classList.remove('papered'); return; }
    this.paper.classList.add('stale');
    if (!this.papers.has(here.node)) this.papers.set(here.node, this.ask({do: 'paper', node: here.node}));
    const found = await this.papers.get(here.node).catch(() => ({}));
    if (this.view.passages[this.place] !== here) return;
    this.paper.classList.remove('stale');
    this.desk.classList.toggle('papered', Boolean(found.image));
    if (!found.image) return;
    const caption = make('figcaption', '', isolated(here.place));
    this.paper.replaceChildren(make('figure', '', caption, this.leaf(found, here)));
    if (!here.item.querySelector('.leaf')) here.item.append(this.leaf(found, here));
  }

  leaf(found, here) {
    const image = make('img');
    image.src = found.image;
    image.alt = `the page itself: ${here.place}`;
    const frames = found.frames.map(([left, top, right, bottom]) => {
      const frame = make('span', 'frame');
      Object.assign(frame.style, {left: `${100*left}%`, top: `${100*top}%`, width: `${100*(right - left)}%`, height: `${100*(bottom - top)}%`});
      return frame;
    });
    const leaf = make('div', 'leaf', make('div', 'sheet', image, ...frames));
    leaf.tabIndex = 0;
    leaf.setAttribute('role', 'region');
    leaf.setAttribute('aria-label', `the page itself: ${here.place}`);
    image.onload = () => { leaf.scrollTop = frames.length ? frames[0].offsetTop - 60 : 0; };
    return leaf;
  }

  // 4. Keys

  async judge(place, grade) {
    const each = this.view.passages[place];
    const before = each.grade;
    this.grade(each, grade);
    this.focus(place + 1);
    try { await this.take({do: 'judge', question: this.view.question, node: each.node, grade}); }
    catch (error) { this.grade(each, before); this.focus(place); throw error; }
  }

  async press(key) {
    if (key === 'u') return this.take({do: 'undo', question: this.view?.question ?? null});
    if (!this.end.hidden) return null;
    if (key >= '1' && key <= '4') return this.judge(this.place, Number(key) - 1);
    if (key === 'j' || key === 'ArrowDown') return this.focus(this.place + 1);
    if (key === 'k' || key === 'ArrowUp') return this.focus(this.place - 1);
    return this.take({do: key === 's' ? 'skip' : 'done', question: this.view.question});
  }

  listen(target) {
    target.addEventListener('keydown', event => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      if (!/^([1-4ujks]|ArrowDown|ArrowUp|Enter)$/.test(event.key)) return;
      if (event.key === 'Enter' && (event.repeat || event.target.closest?.('button'))) return;
      event.preventDefault();
      event.stopPropagation();
      this.then(() => this.press(event.key));
    });
  }

  // 5. The end

  async conclude() {
    const found = await this.ask({do: 'verdict'});
    if (found.error) throw new Error(found.error);
    const open = {do: 'open', question: this.view?.question ?? null};
    const back = this.button('', ['Back to the questions'], () => this.take(open));
    const title = make('h1', found.title.split(' ')[0].toLowerCase(), found.title);
    title.tabIndex = -1;
    const lines = found.lines.map(line => make('p', 'soft', line));
    this.end.replaceChildren(title, make('p', '', found.reason), ...this.table(found.rows), ...lines, make('p', '', back));
    this.asked.hidden = this.work.hidden = this.legend.hidden = true;
    this.end.hidden = false;
    title.focus();
    this.root.scrollIntoView({block: 'start'});
  }

  table([head, ...rows]) {
    if (!head) return [];
    const cells = (tag, row) => row.map((text, place) => {
      const cell = make(place ? tag : 'th', '', text);
      if (cell.tagName === 'TH') cell.scope = tag === 'th' ? 'col' : 'row';
      return cell;
    });
    const top = make('thead', '', make('tr', '', ...cells('th', head)));
    const body = make('tbody', '', ...rows.map(row => make('tr', '', ...cells('td', row))));
    const scroll = make('div', 'scroll', make('table', '', top, body));
    scroll.tabIndex = 0;
    scroll.setAttribute('role', 'region');
    scroll.setAttribute('aria-label', 'metrics of each search');
    return [scroll];
  }

  start(target) {
    this.end.hidden = this.asked.hidden = true;
    this.listen(target);
    this.then(() => this.take({do: 'open', question: null}));
  }
}

async function post(message) {
  const headers = {'Content-Type': 'application/json'};
  let found;
  try { found = await fetch('ask', {method: 'POST', headers, body: JSON.stringify(message)}); }
  catch { throw new Error('nobody answers; start the same command again, then load this page anew'); }
  if (!(found.headers.get('Content-Type') ?? '').includes('json')) throw new Error(`the server answered ${found.status}`);
  return found.json();
}

// In a notebook: messages go through the kernel, each with a number
function render({model, el}) {
  const waiting = new Map();
  let last = 0;
  model.on('msg:custom', ({number, answer}) => {
    waiting.get(number)?.(answer);
    waiting.delete(number);
  });
  const ask = message => new Promise(resolve => {
    last += 1;
    waiting.set(last, resolve);
    model.send({number: last, message});
  });
  const root = make('div');
  el.append(root);
  new Label(root, ask).start(root);
}

const page = document.getElementById('embedtune-label');
if (page) new Label(page, post).start(document);

export default {render};
