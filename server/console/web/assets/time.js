// Relative times that stay right: one timer for the whole page, the server's clock, the exact time on hover.

import { h, text } from './dom.js';
import { duration, exact } from './format.js';

let skew = 0; // of the server's clock against ours, in ms

/** learnClock takes the Date header of an answer: it has whole seconds, so small differences are none. */
export function learnClock(header) {
  const server = Date.parse(header);
  if (!isNaN(server)) skew = Math.abs(server - Date.now()) > 3000 ? server - Date.now() : 0;
}

/** now is the server's time in ms. */
export const now = () => Date.now() + skew;

/** relative writes 4 min ago, in 13 h, just now. */
export function relative(iso) {
  const ms = now() - Date.parse(iso);
  if (isNaN(ms)) return '–';
  const size = Math.abs(ms);
  if (size < 5000) return ms < 0 ? 'in a moment' : 'just now';
  const words = duration(Math.floor(size / 1000) * 1000).replace(/( min| h| d) \d+ \w+$/, '$1').replace('.0 s', ' s');
  return ms < 0 ? `in ${words}` : `${words} ago`;
}

/** when is a <time> that says how long ago, and on hover and to machines when. */
export const when = (iso) => setWhen(h('time', { 'data-relative': '' }), iso);

/** setWhen gives such an element another time. */
export function setWhen(el, iso) {
  if (!iso) {
    text(el, '–');
    el.removeAttribute('datetime');
    el.removeAttribute('title');
    return el;
  }
  if (el.getAttribute('datetime') !== iso) {
    el.setAttribute('datetime', iso);
    el.setAttribute('title', exact(iso));
  }
  text(el, relative(iso));
  return el;
}

/** took is how long a run or stage has taken, until now if it has not ended. */
export function took(r) {
  if (!r.started_at) return NaN;
  return Math.max(0, (r.ended_at ? Date.parse(r.ended_at) : now()) - Date.parse(r.started_at));
}

setInterval(() => {
  for (const el of document.querySelectorAll('time[data-relative][datetime]')) text(el, relative(el.getAttribute('datetime')));
  for (const el of document.querySelectorAll('[data-since]')) text(el, duration(Math.max(0, now() - Date.parse(el.dataset.since))));
}, 1000);
