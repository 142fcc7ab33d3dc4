// States have a colour and a shape, and a word.

import { h, svg } from './dom.js';

const WORDS = {
  queued: 'queued', running: 'running', retrying: 'retrying', lost: 'lost', succeeded: 'succeeded', failed: 'failed', cancelled: 'cancelled',
  pending: 'pending', committing: 'committing', skipped: 'skipped',
};
const LIKE = { pending: 'queued', committing: 'running' }; // stages have states of their own

/** known is the state if it is one, otherwise unknown: it becomes part of a class name. */
export const known = (state) => (state in WORDS ? LIKE[state] || state : 'unknown');

/** ended tells whether a run in this state is over. */
export const ended = (state) => state === 'succeeded' || state === 'failed' || state === 'cancelled';

const SHAPES = {
  queued: () => [svg('circle', { cx: 8, cy: 8, r: 5, fill: 'none', 'stroke-width': 2 })],
  running: () => [svg('circle', { cx: 8, cy: 8, r: 5, fill: 'none', 'stroke-width': 2 }), svg('path', { class: 'hand', d: 'M8 8V3a5 5 0 0 1 5 5Z' })],
  succeeded: () => [svg('circle', { cx: 8, cy: 8, r: 6, 'stroke-width': 0 })],
  failed: () => [svg('path', { d: 'M3.5 3.5l9 9m0-9l-9 9', 'stroke-width': 2.6 })],
  cancelled: () => [svg('circle', { cx: 8, cy: 8, r: 5, fill: 'none', 'stroke-width': 2 }), svg('path', { d: 'M4.6 11.4l6.8-6.8', 'stroke-width': 2 })],
  retrying: () => [svg('path', { d: 'M12.6 6.2A5 5 0 1 0 13 9', fill: 'none', 'stroke-width': 2 }), svg('path', { d: 'M14 2.8v4.4H9.6Z', 'stroke-width': 0 })],
  lost: () => [svg('path', { d: 'M5 6a3 3 0 1 1 4.6 2.5C8.4 9.3 8 9.7 8 10.8', fill: 'none', 'stroke-width': 2 }), svg('circle', { cx: 8, cy: 13.6, r: 1.4, 'stroke-width': 0 })],
  skipped: () => [svg('path', { d: 'M4 8h8', 'stroke-width': 2 })],
  unknown: () => [svg('circle', { cx: 8, cy: 8, r: 1.6, 'stroke-width': 0 })],
};

/** icon is a state's shape alone. */
export const icon = (state) => svg('svg', { class: 'icon', viewBox: '0 0 16 16', width: 16, height: 16, 'aria-hidden': 'true' },
  svg('g', { class: `shape s-${known(state)}` }, SHAPES[known(state)]()));

// The same shapes as lines and as areas about (10, y), so that many of one state are one path.
const ring = (y) => `M5.5 ${y}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0`;
const LINES = {
  queued: ring, running: ring, cancelled: (y) => `${ring(y)}M7 ${y + 3}l6-6`, failed: (y) => `M6 ${y - 4}l8 8m0-8l-8 8`,
  retrying: (y) => `M14 ${y - 1.8}A4.5 4.5 0 1 0 14.4 ${y + 1}`, lost: (y) => `M7.4 ${y - 2}a2.6 2.6 0 1 1 4 2.2c-1 .7-1.4 1-1.4 2`, skipped: (y) => `M7 ${y}h6`,
};
const AREAS = {
  succeeded: (y) => `M4.75 ${y}a5.25 5.25 0 1 0 10.5 0a5.25 5.25 0 1 0-10.5 0`, running: (y) => `M10 ${y}v-4.5a4.5 4.5 0 0 1 4.5 4.5z`,
  retrying: (y) => `M15.2 ${y - 5}v4h-4z`, lost: (y) => `M9 ${y + 4}h2v2h-2z`, unknown: (y) => `M9 ${y - 1}h2v2h-2z`,
};

/** cells draws a column of states, [state, y] each, in few elements. */
export function cells(list) {
  const paths = new Map();
  for (const [state, y] of list) {
    const name = known(state);
    for (const [kind, shapes] of [['lines', LINES], ['areas', AREAS]]) {
      if (shapes[name]) paths.set(`${kind} s-${name}`, (paths.get(`${kind} s-${name}`) || '') + shapes[name](y));
    }
  }
  return [...paths].map(([name, d]) => svg('path', { class: name, d }));
}

/** badge is a state's shape and word. */
export const badge = (state) => h('span', { class: `badge c-${known(state)}` }, icon(state), ' ', WORDS[state] || String(state || 'unknown'));

/** setBadge draws a badge anew if the state is another, so that what moves does not begin again. */
export function setBadge(holder, state) {
  if (holder.dataset.state === state) return;
  holder.dataset.state = state;
  holder.replaceChildren(badge(state));
}
