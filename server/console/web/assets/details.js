// All that is known of a run, to read and to copy.

import { h, keyed, text, copyButton } from './dom.js';
import { day, duration, exact } from './format.js';
import { setBadge } from './states.js';
import { took } from './time.js';
import { cause } from './words.js';

/** details shows a record, its attempts, its JSON, and its graph as Mermaid. */
export function details() {
  const facts = h('dl', { class: 'facts' });
  const attempts = h('tbody');
  const json = h('pre', { tabindex: 0 });
  const diagram = h('pre', { tabindex: 0 });
  const el = h('section', { 'aria-label': 'Details' }, facts,
    h('h2', {}, 'Attempts'), h('div', { class: 'scroll-x' }, h('table', { class: 'plain attempts' }, h('thead', {}, h('tr', {}, ['Attempt', 'State', 'Replica', 'Started', 'Took', 'Why'].map((t) => h('th', {}, t)))), attempts)),
    h('div', { class: 'tools' }, h('h2', {}, 'Mermaid'), copyButton('Copy', () => diagram.textContent)), diagram,
    h('div', { class: 'tools' }, h('h2', {}, 'JSON'), copyButton('Copy', () => json.textContent)), json);
  return {
    el,
    update(record, graph) {
      const list = [
        ['ID', record.id], ['Pipeline', record.pipeline], ['Cause', cause(record)], ['Backfill', record.backfill], ['Logical date', day(record.logical_date)],
        ['Created', record.created_at && exact(record.created_at)], ['Started', record.started_at && exact(record.started_at)],
        ['Ended', record.ended_at && exact(record.ended_at)], ['Took', record.started_at && duration(took(record))], ['Reason', record.reason],
      ].filter((f) => f[1]);
      keyed(facts, list, (f) => f[0], (f) => h('div', {}, h('dt', {}, f[0]), h('dd')), (div, f) => text(div.lastChild, f[1]));
      keyed(attempts, record.attempts || [], (a) => a.attempt, (a) => h('tr', {}, h('td', {}, String(a.attempt)), h('td'), h('td'), h('td'), h('td'), h('td')), (tr, a) => {
        const [, state, worker, started, tookCell, why] = tr.children;
        setBadge(state, a.state);
        text(worker, a.worker);
        text(started, exact(a.started_at));
        text(tookCell, duration(took(a)));
        text(why, [a.reason, a.error].filter(Boolean).join(': '));
      });
      text(json, JSON.stringify(record, null, 2));
      text(diagram, mermaid(graph));
    },
  };
}

// Mermaid's own escapes (https://mermaid.js.org/syntax/flowchart.html): entity codes without & at the front.
const escapes = { '#': '#35;', '"': '#quot;', '<': '#lt;', '>': '#gt;', '\n': ' ', '\r': ' ', '`': '#96;' };
const label = (s) => s.replace(/[#"<>\n\r`]/g, (c) => escapes[c]);
const BRACKETS = { source: ['([', '])'], rejects: ['([', '])'], sink: ['[(', ')]'], step: ['{{', '}}'] };

/** mermaid is a graph in Mermaid's language. */
export function mermaid(graph) {
  const ids = new Map(graph.nodes.map((n, i) => [n.name, `n${i + 1}`]));
  const nodes = graph.nodes.map((n) => {
    const [open, close] = BRACKETS[n.kind] || ['[', ']'];
    return `    ${ids.get(n.name)}${open}"${label(n.name)}${n.description ? `<br/>${label(n.description)}` : ''}"${close}`;
  });
  return ['flowchart LR', ...nodes, ...graph.edges.map((e) => `    ${ids.get(e.from)} ${e.after ? '-.->' : '-->'} ${ids.get(e.to)}`)].join('\n') + '\n';
}
