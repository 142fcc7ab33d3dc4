// What a run set aside: reasons counted first, then the records with their original lines.

import { h, keyed, text } from './dom.js';
import { download, get, query } from './api.js';
import { count, plural } from './format.js';
import { setQuery } from './router.js';

/** rejectsView shows the rejects of a run. The URL holds the reason that was chosen. */
export function rejectsView(id, signal) {
  const path = `/api/runs/${encodeURIComponent(id)}/rejects`;
  let page = null;
  let items = [];
  let version = '';
  let reason = '';

  const status = h('p', { role: 'status' });
  const reasons = h('tbody');
  const rows = h('tbody');
  const save = h('button', { type: 'button', on: { click: () => tell(download(query(path, { format: 'csv' }), `rejects-${id}.csv`, 'text/csv')) } }, 'Download CSV');
  const more = h('button', { type: 'button', on: { click: () => tell(load()) } }, 'Show more');
  const all = h('button', { type: 'button', class: 'small', on: { click: () => setQuery({ reason: '' }, { replace: true }) } }, 'All reasons');
  const reasonTable = h('table', { class: 'plain' }, h('thead', {}, h('tr', {}, h('th', { class: 'num' }, 'Records'), h('th', {}, 'Reason'))), reasons);
  const rowTable = h('div', { class: 'scroll-x', tabindex: 0, role: 'region', 'aria-label': 'Rejected records' }, h('table', { class: 'plain rejects' },
    h('thead', {}, h('tr', {}, ['Where', 'Column', 'Value', 'Reason', 'Original line', 'Record'].map((t) => h('th', {}, t)))), rows));
  const el = h('section', { 'aria-label': 'Rejects' }, h('div', { class: 'tools' }, status, all, save), reasonTable, rowTable, more);

  const tell = (promise) => promise.catch((problem) => { if (!signal.aborted) text(status, problem.message); });

  async function load() {
    const next = await get(query(path, { after: page?.next || '', limit: 200 }), signal);
    page = next;
    items.push(...next.items);
    draw();
  }

  function draw() {
    const some = page.total > 0;
    save.hidden = reasonTable.hidden = rowTable.hidden = !some;
    more.hidden = !page.next;
    all.hidden = !reason;
    text(status, !some ? 'No record was rejected.' : `${plural(page.total, 'record was', 'records were')} rejected` +
      (page.kept < page.total ? `; the first ${count(page.kept)} are kept.` : '.'));
    keyed(reasons, Object.entries(page.reasons).sort((a, b) => b[1] - a[1]), (r) => r[0], (r) => h('tr', {}, h('td', { class: 'num' }), h('td', {},
      h('button', { type: 'button', class: 'link', 'aria-pressed': 'false', on: { click: () => setQuery({ reason: r[0] === reason ? '' : r[0] }, { replace: true }) } }, r[0]))),
    (tr, r) => {
      text(tr.firstChild, count(r[1]));
      tr.querySelector('button').setAttribute('aria-pressed', r[0] === reason);
    });
    const shown = items.map((r, i) => [r, i]).filter(([r]) => !reason || r.reason === reason);
    keyed(rows, shown, (x) => x[1], ([r]) => h('tr', {},
      h('td', { class: 'nowrap' }, [r.source, r.line > 0 && `line ${count(r.line)}`].filter(Boolean).join(', ') || r.stage), h('td', {}, h('b', {}, r.column)),
      h('td', {}, h('code', {}, r.value)), h('td', {}, r.reason), h('td', {}, h('code', { class: 'raw' }, marked(r.raw || '', r.value))),
      h('td', {}, h('code', { class: 'raw' }, r.record === undefined ? '' : JSON.stringify(r.record)))));
  }

  return {
    el,
    update(record, params) {
      const now = [record.attempt, record.rejects, record.state].join();
      const chosen = params.reason || '';
      if (now !== version) {
        version = now;
        page = null;
        items = [];
        rows.keyedChildren = null;
        rows.replaceChildren();
        reason = chosen;
        if (!status.textContent) text(status, 'Loading…');
        tell(load());
      } else if (chosen !== reason && page) {
        reason = chosen;
        draw();
      }
    },
  };
}

/** marked is a line with the refused value marked where it first stands as a whole field, or at all. */
export function marked(raw, value) {
  const line = raw.replace(/[\r\n]+$/, '');
  if (!value) return [line];
  const field = new RegExp(`(^|[,;\\t|"])(${value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')})(?=$|[,;\\t|"])`).exec(line);
  const at = field ? field.index + field[1].length : line.indexOf(value);
  return at < 0 ? [line] : [line.slice(0, at), h('mark', {}, value), line.slice(at + value.length)];
}
