'use strict';
// Numbers and texts of all questions. Texts of documents are only ever appended as text nodes.
const data = JSON.parse(document.getElementById('data').textContent);

// 1. Opening: what a question shows when it is opened, its answers and the list of each method

function make(tag, name, ...content) {
  const element = document.createElement(tag);
  element.className = name;
  element.append(...content);
  return element;
}

function passage(number) {
  const text = make('p', 'text', data.nodes[number][1]);
  text.dir = 'auto';
  return text;
}

function beginning(text) {
  const line = text.replace(/\s+/g, ' ');
  const short = line.length > 130 ? [...line].slice(0, 130).join('') + '… ' : line + ' ';
  const begin = make('span', 'begin', short);
  begin.dir = 'auto';
  return begin;
}

function result(number, place, answers) {
  const [id, text] = data.nodes[number];
  const right = answers.includes(number);
  const mark = right ? [make('mark', '', '✓ right answer ')] : [];
  const summary = make('summary', '', `${place}. `, ...mark, beginning(text), make('code', '', id));
  return make('li', right ? 'right' : '', make('details', '', summary, passage(number)));
}

function best(ranks) {
  return Math.min(...ranks.map(rank => rank ?? Infinity));
}

function place(ranks, depth) {
  const first = best(ranks);
  return first === Infinity ? `: answer not among the first ${depth}` : `: answer at rank ${first}`;
}

function list(found, answers) {
  if (!found.length) return make('p', 'soft', 'The list of what was found was not kept.');
  return make('ol', '', ...found.map((number, n) => result(number, n + 1, answers)));
}

function method(query, m) {
  const {name, depth} = data.methods[m];
  const head = make('h4', '', name, make('span', '', place(query.ranks[m], depth)));
  return make('div', '', head, list(query.found[m], query.answers));
}

function answer(number) {
  return make('div', 'answer', make('code', '', data.nodes[number][0]), passage(number));
}

function opened(query, columns) {
  const title = query.answers.length > 1 ? 'Right answers' : 'Right answer';
  const methods = data.methods.map((_, m) => method(query, m));
  const cell = make('td', 'opened', make('h3', '', title), ...query.answers.map(answer));
  cell.append(make('h3', '', 'What each method retrieved'), make('div', 'methods', ...methods));
  cell.colSpan = columns;
  return make('tr', '', cell);
}

function toggle(button, body) {
  const open = button.getAttribute('aria-expanded') === 'false';
  button.setAttribute('aria-expanded', open);
  if (open) body.append(opened(body.query, body.rows[0].cells.length));
  else body.lastElementChild.remove();
}

// 2. Sorting a table by the column whose head was pressed, told in aria-sort

function value(item, column) {
  const cell = (item.rows ? item.rows[0] : item).cells[column];
  return cell.dataset.v === undefined ? cell.textContent.trim() : Number(cell.dataset.v);
}

function compare(a, b) {
  return typeof a === 'string' ? a.localeCompare(b) : (a > b) - (a < b);
}

function nextOrder(head) {
  const before = head.getAttribute('aria-sort');
  if (before === 'none') return head.dataset.first || 'ascending';
  return before === 'ascending' ? 'descending' : 'ascending';
}

function sort(head) {
  const table = head.closest('table');
  const order = nextOrder(head);
  const sign = order === 'ascending' ? 1 : -1;
  const items = table.matches('.questions') ? [...table.tBodies] : [...table.tBodies[0].rows];
  const parent = items[0].parentNode;
  const pairs = items.map(item => [value(item, head.cellIndex), item]);
  pairs.sort((a, b) => sign*compare(a[0], b[0]));
  pairs.forEach(([, item]) => parent.append(item));
  table.querySelectorAll('[aria-sort]').forEach(other => other.setAttribute('aria-sort', 'none'));
  head.setAttribute('aria-sort', order);
}

// 3. Filtering: words in questions, answers and ids, and what the select element offers

const [search, choice, matches] = ['search', 'choice', 'matches'].map(id => document.getElementById(id));
const bodies = [...document.querySelectorAll('.questions tbody')];

function plain(text) {
  return text.normalize('NFKC').toLowerCase();
}

function chosen(body) {
  const [kind, m] = choice.value.split(' ');
  if (kind === 'better') return body.change > 0;
  if (kind === 'worse') return body.change < 0;
  if (kind === 'missed') return best(body.query.ranks[m]) > data.kept;
  return true;
}

function fits(body) {
  return chosen(body) && body.words.includes(plain(search.value.trim()));
}

function filter() {
  bodies.forEach(body => { body.hidden = !fits(body); });
  const left = bodies.filter(body => !body.hidden);
  matches.textContent = `${left.length} of ${bodies.length} questions`;
}

function prepare(body, n) {
  const query = data.queries[n];
  const button = body.querySelector('button');
  const answers = query.answers.flatMap(number => data.nodes[number]);
  const ids = new Set(query.found.flat().map(number => data.nodes[number][0]));
  body.query = query;
  body.change = value(body, body.rows[0].cells.length - 1);
  body.words = plain([button.textContent, query.id, ...answers, ...ids].join('\n'));
  button.addEventListener('click', () => toggle(button, body));
}

bodies.forEach(prepare);
document.querySelectorAll('[aria-sort] button').forEach(button => {
  button.addEventListener('click', () => sort(button.parentNode));
});
search.addEventListener('input', filter);
choice.addEventListener('change', filter);
document.querySelector('.controls').hidden = false;
filter();
