// What both documents have around their content: the sign of the connection, the theme, links to each other.

import { h, text, attrs, announce } from './dom.js';
import * as link from './link.js';

/** connectionSign says whether what one sees is live. */
export function connectionSign(el) {
  const words = h('span');
  const again = h('button', { type: 'button', class: 'small', hidden: true, on: { click: link.tryNow } }, 'Try now');
  el.append(h('span', { class: 'dot', 'aria-hidden': 'true' }), words, ' ', again);
  let state = {};
  const draw = () => {
    attrs(el, { 'data-up': String(state.up) });
    again.hidden = state.up !== false;
    if (state.up === null) text(words, 'connecting');
    else if (state.up) text(words, 'live');
    else {
      const left = Math.ceil((state.retryAt - Date.now()) / 1000);
      text(words, `Connection lost. ${state.reason} ${left > 0 ? `Again in ${left} s` : 'Trying again'}`);
    }
  };
  link.watch((next) => {
    if (state.up != null && next.up !== state.up) announce(next.up ? 'The connection is back.' : `Connection lost. ${next.reason}`);
    state = next;
    draw();
  });
  setInterval(draw, 500);
}

/** themeButton changes between light and dark; theme.js keeps the choice. */
export function themeButton(el) {
  const dark = () => (document.documentElement.dataset.theme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
  const draw = () => {
    text(el, dark() ? '☀' : '☾');
    attrs(el, { 'aria-label': dark() ? 'Light colours' : 'Dark colours', title: dark() ? 'Light colours' : 'Dark colours' });
  };
  el.addEventListener('click', () => {
    const next = dark() ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem('millrace.theme', next);
    } catch { /* a browser that keeps nothing */ }
    draw();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  draw();
}

/** config says where the two documents are. A value like ":8081" is a port of the same host. */
export async function config() {
  try {
    const response = await fetch('/config.json', { cache: 'no-cache' });
    return response.ok ? await response.json() : {};
  } catch {
    return {};
  }
}

/** address makes a place of the config one that a link can lead to; anything but http is none. */
export function address(place, fallback) {
  const url = new URL(/^:\d+/.test(place || '') ? `${location.protocol}//${location.hostname}${place}` : place || fallback, location.href);
  return /^https?:$/.test(url.protocol) ? url.href : fallback;
}

/** firstPageLink leads from the console to the first page. */
export async function firstPageLink(el) {
  attrs(el, { href: address((await config()).page, '/welcome') });
}
