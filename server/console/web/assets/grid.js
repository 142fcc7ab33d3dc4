// Runs by stages: a column a run, the newest right, a row a stage, with duration and rows as bars beneath. Only the
// columns in view are drawn.

import { h, svg, keyed, text, attrs } from './dom.js';
import { count, duration, plural } from './format.js';
import { cells } from './states.js';
import { runWords } from './strip.js';
import { took } from './time.js';
import { toRun } from './router.js';

const W = 20; // width of a column, and height of a row
const BARS = 48; // height of a chart
const HEAD = 24;
const HINT = 'Point at a cell, or go through the runs with the arrow keys.';

/**
 * grid shows runs (oldest first) by stages (names). stagesOf(run) are the stages' reports, or null while they are not
 * known; want(runs) is told which columns in view lack them, onStart that the oldest column is near.
 */
export function grid({ stagesOf, want, onStart }) {
  const labels = h('div', { class: 'grid-labels', 'aria-hidden': 'true' });
  const canvas = h('div', { class: 'grid-canvas' });
  const scroller = h('div', { class: 'grid-scroll', role: 'group', 'aria-label': 'Runs by stages. Left and right arrows go from run to run, up and down from stage to stage, Enter opens a run.' }, canvas);
  const line = h('p', { class: 'grid-line', 'aria-live': 'polite' });
  const el = h('div', { class: 'grid' }, h('div', { class: 'grid-body' }, labels, scroller), line);
  let stages = [];
  let runs = [];
  let focus = { id: '', row: -1 }; // which column Tab leads to
  let pending = 0;

  const height = () => HEAD + stages.length * W + 2 * (BARS + 8);
  const rowsOf = (run) => {
    const known = stagesOf(run);
    return known ? known.reduce((n, s) => n + (s.kind === 'source' ? s.records_out : 0), 0) : null;
  };

  function draw() {
    pending = 0;
    const from = Math.max(0, Math.floor(scroller.scrollLeft / W) - 4);
    const to = Math.min(runs.length, Math.ceil((scroller.scrollLeft + scroller.clientWidth) / W) + 4);
    const visible = runs.slice(from, to).map((run, i) => ({ run, i: from + i }));
    const longest = Math.max(1, ...runs.map((r) => took(r) || 0));
    const most = Math.max(1, ...visible.map(({ run }) => rowsOf(run) || 0));
    text(labels.duration, `Duration, to ${duration(longest)}`);
    text(labels.rows, `Rows read, to ${count(most)}`);
    if (!runs.some((r) => r.id === focus.id)) focus = { id: runs.at(-1)?.id, row: -1 };
    keyed(canvas, visible, (v) => v.run.id, makeColumn, (a, { run, i }) => {
      a.style.left = `${i * W}px`;
      attrs(a, { href: toRun(run.id), tabindex: run.id === focus.id ? 0 : -1, 'aria-label': runWords(run) });
      const known = stagesOf(run);
      const figures = [run.state, run.ended_at, known?.map((s) => s.state + s.rejects), longest, most, rowsOf(run), stages, run.ended_at ? '' : took(run)].join();
      a.run = run;
      if (a.figures === figures) return;
      a.figures = figures;
      a.replaceChildren(column(run, known, longest, most));
    });
    if (visible.length && !performance.getEntriesByName('millrace.grid').length) performance.mark('millrace.grid'); // what the browser test measures
    want(visible.map((v) => v.run).filter((r) => !stagesOf(r)).reverse());
    if (from < 30) onStart();
  }

  const soon = () => { pending ||= requestAnimationFrame(draw); };
  scroller.addEventListener('scroll', soon, { passive: true });
  new ResizeObserver(soon).observe(scroller);

  function makeColumn({ run }) {
    const a = h('a', { class: 'col' });
    a.run = run;
    return a;
  }

  function column(run, known, longest, most) {
    const by = new Map((known || []).map((s) => [s.name, s]));
    const bar = (share, base, name) => svg('rect', { class: name, x: 4, width: W - 8, y: base - share * BARS, height: share * BARS });
    const middle = (i) => HEAD + i * W + W / 2;
    const states = [[run.state, HEAD / 2], ...stages.flatMap((name, i) => (by.has(name) ? [[by.get(name).state, middle(i)]] : []))];
    const blank = stages.map((name, i) => (by.has(name) ? '' : `M${known ? 8 : 9} ${middle(i)}h${known ? 4 : 2}`)).join('');
    const base = HEAD + stages.length * W + BARS + 4;
    const ms = took(run);
    const rows = rowsOf(run);
    return svg('svg', { width: W, height: height(), 'aria-hidden': 'true' }, cells(states), blank && svg('path', { class: 'blank', d: blank }),
      ms >= 0 && bar(Math.max(0.02, ms / longest), base, `c-${run.state}`), rows > 0 && bar(Math.max(0.02, rows / most), base + BARS + 8, 'c-rows'));
  }

  // What the cell under the pointer, or the one with the focus, says.
  let said = false;
  function say(run, row) {
    said = true;
    const s = stagesOf(run)?.find((r) => r.name === stages[row]);
    const words = row < 0 || row >= stages.length ? '' : s
      ? `${s.name}: ${s.state}, ${plural(Math.max(s.records_in, s.records_out), 'row')}${s.rejects ? `, ${count(s.rejects)} rejected` : ''}${s.error ? `, ${s.error}` : ''}`
      : `${stages[row]}: no figures`;
    text(line, words ? `${words}. The run: ${runWords(run)}.` : `${runWords(run)}.`);
  }
  canvas.addEventListener('pointermove', (e) => {
    const run = e.target.closest('.col')?.run;
    if (run) say(run, Math.floor((e.clientY - canvas.getBoundingClientRect().top - HEAD) / W));
  });
  canvas.addEventListener('focusin', (e) => {
    const run = e.target.closest('.col')?.run;
    if (!run) return;
    focus.id = run.id;
    say(run, focus.row);
  });
  canvas.addEventListener('keydown', (e) => {
    const at = runs.findIndex((r) => r.id === focus.id);
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -at, End: runs.length - 1 - at }[e.key];
    if (e.key === 'ArrowUp' || e.key === 'ArrowDown') {
      focus.row = Math.min(stages.length - 1, Math.max(-1, focus.row + (e.key === 'ArrowUp' ? -1 : 1)));
      say(runs[at], focus.row);
    } else if (step !== undefined) {
      const to = Math.min(runs.length - 1, Math.max(0, at + step));
      focus.id = runs[to].id;
      const x = to * W;
      if (x < scroller.scrollLeft) scroller.scrollLeft = x;
      else if (x + W > scroller.scrollLeft + scroller.clientWidth) scroller.scrollLeft = x + W - scroller.clientWidth;
      draw();
      canvas.keyedChildren.get(focus.id)?.focus({ preventScroll: true });
    } else return;
    e.preventDefault();
  });

  function label(names) {
    if (labels.names === names.join('\n')) return;
    labels.names = names.join('\n');
    labels.duration = h('div', { class: 'grid-chart' });
    labels.rows = h('div', { class: 'grid-chart' });
    labels.replaceChildren(h('div', { class: 'grid-head' }, 'Run'), ...names.map((n) => h('div', { class: 'cut', title: n }, n)), labels.duration, labels.rows);
  }
  label([]);

  return {
    el,
    redraw: soon,
    /** update shows other runs; empty is what to say where there are none. */
    update(nextStages, nextRuns, empty) {
      const atEnd = scroller.scrollLeft + scroller.clientWidth >= runs.length * W - W;
      const added = runs.length ? nextRuns.findIndex((r) => r.id === runs[0].id) : -1; // columns that are new at the left
      stages = nextStages;
      runs = nextRuns;
      label(stages);
      canvas.style.width = `${runs.length * W}px`;
      canvas.style.height = `${height()}px`;
      if (atEnd) scroller.scrollLeft = runs.length * W;
      else if (added > 0) scroller.scrollLeft += added * W;
      if (!said || !nextRuns.length) text(line, nextRuns.length ? HINT : empty);
      soon();
    },
  };
}
