// The runs of a pipeline that the page knows, and the figures of their stages: pages of the list, and single runs as
// they come into view.

import { get, query } from './api.js';
import { plural } from './format.js';
import { ended } from './states.js';

const FIRST = 200; // runs in the first page
const PAGE = 500; // in the others
const AT_ONCE = 4; // requests for figures
const KEPT = 3000; // runs whose figures are kept

/** history keeps the runs of a pipeline; changed is called when there is something new. */
export function history(pipeline, signal, changed) {
  const byID = new Map();
  const figures = new Map(); // id -> {of, stages}
  const asked = new Set();
  let order = []; // oldest first
  let next = null; // page token of older runs; null: not begun, '': no more
  let loading = null;
  let chosen = { state: '', backfill: '' };
  let generation = 0;
  let wanted = [];
  let looks = 0;

  const version = (r) => `${r.attempt} ${r.state}`;

  function put(records) {
    let fresh = false;
    for (const r of records) {
      const old = byID.get(r.id);
      if (!old && (chosen.state && r.state !== chosen.state || chosen.backfill && r.backfill !== chosen.backfill)) continue;
      const { report, ...rest } = r;
      byID.set(r.id, { ...rest, at: old ? old.at : Date.parse(r.created_at) });
      fresh ||= !old;
      if (report) know(r);
    }
    if (fresh) order = [...byID.values()].sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1)).map((r) => r.id);
  }

  // know takes the figures of a run that was read anyway.
  function know(record) {
    figures.delete(record.id);
    figures.set(record.id, { of: version(record), stages: record.report?.stages || [] });
    if (figures.size > KEPT) figures.delete(figures.keys().next().value);
  }

  async function page(token) {
    const mine = generation;
    const answer = await get(query('/api/runs', { pipeline, ...chosen, limit: token ? PAGE : FIRST, page_token: token }), signal);
    if (mine !== generation) return;
    put(answer.items);
    if (token !== null || next === null) next = answer.next || '';
    changed();
  }

  // refresh reads as many of the newest runs again, as far as a backfill's can reach.
  async function refresh(deep) {
    const mine = generation;
    for (let token = '', seen = 0; seen < Math.min(deep, 2 * PAGE); seen += PAGE) {
      const answer = await get(query('/api/runs', { pipeline, ...chosen, limit: PAGE, page_token: token }), signal);
      if (mine !== generation) return;
      put(answer.items);
      token = answer.next;
      if (!token) break;
    }
    changed();
  }

  function load(token) {
    loading ||= page(token).finally(() => { loading = null; });
    return loading;
  }

  async function fetchFigures() {
    while (wanted.length && asked.size < AT_ONCE) {
      const run = wanted.shift();
      if (asked.has(run.id) || stagesOf(run)) continue;
      asked.add(run.id);
      get(`/api/runs/${encodeURIComponent(run.id)}`, signal).then((record) => {
        know(record);
        if (byID.has(record.id)) put([record]);
        changed();
      }, () => {}).finally(() => { // a run without figures stays a run: its column says the rest
        asked.delete(run.id);
        fetchFigures();
      });
    }
  }

  function stagesOf(run) {
    const known = figures.get(run.id);
    return known && known.of === version(run) ? known.stages : run.attempt === 0 ? [] : null;
  }

  const list = () => order.map((id) => byID.get(id)).filter((r) => !chosen.state || r.state === chosen.state);

  return {
    list, stagesOf, know,
    empty: () => (next === null ? 'Loading…' : chosen.state || chosen.backfill ? 'No run matches.' : 'No runs yet.'),
    words: () => (next === null ? 'Loading…' : plural(list().length, 'run') + (next ? ' so far; scroll left for older ones' : '')),
    /** merge takes runs that were read elsewhere. */
    merge(records) {
      if (next === null) return;
      const unknown = records.length >= 10 && !chosen.state && !chosen.backfill && records.every((r) => !byID.has(r.id)) && byID.size;
      put(records);
      changed();
      if (unknown) load(null).catch(() => {}); // there are others between; the next look mends a failure
    },
    /** settle reads the first page, and again while runs that have not ended are beyond the newest ones. */
    async settle() {
      const open = order.findIndex((id) => !ended(byID.get(id).state));
      const deep = open < 0 ? 0 : order.length - open;
      if (next === null || deep > 10 || chosen.state || chosen.backfill) await load(null);
      if (deep > FIRST && ++looks % 5 === 0) await refresh(deep);
    },
    reload: () => load(null).catch(() => {}),
    older() {
      if (next) load(next).catch(() => {});
    },
    want(runs) {
      wanted = runs;
      fetchFigures();
    },
    filter(now) {
      if (now.state === chosen.state && now.backfill === chosen.backfill) return;
      chosen = now;
      generation++;
      byID.clear();
      order = [];
      next = null;
      changed();
      Promise.resolve(loading).catch(() => {}).then(() => load(null)).catch(() => {});
    },
  };
}
