// The view of all pipelines: is it all right, and if not, where and why?

import { h, keyed, text, skeleton, announce } from './dom.js';
import { get, poll, post } from './api.js';
import { scheduleWords } from './cron.js';
import { startRun } from './dialogs.js';
import { duration, plural } from './format.js';
import { failure, pauseButton } from './parts.js';
import { toPipeline, toRun } from './router.js';
import { ended, setBadge } from './states.js';
import { strip } from './strip.js';
import { relative, setWhen, took, when } from './time.js';

export function pipelinesView({ root, signal }) {
  document.title = 'Pipelines · Millrace';
  const headline = h('h1', { tabindex: -1, class: 'headline' }, skeleton('min(480px, 90%)', '24px'));
  const note = h('p', { class: 'note', role: 'status' });
  const body = h('tbody', { role: 'rowgroup' });
  const cell = (role, ...kids) => h(role === 'columnheader' ? 'th' : 'td', { role }, ...kids);
  const table = h('table', { class: 'pipelines', role: 'table', 'aria-label': 'Pipelines' },
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, ['Pipeline', 'Schedule', 'Last runs', 'Last', 'Next', ''].map((t) => cell('columnheader', t)))), body);
  const trouble = h('div');
  root.append(headline, note, trouble, table);
  body.append(...[1, 2, 3].map(() => h('tr', { role: 'row' }, ['160px', '120px', '160px', '120px', '64px', '72px'].map((w) => cell('cell', skeleton(w, '28px'))))));

  let pipelines = null;
  let lastFailure = null;

  async function load() {
    const [list, failed] = await Promise.all([get('/api/pipelines', signal), get('/api/runs?state=failed&limit=1', signal)]);
    pipelines = list.items;
    lastFailure = failed.items[0];
    trouble.replaceChildren();
    draw();
  }

  function draw() {
    text(headline, words());
    table.hidden = !pipelines.length;
    if (!pipelines.length) text(note, 'The server knows no pipeline: a definition in its registry makes one appear here.');
    keyed(body, pipelines, (p) => p.name, makeRow, (row, p) => row.update(p));
  }

  function words() {
    const bad = pipelines.map((p) => [p, p.last_runs?.find((r) => ended(r.state))]).filter(([, r]) => r?.state === 'failed');
    const active = pipelines.reduce((n, p) => n + p.active, 0);
    const waiting = pipelines.reduce((n, p) => n + p.waiting, 0);
    const counts = [plural(pipelines.length, 'pipeline'), `${plural(active, 'run')} active`, waiting && `${waiting} waiting`].filter(Boolean).join(', ');
    if (!pipelines.length) return 'No pipelines.';
    if (!bad.length) return `All right. ${counts}, ${lastFailure ? `last failure ${relative(lastFailure.ended_at || lastFailure.created_at)}` : 'no failure on record'}.`;
    const [p, run] = bad[0];
    const which = bad.length === 1 ? `${p.name} failed ${relative(run.ended_at)}.` : `${bad.length} of ${pipelines.length} pipelines failed last: ${bad.map(([x]) => x.name).slice(0, 3).join(', ')}.`;
    return `${which} ${counts[0].toUpperCase() + counts.slice(1)}.`;
  }

  function makeRow(p) {
    const runs = strip();
    const part = {
      schedule: cell('cell'), badge: h('span'), time: when(), took: h('span', { class: 'quiet' }), error: h('a', { class: 'why' }), next: cell('cell'), paused: h('span', { class: 'quiet' }),
    };
    const link = h('a', { href: toPipeline(p.name) }, p.name);
    const nextTime = when();
    part.next.append(part.paused, nextTime);
    let info = p;
    const pause = pauseButton(() => info, (next) => row.update(next), note);
    const run = h('button', { type: 'button', on: { click: start } }, 'Run');
    async function start() {
      text(note, '');
      try {
        const begun = (info.params || []).length ? await startRun(info) : await post(`/api/pipelines/${encodeURIComponent(info.name)}/runs`);
        if (!begun) return;
        note.replaceChildren(`Started a run of ${info.name}: `, h('a', { href: toRun(begun.id) }, 'watch it'), '.');
        announce(note.textContent);
        await load();
      } catch (problem) {
        text(note, `${info.name} was not started: ${problem.message}`);
      }
    }
    const row = h('tr', { role: 'row' }, cell('cell', h('b', {}, link), h('span', { class: 'quiet about' }, p.description)), part.schedule, cell('cell', runs.el),
      cell('cell', part.badge, ' ', part.time, part.took, part.error), part.next, h('td', { role: 'cell', class: 'actions' }, pause.el, run));
    row.update = (next) => {
      info = next;
      text(part.schedule, scheduleWords(next.schedule));
      part.schedule.title = next.schedule || 'It has no schedule: it runs when it is triggered.';
      runs.update(next.last_runs || []);
      const last = next.last_runs?.[0];
      if (last) {
        setBadge(part.badge, last.state);
        setWhen(part.time, last.ended_at || last.started_at || last.created_at);
        text(part.took, last.ended_at && last.started_at ? `, took ${duration(took(last))}` : '');
      } else text(part.badge, 'never ran');
      part.error.hidden = !last?.error || last.state === 'succeeded';
      if (last?.error) {
        text(part.error, last.error);
        part.error.setAttribute('href', toRun(last.id));
      }
      text(part.paused, next.paused ? `paused${next.paused_by ? ` by ${next.paused_by}` : ''}` : next.schedule ? '' : '–');
      nextTime.hidden = next.paused || !next.next_due;
      if (!nextTime.hidden) setWhen(nextTime, next.next_due);
      pause.update();
      run.title = 'Starts a run now';
    };
    return row;
  }

  const busy = () => (pipelines?.some((p) => p.active || p.waiting) ? 1500 : 5000);
  poll(load, busy, signal).catch((problem) => {
    text(headline, 'The pipelines cannot be shown.');
    table.hidden = !pipelines;
    trouble.replaceChildren(failure(problem));
  });
}
