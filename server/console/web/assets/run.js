// The view of one run: how it stands, in words, what to do, its graph, and tabs.

import { h, keyed, text, swap, skeleton, copyButton, announce, attrs } from './dom.js';
import { get, backoff, post, sentence } from './api.js';
import * as link from './link.js';
import { advice } from './advice.js';
import { details } from './details.js';
import { confirm } from './dialogs.js';
import { count, day, shortID } from './format.js';
import { graphView } from './graph.js';
import { logView } from './log.js';
import { action, failure } from './parts.js';
import { rejectsView } from './rejects.js';
import { toPipeline, toRun } from './router.js';
import { ended, setBadge } from './states.js';
import { follow } from './stream.js';
import { timeline } from './timeline.js';
import { cause, failedStage, linked, runSentence } from './words.js';

const TABS = { timeline: 'Timeline', log: 'Log', rejects: 'Rejects', details: 'Details' };

export function runView({ root, name: id, params, signal }) {
  document.title = 'Run · Millrace';
  const path = `/api/runs/${encodeURIComponent(id)}`;
  let record = null;
  let graph = null;
  let query = params;

  const crumb = h('span', {}, skeleton('120px'));
  const badge = h('span', {}, skeleton('96px', '20px'));
  const words = h('span', {}, skeleton('min(320px, 60%)', '20px'));
  const facts = h('dl', { class: 'facts' }, [1, 2, 3, 4].map(() => h('div', {}, h('dt', {}, skeleton('56px')), h('dd', {}, skeleton('104px')))));
  const where = h('b');
  const message = h('p', { class: 'message' });
  const what = h('p');
  const error = h('section', { class: 'error-box', hidden: true, 'aria-label': 'Error' }, h('p', {}, where), message, what);
  const cancel = action('Cancel the run', 'Stops it; nothing of it becomes visible.', 'danger', async () => {
    if (await confirm(`Cancel the run of ${record.pipeline}?`, `Run ${shortID(id)} stops, and nothing of it becomes visible. It can be retried later.`, 'Cancel the run')) apply(await post(`${path}/cancel`), true);
  });
  const retry = action('Retry', 'The same run again, as its next attempt, with the same parameters.', 'primary', async () => apply(await post(`${path}/retry`), true));
  const actions = h('div', { class: 'actions-line' });
  const figures = graphView((stage) => toRun(id, { tab: 'log', stage }));
  const tabs = h('nav', { class: 'tabs', 'aria-label': 'Of this run' });
  const panel = h('div', { class: 'panel' });
  const trouble = h('div');
  const views = { timeline: timeline(), log: logView(id, signal), rejects: rejectsView(id, signal), details: details() };
  root.append(
    h('nav', { class: 'crumbs', 'aria-label': 'Where' }, h('a', { href: '/' }, 'Pipelines'), ' / ', crumb, ' /'),
    h('div', { class: 'title' }, h('h1', { tabindex: -1 }, 'Run ', h('code', { title: id }, shortID(id)), ' ', copyButton('Copy ID', () => id))),
    h('p', { class: 'state-line' }, badge, ' ', words), error, actions, facts, trouble, figures.el, tabs, panel);

  function apply(next, acted) {
    const before = record;
    record = { ...next, attempts: next.attempts || record?.attempts };
    if (before && before.state !== record.state) announce(`The run is ${record.state}.`);
    if (acted) link.tryNow();
    draw();
  }

  function draw() {
    if (!record) return;
    const over = ended(record.state);
    document.title = `${record.state} · ${record.pipeline} · Millrace`;
    if (crumb.textContent !== record.pipeline) crumb.replaceChildren(h('a', { href: toPipeline(record.pipeline) }, record.pipeline));
    setBadge(badge, record.state);
    swap(words, runSentence(record, graph));

    const failed = record.error && record.state !== 'succeeded' && record.state !== 'cancelled';
    error.hidden = !failed;
    if (failed) {
      const stage = failedStage(record.report)?.name;
      const attempt = record.attempts?.findLast((a) => a.error)?.attempt || record.attempt;
      text(where, `${over ? 'Failed' : `Attempt ${attempt} failed`}${stage ? ` in ${stage}` : ''}:`);
      text(message, record.error);
      text(what, advice(record.error));
    }
    const can = over ? (record.state === 'succeeded' ? [] : [retry]) : [cancel];
    keyed(actions, can, (a) => a.el.textContent, (a) => h('span', {}, a.el, ' ', a.said));
    const values = Object.entries(record.params || {});
    const list = [
      ['Attempt', record.attempt ? String(record.attempt) : 'none yet'], ['Started', cause(record)], ['Replica', record.worker || '–'], ['For', day(record.logical_date)],
      ...values.map(([k, v]) => [k, v === '' ? '(empty)' : v]), ...(record.reason && over ? [['Why', linked(record.reason)]] : []),
    ];
    keyed(facts, list, (f) => f[0], (f) => h('div', {}, h('dt', {}, f[0]), h('dd')), (div, f) => {
      if (typeof f[1] === 'string') text(div.lastChild, f[1]);
      else if (!div.lastChild.childNodes.length) div.lastChild.replaceChildren(...f[1]);
    });
    figures.update(graph || fromReport(), record.report);
    drawTab();
  }

  const fromReport = () => ({ nodes: record.report?.stages || [], edges: [] });

  function drawTab() {
    const tab = query.tab in TABS ? query.tab : 'timeline';
    keyed(tabs, Object.keys(TABS), (t) => t, () => h('a'), (a, t) => {
      attrs(a, { href: toRun(id, t === 'timeline' ? null : { tab: t }), 'aria-current': t === tab ? 'page' : null });
      text(a, TABS[t] + (t === 'rejects' && record?.rejects ? ` ${count(record.rejects)}` : ''));
    });
    if (panel.firstChild !== views[tab].el) panel.replaceChildren(views[tab].el);
    if (!record) return;
    if (tab === 'log') views.log.update(record, query, (graph || fromReport()).nodes.map((n) => n.name));
    else if (tab === 'rejects') views.rejects.update(record, query);
    else views[tab].update(record, graph || fromReport());
  }

  async function load() {
    const next = await get(path, signal);
    if (!graph) {
      try {
        graph = (await get(`/api/pipelines/${encodeURIComponent(next.pipeline)}`, signal)).graph;
      } catch (problem) {
        if (problem.gone) throw problem; // 404: the definition is gone, the run is not
      }
    }
    apply(next);
  }

  // live reads the run, follows its events while it lasts, and then looks now and then: somebody may retry it.
  async function live() {
    for (let failures = 0; !signal.aborted;) {
      try {
        await load();
        failures = 0;
      } catch (problem) {
        if (signal.aborted) return;
        if (!problem.gone) throw problem;
        const ms = backoff(++failures);
        link.down(problem.message, Date.now() + ms);
        await link.wait(ms, signal);
        continue;
      }
      if (!ended(record.state)) {
        let seen = 0;
        await follow(`${path}/events`, { signal, onEvent: ({ id: seq, type, data }) => {
          if (type === 'end') return false;
          if (type === 'problem') throw Object.assign(new Error(sentence(JSON.parse(data).detail || 'The run cannot be followed.')), { status: 404 });
          if (type !== 'run' || +seq < seen) return true;
          seen = +seq;
          const next = JSON.parse(data);
          const turned = next.attempt !== record.attempt || next.state !== record.state;
          apply(next);
          if (turned) get(path, signal).then((r) => { if (r.attempt >= record.attempt) apply({ ...record, attempts: r.attempts }); }, () => {}); // for its attempts
          return true;
        } });
        continue;
      }
      await link.wait(10000, signal);
      while (document.hidden && !signal.aborted) await link.wait(60000, signal);
    }
  }

  drawTab();
  live().catch((problem) => {
    if (signal.aborted) return;
    document.title = 'Not found · Millrace';
    for (const el of [facts, figures.el, tabs, panel]) el.hidden = !record;
    if (!record) badge.replaceChildren();
    if (!record) words.replaceChildren();
    trouble.replaceChildren(failure(problem));
  });
  return { update(next) { query = next; drawTab(); } };
}
