// What an element with data-tip says, beside it, on hover and on focus.

import { h } from './dom.js';

const tip = h('div', { class: 'tip', role: 'tooltip', hidden: true });

function show(e) {
  const el = e.target.closest?.('[data-tip]');
  if (!el) {
    tip.hidden = true;
    return;
  }
  tip.textContent = el.dataset.tip;
  tip.hidden = false;
  const at = el.getBoundingClientRect();
  const x = Math.min(Math.max(8, at.left + at.width / 2 - tip.offsetWidth / 2), innerWidth - tip.offsetWidth - 8);
  const above = at.top - tip.offsetHeight - 6;
  tip.style.left = `${x}px`;
  tip.style.top = `${above > 4 ? above : at.bottom + 6}px`;
}

/** startTips listens on the whole page. */
export function startTips() {
  document.body.append(tip);
  addEventListener('pointerover', show);
  addEventListener('focusin', show);
  addEventListener('focusout', () => { tip.hidden = true; });
  addEventListener('scroll', () => { tip.hidden = true; }, true);
  addEventListener('keydown', (e) => { if (e.key === 'Escape') tip.hidden = true; });
}
