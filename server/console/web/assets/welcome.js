// The first page: what is in the database, and which backend says so.

import { h, svg, keyed, text, skeleton } from './dom.js';
import { get, lastServedBy, onToken, poll } from './api.js';
import { askToken } from './dialogs.js';
import { count, duration, plural, shortID } from './format.js';
import { address, config, connectionSign, themeButton } from './frame.js';
import { setBadge } from './states.js';
import { setWhen, took } from './time.js';

const JOB = 'sde_gul_etl';
const at = (id) => document.getElementById(id);
let consoleURL = '/';
const toRun = (id) => new URL(`/runs/${encodeURIComponent(id)}`, consoleURL).href;

onToken(askToken);
themeButton(at('theme'));
connectionSign(at('link'));

// Who answered, and how often each did.
const answers = new Map();
function answered() {
  const name = lastServedBy || 'an unnamed backend';
  answers.set(name, (answers.get(name) || 0) + 1);
  text(at('served-by'), name);
  keyed(at('tally'), [...answers].sort(), (a) => a[0], (a) => h('li', {}, h('b', {}, a[0]), ' ', h('span')), (li, a) => {
    text(li.lastChild, plural(a[1], 'answer'));
    li.className = a[0] === name ? 'now' : '';
  });
}

async function loadData() {
  const rows = await get('/api/data');
  answered();
  at('data-note').hidden = rows.length > 0;
  text(at('data-note'), 'The table is empty.');
  keyed(at('data'), rows.slice(0, 200), (r) => r.id, (r) => h('tr', {}, h('td', { class: 'num' }, String(r.id)), h('td')), (tr, r) => text(tr.lastChild, r.name ?? '(null)'));
}

async function loadSales() {
  const { items } = await get('/api/sales?sort=-total_revenue&limit=10');
  at('chart').hidden = !items.length;
  at('sales-note').hidden = items.length > 0;
  text(at('sales-note'), 'Nothing has been loaded yet. Start a run in the console, and the products appear here.');
  const wide = at('chart').parentElement.clientWidth;
  const [W, H] = [Math.max(280, wide), 40];
  const most = Math.max(1, ...items.map((s) => +s.total_revenue));
  const money = (n) => (+n).toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const chart = at('chart');
  chart.setAttribute('viewBox', `0 0 ${W} ${items.length * H}`);
  chart.setAttribute('height', items.length * H);
  chart.replaceChildren(svg('title', {}, 'The ten best products by revenue'), ...items.map((s, i) => svg('g', { transform: `translate(0 ${i * H})` },
    svg('title', {}, `${s.product}: ${money(s.total_revenue)} from ${plural(+s.total_quantity, 'piece')}`),
    svg('text', { x: 0, y: 14, class: 'product' }, s.product), svg('text', { x: W, y: 14, 'text-anchor': 'end', class: 'amount' }, `${money(s.total_revenue)} (${count(+s.total_quantity)})`),
    svg('rect', { class: 'track', x: 0, y: 20, width: W, height: 8, rx: 2 }), svg('rect', { class: 'value', x: 0, y: 20, width: Math.max(2, W * Math.max(0, +s.total_revenue) / most), height: 8, rx: 2 }))));
  for (const label of chart.querySelectorAll('.product')) shorten(label, W - label.nextSibling.getComputedTextLength() - 12);
}

// shorten cuts an SVG text to a width, since SVG has no ellipsis of its own.
function shorten(label, width) {
  const full = label.textContent;
  for (let n = full.length; n > 3 && label.getComputedTextLength() > width;) label.textContent = full.slice(0, n = Math.floor(n * 0.9)) + '…';
}

async function loadRun() {
  const [good, newest] = await Promise.all([get(`/api/runs?pipeline=${JOB}&state=succeeded&limit=1`), get(`/api/runs?pipeline=${JOB}&limit=1`)]);
  const [run, last] = [good.items[0], newest.items[0]];
  at('loaded').hidden = !run;
  at('never').hidden = Boolean(run);
  if (run) {
    setWhen(at('loaded-at'), run.ended_at);
    text(at('loaded-by'), `run ${shortID(run.id)}`);
    at('loaded-by').href = toRun(run.id);
    text(at('loaded-in'), duration(took(run)));
  }
  at('last').hidden = !last || last.id === run?.id;
  if (last) {
    setBadge(at('last-state'), last.state);
    at('last-run').href = toRun(last.id);
  }
  return run?.id;
}

// One part that cannot be shown does not take the others with it.
async function part(note, load) {
  try {
    return await load();
  } catch (problem) {
    if (problem.gone) throw problem;
    at(note).hidden = false;
    text(at(note), problem.message);
  }
}

let loadedRun;
async function load() {
  await part('data-note', loadData);
  const run = await part('sales-note', loadRun);
  if (run !== loadedRun || loadedRun === undefined) await part('sales-note', loadSales);
  loadedRun = run;
}

at('again').addEventListener('click', () => part('data-note', loadData).catch((problem) => text(at('served-by'), problem.message)));
at('data').append(...[1, 2, 3].map(() => h('tr', {}, h('td', {}, skeleton('16px')), h('td', {}, skeleton('96px')))));
consoleURL = address((await config()).console, '/');
at('console').href = consoleURL;
let redraw;
addEventListener('resize', () => {
  clearTimeout(redraw);
  redraw = setTimeout(() => part('sales-note', loadSales).catch(() => {}), 200);
});
const page = new AbortController();
poll(load, 5000, page.signal).catch((problem) => text(at('sales-note'), problem.message));
