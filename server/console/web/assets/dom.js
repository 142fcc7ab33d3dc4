// Elements from data. Text only ever becomes text: strings are appended as text nodes, values are set as
// attributes, and nothing here parses HTML.

const SVG = 'http://www.w3.org/2000/svg';

function build(el, props, kids) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value == null || value === false) continue;
    if (name === 'on') for (const [type, fn] of Object.entries(value)) el.addEventListener(type, fn);
    else if (name === 'prop') Object.assign(el, value);
    else if (name === 'style') for (const [p, v] of Object.entries(value)) el.style.setProperty(p, v);
    else el.setAttribute(name, value === true ? '' : value);
  }
  el.append(...kids.flat(3).filter((kid) => kid != null && kid !== false));
  return el;
}

/** h makes an HTML element: h('a', {href, class, on: {click}, prop: {disabled}, style: {left}}, 'text', child). */
export const h = (tag, props, ...kids) => build(document.createElement(tag), props, kids);

/** svg makes an SVG element in the same way. */
export const svg = (tag, props, ...kids) => build(document.createElementNS(SVG, tag), props, kids);

/** text sets an element's text, and touches nothing if it says that already. */
export function text(el, value) {
  if (el.textContent !== value) el.textContent = value;
}

/** swap puts a child in place of all others, unless it is the same as the one that is there. */
export function swap(el, child) {
  if (!el.firstChild?.isEqualNode(child)) el.replaceChildren(child);
}

/** attrs sets attributes; null removes one. */
export function attrs(el, values) {
  for (const [name, value] of Object.entries(values)) {
    if (value == null || value === false) el.removeAttribute(name);
    else if (el.getAttribute(name) !== String(value)) el.setAttribute(name, value === true ? '' : value);
  }
}

/** keyed makes parent's children those of items, reusing elements by key, so that focus and scroll stay. */
export function keyed(parent, items, keyOf, make, update) {
  const old = parent.keyedChildren || new Map();
  const now = new Map();
  let at = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    const el = old.get(key) || make(item);
    update?.(el, item);
    now.set(key, el);
    if (el === at) at = at.nextSibling;
    else parent.insertBefore(el, at);
  }
  const keep = new Set(now.values());
  for (const child of [...parent.childNodes]) if (!keep.has(child)) child.remove();
  parent.keyedChildren = now;
}

/** skeleton is a grey block of the size of what will be there. */
export const skeleton = (width, height = '14px') => h('span', { class: 'skel', 'aria-hidden': 'true', style: { width, height } });

/** announce says something to screen readers. */
export function announce(message) {
  const live = document.getElementById('announce');
  if (live) live.textContent = message;
}

/** copyButton copies what get() returns, and says so. */
export function copyButton(label, get) {
  const button = h('button', { type: 'button', class: 'small', on: { click: async () => {
    try {
      await navigator.clipboard.writeText(get());
      text(button, 'Copied');
    } catch {
      text(button, 'The browser does not allow copying');
    }
    announce(button.textContent);
    setTimeout(() => text(button, label), 2000);
  } } }, label);
  return button;
}
