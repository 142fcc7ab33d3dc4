// The last runs of a pipeline as bars: height by duration, colour and mark by state, newest right.

import { h, keyed, attrs } from './dom.js';
import { duration } from './format.js';
import { icon, known } from './states.js';
import { relative, took } from './time.js';
import { toRun } from './router.js';

/** runWords says in one line how a run went. */
export function runWords(run) {
  const at = run.ended_at || run.started_at || run.created_at;
  return [run.state, relative(at), run.started_at ? duration(took(run)) : '', run.error || ''].filter(Boolean).join(', ');
}

/** strip shows runs, which come newest first. */
export function strip() {
  const el = h('ul', { class: 'strip', 'aria-label': 'Last runs, the newest last' });
  return {
    el,
    update(runs) {
      const list = [...runs].reverse();
      const most = Math.max(1, ...list.map((r) => took(r) || 0));
      keyed(el, list, (r) => r.id, () => {
        const bar = h('span', { class: 'bar' });
        const a = h('a', { class: 'strip-run' }, bar);
        a.bar = bar;
        return h('li', {}, a);
      }, (li, run) => {
        const a = li.firstChild;
        const state = known(run.state);
        attrs(a, { href: toRun(run.id), 'data-tip': runWords(run), 'aria-label': `Run: ${runWords(run)}` });
        if (a.dataset.state !== state) {
          a.dataset.state = state;
          a.className = `strip-run c-${state}`;
          a.bar.replaceChildren(...(state === 'succeeded' ? [] : [icon(run.state)]));
        }
        a.bar.style.height = `${Math.round(6 + 22 * ((took(run) || 0) / most))}px`;
      });
    },
  };
}
