// The connection to the server, as everybody sees it: one place that knows whether it is up.

const listeners = new Set();
let state = { up: null, reason: '', retryAt: 0 };

function set(next) {
  state = { ...state, ...next };
  for (const fn of listeners) fn(state);
}

/** up says that the server has just answered. */
export function up() {
  if (state.up !== true) set({ up: true, reason: '', retryAt: 0 });
}

/** down says that it has not, why, and when it will be asked again. */
export const down = (reason, retryAt) => set({ up: false, reason, retryAt });

/** watch calls fn now and at each change, until the signal. */
export function watch(fn, signal) {
  listeners.add(fn);
  signal?.addEventListener('abort', () => listeners.delete(fn));
  fn(state);
}

const wakers = new Set();

/** tryNow ends all waits for the next try. */
export const tryNow = () => [...wakers].forEach((wake) => wake());

/** wait waits ms, or until tryNow or the signal; ms may be cut short by the page coming back into view. */
export function wait(ms, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      wakers.delete(done);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    wakers.add(done);
    signal?.addEventListener('abort', done);
    if (signal?.aborted) done();
  });
}

addEventListener('online', tryNow);
addEventListener('visibilitychange', () => document.hidden || tryNow());
