// Requests to the API: the token, problems in words, who answered.

import { learnClock } from './time.js';
import * as link from './link.js';

const KEY = 'millrace.token'; // in sessionStorage: gone with the tab

/** Problem is an answer that says no, or none at all (status 0). fields are what of the request is wrong. */
export class Problem extends Error {
  constructor(status, message, fields = [], instance = '') {
    super(message);
    this.status = status;
    this.fields = fields;
    this.instance = instance;
  }

  /** gone tells that the server could not be reached, or not yet: worth asking again. */
  get gone() {
    return [0, 502, 503, 504].includes(this.status);
  }
}

let ask = null; // asks the user for a token: async (why) => token
let asking = null;

/** onToken sets who asks for a token. */
export const onToken = (fn) => { ask = fn; };

/** lastServedBy is the replica that answered last. */
export let lastServedBy = '';

function headers(extra) {
  const token = sessionStorage.getItem(KEY);
  return { ...extra, ...(token && { Authorization: `Bearer ${token}` }) };
}

async function problemOf(response) {
  let body = {};
  try {
    body = await response.json();
  } catch { /* a proxy's page, not ours */ }
  const words = {
    502: 'No backend answers at the moment.', 503: 'The server is not ready.', 504: 'The backend took too long to answer.',
    429: 'Too many requests at once. Try again in a moment.',
  };
  const fields = (body.errors || []).map((e) => ({ field: String(e.location || '').replace(/^body\./, ''), message: String(e.message || '') }));
  const message = sentence(String(body.detail || words[response.status] || body.title || `The server answered ${response.status}.`));
  return new Problem(response.status, message, fields, body.instance);
}

/** sentence makes an error's text one: a capital at the front, a stop at the end. */
export const sentence = (s) => (s ? s[0].toUpperCase() + s.slice(1) + (/[.!?…]$/.test(s) ? '' : '.') : '');

/** send asks and returns the response if it is a good one; otherwise it throws a Problem. */
export async function send(path, { method = 'GET', body, signal, accept = 'application/json', extra } = {}) {
  for (;;) {
    const used = sessionStorage.getItem(KEY);
    let response;
    try {
      response = await fetch(path, {
        method, signal, cache: 'no-store', credentials: 'same-origin',
        headers: headers({ Accept: accept, ...(body !== undefined && { 'Content-Type': 'application/json' }), ...extra }),
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw new Problem(0, 'The server cannot be reached.');
    }
    learnClock(response.headers.get('Date'));
    lastServedBy = response.headers.get('X-Served-By') || '';
    if (response.status === 401 && ask) {
      if (sessionStorage.getItem(KEY) !== used) continue; // another request asked meanwhile
      const problem = await problemOf(response);
      asking ||= ask(used ? problem.message : '').then((token) => sessionStorage.setItem(KEY, token)).finally(() => { asking = null; });
      await asking;
      if (signal?.aborted) throw new DOMException('aborted', 'AbortError');
      continue;
    }
    if (!response.ok) throw await problemOf(response);
    link.up();
    return response;
  }
}

/** get returns the JSON of a path. */
export const get = async (path, signal) => (await send(path, { signal })).json();

/** post sends JSON and returns what the server answered, null if nothing. */
export async function post(path, body = {}) {
  const response = await send(path, { method: 'POST', body });
  const answer = await response.text();
  return answer ? JSON.parse(answer) : null;
}

/** download saves what a path answers as a file; by fetch, so that a token can be sent. */
export async function download(path, name, accept) {
  const blob = await (await send(path, { accept })).blob();
  const a = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: name });
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 60000);
}

/** query writes params behind a path, leaving out the empty ones. */
export function query(path, params) {
  const q = new URLSearchParams(Object.entries(params).filter(([, v]) => v !== '' && v != null && v !== false));
  return q.size ? `${path}?${q}` : path;
}

/** poll calls fn now and then every so many ms (a number or a function of it), until the signal. */
export async function poll(fn, every, signal) {
  for (let failures = 0; !signal.aborted;) {
    try {
      await fn();
      failures = 0;
    } catch (problem) {
      if (signal.aborted) return;
      if (!problem.gone) throw problem;
      failures++;
      const ms = backoff(failures);
      link.down(problem.message, Date.now() + ms);
      await link.wait(ms, signal);
      continue;
    }
    await link.wait(typeof every === 'function' ? every() : every, signal);
    while (document.hidden && !signal.aborted) await link.wait(60000, signal);
  }
}

/** backoff is how long to wait after so many failures in a row: half a second, doubling to 8 s, spread out. */
export const backoff = (failures) => Math.min(8000, 250 * 2 ** failures) * (0.75 + Math.random() / 2);
