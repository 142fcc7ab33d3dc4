// Every view has a URL that holds its whole state: path for the thing, query for tab, stage and filter.

let routes = [];
let current = null; // {key, view, leave}
let outlet = null;

/** start shows the view of the URL, now and at every change of it. A route is {pattern, view}. */
export function start(element, list) {
  outlet = element;
  routes = list;
  addEventListener('popstate', show);
  addEventListener('click', (e) => {
    const a = e.target.closest?.('a[href]');
    if (!a || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    const href = a.getAttribute('href') ?? '';
    if (a.target || a.hasAttribute('download') || !(a instanceof HTMLAnchorElement) || a.origin !== location.origin) return;
    if (href.startsWith('#') || !routes.some((r) => r.pattern.test(a.pathname))) return;
    e.preventDefault();
    go(a.pathname + a.search);
  });
  show();
}

/** go changes the URL and shows its view; replace leaves no entry in the history. */
export function go(url, { replace = false } = {}) {
  if (url !== location.pathname + location.search) history[replace ? 'replaceState' : 'pushState'](null, '', url);
  show();
}

/** setQuery changes parts of the query of where we are; empty ones are left out. */
export function setQuery(changes, options) {
  const q = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value) q.set(name, value);
    else q.delete(name);
  }
  go(location.pathname + (q.size ? `?${q}` : ''), options);
}

function show() {
  const path = location.pathname;
  const params = Object.fromEntries(new URLSearchParams(location.search));
  const route = routes.find((r) => r.pattern.test(path)) || routes.at(-1);
  if (current?.key === path) {
    current.view.update?.(params);
    return;
  }
  const first = !current;
  current?.leave.abort();
  const leave = new AbortController();
  const root = document.createElement('div');
  const part = decode(route.pattern.exec(path)?.[1]);
  outlet.replaceChildren(root);
  current = { key: path, leave, view: {} };
  current.view = route.view({ root, name: part, params, signal: leave.signal }) || {};
  if (!first) {
    scrollTo(0, 0);
    root.querySelector('h1')?.focus({ preventScroll: true });
  }
}

function decode(s) {
  try {
    return decodeURIComponent(s ?? '');
  } catch {
    return s;
  }
}

/** The addresses of things. */
export const toPipeline = (name) => `/pipelines/${encodeURIComponent(name)}`;
export const toRun = (id, q) => `/runs/${encodeURIComponent(id)}${q ? '?' + new URLSearchParams(q) : ''}`;
