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

/** shape returns the drawing of a state in a box of 16, to be placed in an SVG. */
export const shape = (state, props) => svg('g', { class: `shape s-${known(state)}`, ...props }, SHAPES[known(state)]());

/** icon is a state's shape alone. */
export const icon = (state) => svg('svg', { class: 'icon', viewBox: '0 0 16 16', width: 16, height: 16, 'aria-hidden': 'true' }, shape(state));

/** badge is a state's shape and word. */
export const badge = (state) => h('span', { class: `badge c-${known(state)}` }, icon(state), ' ', WORDS[state] || String(state || 'unknown'));

/** setBadge draws a badge anew if the state is another, so that what moves does not begin again. */
export function setBadge(holder, state) {
  if (holder.dataset.state === state) return;
  holder.dataset.state = state;
  holder.replaceChildren(badge(state));
}
