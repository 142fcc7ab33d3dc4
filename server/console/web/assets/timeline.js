// When each stage worked and when it waited: a bar a stage, on the time of the attempt.

import { h, keyed, text } from './dom.js';
import { duration } from './format.js';
import { icon } from './states.js';
import { slowest } from './graph.js';
import { now } from './time.js';

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 144e5, 432e5, 864e5];

/** timeline shows a run's report. */
export function timeline() {
  const axis = h('div', { class: 'tl-axis', 'aria-hidden': 'true' });
  const rows = h('ol', { class: 'tl-rows' });
  const empty = h('p', { class: 'quiet' });
  const legend = h('p', { class: 'tl-legend' },
    h('span', { class: 'key working' }), 'worked ', h('span', { class: 'key waiting-in' }), 'waited for input ',
    h('span', { class: 'key waiting-out' }), 'waited for output ', h('span', { class: 'key commit' }), 'commit');
  const note = h('p', { class: 'quiet small-print' }, 'The parts of a bar show how much of its time a stage spent in each way, not when; of stages with several lanes, the mean.');
  const el = h('section', { class: 'timeline', 'aria-label': 'Timeline' }, legend, axis, rows, empty, note);

  function update(record, graph) {
    const report = record.report;
    const begun = (report?.stages || []).filter((s) => s.started_at);
    empty.hidden = begun.length > 0;
    legend.hidden = axis.hidden = note.hidden = !begun.length;
    text(empty, report ? 'No stage has begun.' : 'Nothing has run yet.');
    if (!begun.length) return rows.replaceChildren();
    const ms = (iso) => Date.parse(iso);
    const from = Math.min(...[report.started_at, ...begun.map((s) => s.started_at)].filter(Boolean).map(ms));
    const stagesEnd = Math.max(...begun.map((s) => (s.ended_at ? ms(s.ended_at) : now())));
    const to = Math.max(stagesEnd, report.ended_at ? ms(report.ended_at) : record.state === 'running' ? now() : 0, from + 1);
    const at = (t) => `${(100 * (t - from)) / (to - from)}%`;
    const step = STEPS.find((s) => (to - from) / s <= 6) || 864e5;
    const ticks = Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => i * step);
    axis.replaceChildren(h('span'), h('div', {}, ticks.map((t) => h('span', { class: 'tick', style: { left: at(from + t) } }, t ? duration(t) : '0'))));

    const slow = slowest(report, graph);
    const list = report.stages.map((s) => bar(s, slow === s.name));
    if (report.state === 'succeeded' && report.ended_at && ms(report.ended_at) > stagesEnd) {
      list.push({ name: 'commit', state: 'succeeded', from: stagesEnd, to: ms(report.ended_at), parts: [['commit', 1]], words: duration(ms(report.ended_at) - stagesEnd) });
    } else if (report.state === 'committing') {
      list.push({ name: 'commit', state: 'committing', from: stagesEnd, to: now(), parts: [['commit', 1]], words: 'under way' });
    }
    keyed(rows, list, (b) => b.name, makeRow, (row, b) => {
      const p = row.parts;
      if (row.dataset.state !== b.state) {
        row.dataset.state = b.state;
        p.icon.replaceChildren(icon(b.state));
      }
      text(p.name, b.name);
      p.slow.hidden = !b.slow;
      text(p.words, b.words);
      p.bar.hidden = !b.from;
      p.bar.style.left = at(b.from || from);
      p.bar.style.width = `max(2px, ${at(from + ((b.to || 0) - (b.from || 0)))})`;
      p.bar.title = `${b.name}: ${b.words}`;
      keyed(p.bar, b.parts, (x) => x[0], (x) => h('i', { class: x[0] }), (i, x) => { i.style.flexGrow = x[1]; });
    });

    function bar(s, slow) {
      const [w, i, o] = [s.working_ms, s.waiting_in_ms, s.waiting_out_ms];
      const lanes = s.lanes || 1;
      const words = s.started_at
        ? [`worked ${duration(w / lanes)}`, i >= 1 && `waited ${duration(i / lanes)} for input`, o >= 1 && `waited ${duration(o / lanes)} for output`].filter(Boolean).join(', ') : s.state;
      const parts = [['waiting-in', i], ['working', w], ['waiting-out', o]].filter((x) => x[1] > 0);
      return {
        name: s.name, state: s.state, slow, words, from: s.started_at && ms(s.started_at), to: s.started_at && (s.ended_at ? ms(s.ended_at) : now()),
        parts: parts.length ? parts : [['idle', 1]],
      };
    }
  }

  function makeRow() {
    const parts = {
      icon: h('span'), name: h('b', { class: 'cut' }), slow: h('span', { class: 'slow', hidden: true }, 'slowest'),
      bar: h('div', { class: 'tl-bar' }), words: h('span', { class: 'tl-words' }),
    };
    const row = h('li', { class: 'tl-row' }, h('div', { class: 'line' }, parts.icon, parts.name, parts.slow), h('div', { class: 'tl-track' }, parts.bar), parts.words);
    row.parts = parts;
    return row;
  }

  return { el, update };
}
