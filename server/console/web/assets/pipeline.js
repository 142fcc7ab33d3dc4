// The view of one pipeline: its graph with the newest run's figures, live, and its runs by stages.

import { h, text, swap, skeleton } from './dom.js';
import { get, poll } from './api.js';
import { scheduleWords } from './cron.js';
import { startBackfill, startRun } from './dialogs.js';
import { plural, shortID } from './format.js';
import { graphView } from './graph.js';
import { grid } from './grid.js';
import { history } from './history.js';
import { failure, pauseButton } from './parts.js';
import { go, setQuery, toPipeline, toRun } from './router.js';
import { ended, setBadge } from './states.js';
import { follow } from './stream.js';
import { setWhen, when } from './time.js';
import { runSentence } from './words.js';

const STATES = ['failed', 'succeeded', 'running', 'queued', 'retrying', 'cancelled', 'lost'];

export function pipelineView({ root, name, params, signal }) {
  document.title = `${name} · Millrace`;
  const badge = h('span', {}, skeleton('96px', '20px'));
  const sentence = h('span', {}, skeleton('min(320px, 60%)', '20px'));
  const about = h('p', { class: 'quiet' });
  const schedule = h('span');
  const due = when();
  const note = h('p', { class: 'note', role: 'status' });
  const trouble = h('div');
  let info = null;
  let filter = params;
  let shown = null; // the run whose figures the graph shows

  const run = h('button', { type: 'button', class: 'primary', disabled: true, on: { click: async () => {
    const begun = await startRun(info);
    if (begun) go(toRun(begun.id));
  } } }, 'Run…');
  const backfill = h('button', { type: 'button', disabled: true, on: { click: async () => {
    const begun = await startBackfill(info);
    if (!begun) return;
    note.replaceChildren(`The backfill's ${plural(begun.runs.length, 'run is', 'runs are')} queued: `, h('a', { href: `${toPipeline(name)}?backfill=${encodeURIComponent(begun.id)}` }, 'show only these'), '.');
    runs.reload();
  } } }, 'Backfill…');
  const pause = pauseButton(() => info, (next) => show(next), note);
  pause.el.hidden = true;

  const graph = graphView((stage) => (shown ? toRun(shown.id, { tab: 'log', stage }) : null));
  const cells = grid({ stagesOf: (r) => runs.stagesOf(r), want: (list) => runs.want(list), onStart: () => runs.older() });
  const runs = history(name, signal, () => {
    cells.update((info?.graph.nodes || []).map((n) => n.name), runs.list(), runs.empty());
    text(counted, runs.words());
  });
  const states = h('select', { 'aria-label': 'State of the runs', on: { change: () => setQuery({ state: states.value }, { replace: true }) } },
    h('option', { value: '' }, 'all states'), STATES.map((s) => h('option', { value: s }, s)));
  const counted = h('span', { class: 'quiet', role: 'status' });
  const only = h('span', { class: 'quiet' });
  const everything = h('a', { href: toPipeline(name) }, 'show all');

  root.append(
    h('nav', { class: 'crumbs', 'aria-label': 'Where' }, h('a', { href: '/' }, 'Pipelines'), ' / '),
    h('div', { class: 'title' }, h('h1', { tabindex: -1 }, name), h('div', { class: 'buttons' }, pause.el, run, backfill)),
    h('p', { class: 'state-line' }, badge, ' ', sentence), about, h('p', { class: 'quiet' }, schedule, due), note, trouble, graph.el,
    h('section', { 'aria-label': 'Runs' }, h('div', { class: 'tools' }, h('h2', {}, 'Runs'), states, only, counted), cells.el));

  function show(next) {
    info = next;
    run.disabled = backfill.disabled = false;
    text(about, info.description);
    text(schedule, `Runs ${scheduleWords(info.schedule)}${info.paused ? `; paused${info.paused_by ? ` by ${info.paused_by}` : ''}` : info.next_due ? ', next ' : ''}`);
    due.hidden = info.paused || !info.next_due;
    setWhen(due, info.next_due);
    pause.update();
    const last = info.last_runs || []; // of a backfill the first to be run was the first to be made: what runs tells more than what waits
    const newest = last.find((r) => r.state === 'running') || last.find((r) => r.state !== 'queued') || last[0];
    if (!newest) {
      text(badge, '');
      text(sentence, 'It has never run.');
      graph.update(info.graph, null);
    } else {
      if (shown?.id !== newest.id || shown.state !== newest.state || shown.attempt !== newest.attempt) feature(newest);
      words();
    }
    runs.merge(info.last_runs || []);
  }

  function words() {
    setBadge(badge, shown.state);
    swap(sentence, h('span', {}, runSentence(shown, info.graph), info.waiting ? ` ${plural(info.waiting, 'run waits', 'runs wait')}. ` : ' ', h('a', { href: toRun(shown.id) }, 'Open the run')));
  }

  // feature shows a run's figures on the graph, and watches it while it lasts.
  let watching = null;
  function feature(record) {
    const same = shown?.id === record.id;
    shown = same ? { ...record, report: shown.report } : record;
    graph.update(info.graph, shown.report);
    if (watching && watching.id === record.id && !ended(record.state)) return;
    watching?.stop.abort();
    const stop = new AbortController();
    watching = { id: record.id, stop };
    signal.addEventListener('abort', () => stop.abort(), { signal: stop.signal });
    const take = (next) => {
      if (stop.signal.aborted) return;
      shown = next;
      runs.know(next);
      runs.merge([next]);
      graph.update(info.graph, next.report);
      words();
    };
    const path = `/api/runs/${encodeURIComponent(record.id)}`;
    const done = ended(record.state) ? get(path, stop.signal).then(take)
      : follow(`${path}/events`, { signal: stop.signal, onEvent: (e) => (e.type === 'run' ? take(JSON.parse(e.data)) : e.type !== 'end') });
    done.catch((problem) => { if (!stop.signal.aborted && !problem.gone) text(note, problem.message); });
  }

  async function load() {
    await Promise.all([get(`/api/pipelines/${encodeURIComponent(name)}`, signal).then(show), runs.settle()]);
  }

  function update(next) {
    filter = next;
    states.value = STATES.includes(filter.state) ? filter.state : '';
    only.replaceChildren(...(filter.backfill ? [`of backfill ${shortID(filter.backfill)}, `, everything] : []));
    runs.filter({ state: states.value, backfill: filter.backfill || '' });
  }

  update(params);
  poll(load, () => (info?.active || info?.waiting ? 1500 : 4000), signal).catch((problem) => {
    document.title = 'Not found · Millrace';
    graph.el.hidden = true;
    badge.replaceChildren();
    sentence.replaceChildren();
    trouble.replaceChildren(failure(problem));
  });
  return { update };
}
