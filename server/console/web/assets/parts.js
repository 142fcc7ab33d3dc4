// Small things that several views show.

import { h, text, announce } from './dom.js';
import { post } from './api.js';

/** failure is what stands where a view would, when it cannot be shown. */
export const failure = (problem) => h('div', { class: 'failure', role: 'alert' }, h('p', {}, problem.message || String(problem)),
  problem.instance && h('p', { class: 'quiet' }, `In the server's log: ${problem.instance}`),
  h('div', { class: 'buttons' }, h('button', { type: 'button', on: { click: () => location.reload() } }, 'Try again'), h('a', { class: 'button', href: '/' }, 'All pipelines')));

/** pauseButton pauses and resumes the schedule of info(); done is called with what the server answered. */
export function pauseButton(info, done, note) {
  const el = h('button', { type: 'button', on: { click: async () => {
    const p = info();
    const verb = p.paused ? 'resume' : 'pause';
    el.disabled = true;
    text(note, '');
    try {
      done(await post(`/api/pipelines/${encodeURIComponent(p.name)}/${verb}`));
      announce(`The schedule of ${p.name} is ${verb}d.`);
    } catch (problem) {
      text(note, `The schedule of ${p.name} was not ${verb}d: ${problem.message}`);
    } finally {
      el.disabled = false;
    }
  } } });
  return {
    el,
    update() {
      const p = info();
      el.hidden = !p.schedule;
      text(el, p.paused ? 'Resume' : 'Pause');
      el.title = p.paused ? 'Lets the schedule go on' : 'Stops the schedule; runs under way go on, and it can still be run by hand';
    },
  };
}

/** action is a button with what it does beside it, and why it was refused. */
export function action(label, says, className, act) {
  const said = h('span', { class: 'quiet' }, says);
  const el = h('button', { type: 'button', class: className, on: { click: async () => {
    el.disabled = true;
    said.className = 'quiet';
    text(said, says);
    try {
      await act();
    } catch (problem) {
      said.className = 'error';
      text(said, problem.message);
      announce(problem.message);
    } finally {
      el.disabled = false;
    }
  } } }, label);
  return { el, said };
}
