// A run in a sentence.

import { h } from './dom.js';
import { count, duration, plural, shortID } from './format.js';
import { toRun } from './router.js';
import { sentence } from './api.js';
import { took, when } from './time.js';

/** flow is what a run read and wrote: the records of its sources and of its sinks. */
export function flow(report, graph) {
  const stages = report?.stages || [];
  const behind = new Set(graph?.nodes.filter((n) => n.kind === 'rejects').map((n) => n.name)); // rejects are counted apart
  for (let size = -1; size !== behind.size;) {
    size = behind.size;
    for (const e of graph?.edges || []) if (behind.has(e.from)) behind.add(e.to);
  }
  const sum = (kind, field) => stages.filter((s) => s.kind === kind && !behind.has(s.name)).reduce((n, s) => n + s[field], 0);
  return { read: sum('source', 'records_out'), written: sum('sink', 'records_in') };
}

/** failedStage is the stage that a run failed in, if one is known. */
export const failedStage = (report) => report?.stages?.find((s) => s.state === 'failed');

/** linked is a text in which runs that are named by their ID are links. */
export const linked = (text) => text.split(/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/).map((part, i) => (i % 2 ? h('a', { href: toRun(part) }, shortID(part)) : part));

// since counts up beside what has not ended.
const since = (iso) => h('span', { 'data-since': iso }, duration(took({ started_at: iso })));

/** runSentence says how a run stands, behind its state's badge. */
export function runSentence(run, graph) {
  const { read, written } = flow(run.report, graph);
  const rows = read || written ? [`, ${plural(read, 'row')} in, ${count(written)} out`] : [];
  const at = run.ended_at || run.created_at;
  const reason = run.reason ? [': ', ...linked(run.reason)] : [];
  const parts = {
    queued: () => [when(run.created_at), ...reason],
    running: () => ['for ', since(run.attempts?.at(-1)?.started_at || run.started_at), run.worker ? ` on ${run.worker}` : '', ...rows, run.reason ? ['; ', ...linked(run.reason)] : ''],
    retrying: () => ['again ', run.next_attempt_at ? when(run.next_attempt_at) : 'soon', ...reason],
    lost: () => reason.slice(1),
    succeeded: () => [when(at), `, ${duration(took(run))}`, ...rows],
    failed: () => [when(at), failedStage(run.report) ? [' in ', h('b', {}, failedStage(run.report).name)] : '', run.started_at ? `, after ${duration(took(run))}` : ''],
    cancelled: () => [when(at), ...reason],
  }[run.state] || (() => reason);
  return h('span', {}, parts(), '.');
}

/** cause says who or what started a run. */
export function cause(run) {
  const by = run.by ? ` by ${run.by}` : '';
  return { trigger: `triggered${by}`, schedule: 'by its schedule', backfill: `by a backfill${by}` }[run.cause] || sentence(String(run.cause || '–'));
}
