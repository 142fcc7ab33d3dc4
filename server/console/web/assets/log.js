// The log of a run: pages of the server's lines, of which only those near the view are held and drawn.

import { h, keyed, text, attrs } from './dom.js';
import { get, query } from './api.js';
import { clock, exact, plural } from './format.js';
import { ended } from './states.js';
import { setQuery } from './router.js';

const ROW = 22; // px; must be that of .log-line
const PAGE = 500; // lines, the most that the server gives
const HELD = 4; // pages in memory
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error'];

/** logView shows the log of a run; stages are for the filter. The URL holds stage, level, q and follow. */
export function logView(id, signal) {
  let filter = {};
  let record = { state: 'queued' };
  let chunks = []; // {after, count, lines or null}: what matches of each page that was read
  let cursor = 0; // after which line the next page begins
  let complete = false; // nothing beyond cursor, as of the last look
  let busy = null; // the reading under way
  let broken = false; // the last reading failed a moment ago
  let following = false;
  let generation = 0;
  let chosen = null;

  const stage = h('select', { 'aria-label': 'Stage', on: { change: () => setQuery({ stage: stage.value }, { replace: true }) } });
  const level = h('select', { 'aria-label': 'Level', on: { change: () => setQuery({ level: level.value }, { replace: true }) } },
    h('option', { value: '' }, 'all levels'), LEVELS.slice(1).map((l) => h('option', { value: l }, l === 'error' ? 'error' : `${l} and up`)));
  let typing;
  const search = h('input', { type: 'search', placeholder: 'Search the log', 'aria-label': 'Search the log', on: { input: () => {
    clearTimeout(typing);
    typing = setTimeout(() => setQuery({ q: search.value }, { replace: true }), 200);
  } } });
  const follow = h('button', { type: 'button', 'aria-pressed': 'false', on: { click: () => setFollow(!following) } }, 'Follow');
  const first = h('button', { type: 'button', on: { click: () => { setFollow(false); scroller.scrollTop = 0; } } }, 'First');
  const last = h('button', { type: 'button', on: { click: () => toEnd() } }, 'Last');
  const status = h('p', { class: 'quiet', role: 'status' });
  const rows = h('ol', { class: 'log-rows' });
  const scroller = h('div', { class: 'log', tabindex: 0, role: 'region', 'aria-label': 'Log lines' }, rows);
  const detail = h('pre', { class: 'log-detail', hidden: true, tabindex: 0, 'aria-label': 'The whole line' });
  const el = h('section', { 'aria-label': 'Log' }, h('div', { class: 'tools' }, stage, level, search, first, last, follow), scroller, status, detail);

  const matches = (line) => (!filter.level || LEVELS.indexOf(line.level) >= LEVELS.indexOf(filter.level) || line.cut) &&
    (!filter.q || [line.message, line.stage, ...Object.entries(line.fields || {}).flat()].some((s) => String(s).toLowerCase().includes(filter.q)));

  const page = (after) => get(query(`/api/runs/${encodeURIComponent(id)}/logs`, { stage: filter.stage, after: after || '', limit: PAGE }), signal);

  // more reads pages until one has something that matches, or the end.
  async function more() {
    const mine = generation;
    for (;;) {
      const { items, next } = await page(cursor);
      if (mine !== generation || signal.aborted) return;
      const lines = items.filter(matches);
      const tail = chunks.at(-1);
      if (lines.length && tail?.lines && tail.count + lines.length <= PAGE) { // the end of a log that grows: no page of its own for each line
        tail.lines.push(...lines);
        tail.count += lines.length;
        tail.last = items.at(-1).id;
      } else if (lines.length) chunks.push({ after: cursor, last: items.at(-1).id, count: lines.length, lines });
      if (items.length) cursor = items.at(-1).id;
      complete = !next && items.length < PAGE;
      if (lines.length || complete) return;
      text(status, `Searching… line ${cursor} so far`);
    }
  }

  // refill reads a chunk's lines again that were let go.
  async function refill(chunk) {
    const mine = generation;
    const lines = [];
    for (let after = chunk.after; after < chunk.last;) {
      const { items } = await page(after);
      if (mine !== generation || !items.length) return;
      lines.push(...items.filter((l) => l.id <= chunk.last && matches(l)));
      after = items.at(-1).id;
    }
    chunk.lines = lines;
    chunk.count = lines.length;
  }

  // once runs one reading at a time; a problem is said where the lines would be.
  async function once(job) {
    if (busy || broken) return;
    busy = job().catch((problem) => {
      if (signal.aborted) return;
      broken = true; // no request after request to a server that is not there
      text(status, problem.message);
      setTimeout(() => { broken = false; draw(); }, 3000);
    }).finally(() => { busy = null; });
    await busy;
    if (!broken) draw();
  }

  function draw() {
    if (signal.aborted) return;
    const top = Math.floor(scroller.scrollTop / ROW);
    const bottom = Math.ceil((scroller.scrollTop + scroller.clientHeight) / ROW);
    const visible = [];
    let start = 0;
    let missing = null;
    for (const chunk of chunks) {
      const near = start < bottom + 40 && start + chunk.count > top - 40;
      if (near && chunk.lines) {
        for (let i = Math.max(0, top - 10 - start); i < Math.min(chunk.count, bottom + 10 - start); i++) visible.push({ line: chunk.lines[i], at: start + i });
      } else if (near) missing ||= chunk;
      chunk.near = near;
      start += chunk.count;
    }
    const spare = chunks.filter((c) => c.lines && !c.near && c !== chunks.at(-1));
    for (let n = chunks.filter((c) => c.lines).length; n > HELD && spare.length; n--) spare.shift().lines = null;
    rows.style.height = `${start * ROW}px`;
    keyed(rows, visible, (v) => v.line.id, makeLine, (li, v) => {
      li.style.top = `${v.at * ROW}px`;
      li.classList.toggle('chosen', v.line.id === chosen);
    });
    if (!busy && !broken) {
      const rest = complete ? '' : ' so far';
      text(status, start ? plural(start, filtered() ? 'line that matches' : 'line', filtered() ? 'lines that match' : 'lines') + rest : complete
        ? (filtered() ? 'No line matches.' : ended(record.state) ? 'The run told nothing.' : 'No lines yet.') : 'Loading…');
    }
    if (missing) once(() => refill(missing));
    else if (!complete && (following || bottom > start - 100)) once(more);
    if (following && complete) scroller.scrollTop = scroller.scrollHeight;
  }

  const filtered = () => filter.q || filter.level || filter.stage;

  function makeLine({ line }) {
    const fields = Object.entries(line.fields || {}).map(([k, v]) => `${k}=${v}`).join(' ');
    const button = h('button', { type: 'button', class: `log-line l-${LEVELS.includes(line.level) ? line.level : 'info'}`, on: { click: () => choose(line) } },
      h('time', { datetime: line.time, title: exact(line.time) }, clock(line.time)), ' ', h('span', { class: 'level' }, line.level.toUpperCase().slice(0, 5).padEnd(5)), ' ',
      line.stage && h('span', { class: 'stage' }, line.stage), line.stage ? ' ' : '', h('span', {}, line.message.replace(/\s*\n\s*/g, ' ⏎ ')), fields && h('span', { class: 'fields' }, ` ${fields}`));
    return h('li', {}, button);
  }

  function choose(line) {
    chosen = chosen === line.id ? null : line.id;
    detail.hidden = chosen === null;
    text(detail, [exact(line.time), `attempt ${line.attempt}`, line.stage && `stage ${line.stage}`, line.level].filter(Boolean).join(' · ') + `\n\n${line.message}` +
      Object.entries(line.fields || {}).map(([k, v]) => `\n${k} = ${v}`).join(''));
    draw();
  }

  async function toEnd() {
    while (!complete && !broken && !signal.aborted) await (busy || once(more));
    scroller.scrollTop = scroller.scrollHeight;
    draw();
  }

  function setFollow(on) {
    following = on && !ended(record.state);
    attrs(follow, { 'aria-pressed': String(following) });
    if (following) toEnd();
  }

  scroller.addEventListener('scroll', () => requestAnimationFrame(draw), { passive: true });
  scroller.addEventListener('wheel', (e) => { if (e.deltaY < 0) setFollow(false); }, { passive: true });
  scroller.addEventListener('keydown', (e) => { if (['ArrowUp', 'PageUp', 'Home'].includes(e.key)) setFollow(false); });
  new ResizeObserver(() => draw()).observe(scroller);

  return {
    el,
    /** update is called with the run as it is now and the query of the URL. */
    update(next, params, stageNames) {
      const wasEnded = ended(record.state);
      record = next;
      follow.disabled = ended(record.state);
      const options = ['', ...stageNames];
      if (params.stage && !options.includes(params.stage)) options.push(params.stage);
      keyed(stage, options, (n) => n, (n) => h('option', { value: n }, n || 'all stages'));
      const wanted = { stage: params.stage || '', level: params.level || '', q: (params.q || '').toLowerCase() };
      stage.value = wanted.stage;
      level.value = wanted.level;
      if (document.activeElement !== search) search.value = params.q || '';
      if (JSON.stringify(wanted) !== JSON.stringify(filter)) {
        filter = wanted;
        generation++;
        chunks = [];
        cursor = 0;
        complete = false;
        scroller.scrollTop = 0;
        if (busy) busy.then(draw);
        else draw();
      } else if (!ended(record.state) || !wasEnded) {
        complete = false; // there may be more
        draw();
      }
    },
    follow: () => setFollow(true),
  };
}
