// Dialogs: the token, a question before what cannot be undone, the forms that start runs.

import { h, text, announce } from './dom.js';
import { post } from './api.js';
import { plural } from './format.js';

let names = 0;

/** open shows a modal dialog. build(close) returns its content; the promise is what close was given, null if dismissed. */
export function open(title, build, { dismiss = true } = {}) {
  return new Promise((resolve) => {
    const id = `dialog-${++names}`;
    let result = null;
    const close = (value) => {
      result = value;
      dialog.close();
    };
    const dialog = h('dialog', { 'aria-labelledby': id, on: {
      close: () => {
        dialog.remove();
        resolve(result);
      },
      cancel: (e) => { if (!dismiss) e.preventDefault(); },
      click: (e) => { if (dismiss && e.target === dialog) dialog.close(); },
    } }, h('h2', { id }, title), build(close));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** askToken asks for the API's token until there is one. */
export function askToken(why) {
  return open('This server wants a token', (close) => {
    const input = h('input', { type: 'password', id: 'token', autocomplete: 'off', required: true, autofocus: true, 'aria-describedby': 'token-why' });
    return h('form', { method: 'dialog', on: { submit: (e) => {
      e.preventDefault();
      if (input.value.trim()) close(input.value.trim());
    } } },
    h('p', { id: 'token-why', class: why ? 'error' : 'quiet' }, why || 'It is the value of MILLRACE_API_TOKEN, or to look only, of MILLRACE_READ_TOKEN. It is kept until this tab is closed.'),
    h('label', { for: 'token' }, 'Token'), input,
    h('div', { class: 'buttons' }, h('button', { class: 'primary' }, 'Go on')));
  }, { dismiss: false });
}

/** confirm asks once, naming the thing. */
export const confirm = (title, what, verb) => open(title, (close) => h('div', {}, h('p', {}, what), h('div', { class: 'buttons' },
  h('button', { type: 'button', on: { click: () => close(false) } }, 'Leave it'), h('button', { type: 'button', class: 'danger', on: { click: () => close(true) } }, verb))));

/** startRun asks for params and starts a run; the result is the run, null if nothing was started. */
export const startRun = (pipeline) => form(`Run ${pipeline.name}`, pipeline, 'Start the run', [
  { name: 'logical_date', label: 'Logical date', type: 'date', hint: 'Which date the run is for. Empty: now.' },
], busyWords(pipeline), (values, params) => post(`/api/pipelines/${encodeURIComponent(pipeline.name)}/runs`, { params, ...(values.logical_date && { logical_date: values.logical_date }) }));

/** startBackfill asks for a range of dates and starts a run for each. */
export const startBackfill = (pipeline) => form(`Backfill ${pipeline.name}`, pipeline, 'Start the backfill', [
  { name: 'from', label: 'From', type: 'date', required: true },
  { name: 'to', label: 'To', type: 'date', required: true, hint: 'This day included.' },
  { name: 'parallel', label: 'At once', type: 'number', min: 1, value: '1', hint: `How many runs at once, over all replicas; at most ${pipeline.max_active} of this pipeline run at a time.` },
], pipeline.schedule ? 'Starts one run for each date of the schedule in the range. All are queued, or none.' : 'Starts one run for each day in the range. All are queued, or none.',
// A schedule may be due at any time of a day: the last day ends with it.
(v, params) => post(`/api/pipelines/${encodeURIComponent(pipeline.name)}/backfills`, {
  from: v.from, to: pipeline.schedule && v.to ? `${v.to}T23:59:59Z` : v.to, params, ...(v.parallel && { parallel: +v.parallel }),
}));

function busyWords(p) {
  if (p.active < p.max_active) return 'It begins at once if a worker is free.';
  return `It will wait: ${plural(p.active, 'run is', 'runs are')} active, and ${p.max_active} may be.`;
}

// form shows fields and params; what the server refuses is said beside the field that it is about.
function form(title, pipeline, verb, fields, explanation, send) {
  return open(title, (close) => {
    const inputs = new Map();
    const field = (name, label, input, hint) => {
      const id = `f-${++names}`;
      const error = h('span', { class: 'error', id: `${id}-e`, role: 'alert' });
      input.id = id;
      input.setAttribute('aria-describedby', `${id}-h ${id}-e`);
      inputs.set(name, { input, error });
      return h('div', { class: 'field' }, h('label', { for: id }, label), input, h('span', { class: 'quiet hint', id: `${id}-h` }, hint || ''), error);
    };
    const problem = h('p', { class: 'error', role: 'alert' });
    const submit = h('button', { class: 'primary' }, verb);
    const value = (i) => (i.type === 'checkbox' ? String(i.checked) : i.value);

    async function go(e) {
      e.preventDefault();
      text(problem, '');
      for (const { input, error } of inputs.values()) {
        text(error, '');
        input.removeAttribute('aria-invalid');
      }
      submit.disabled = true;
      try {
        const params = {};
        for (const p of pipeline.params || []) {
          const v = value(inputs.get(`params.${p.name}`).input);
          if (v !== '' || !p.required) params[p.name] = v;
        }
        const values = Object.fromEntries(fields.map((f) => [f.name, inputs.get(f.name).input.value]));
        const answer = await send(values, params);
        announce('Started.');
        close(answer);
      } catch (refused) {
        let beside = false;
        for (const { field: name, message } of refused.fields || []) {
          const at = inputs.get(name);
          if (!at) continue;
          text(at.error, message);
          at.input.setAttribute('aria-invalid', 'true');
          if (!beside) at.input.focus();
          beside = true;
        }
        if (!beside) text(problem, refused.message);
      } finally {
        submit.disabled = false;
      }
    }

    return h('form', { novalidate: true, on: { submit: go } },
      (pipeline.params || []).map((p) => field(`params.${p.name}`, p.name + (p.required ? ' (required)' : ''), paramInput(p), p.description)),
      fields.map((f) => field(f.name, f.label, h('input', { type: f.type, min: f.min, required: f.required, prop: { value: f.value || '' } }), f.hint)),
      problem, h('p', { class: 'quiet' }, explanation),
      h('div', { class: 'buttons' }, h('button', { type: 'button', on: { click: () => close(null) } }, 'Do nothing'), submit));
  });
}

function paramInput(p) {
  const byDefault = p.default || '';
  if (p.type === 'enum') {
    const values = byDefault || p.required ? p.values : ['', ...p.values];
    return h('select', {}, values.map((v) => h('option', { value: v, selected: v === byDefault }, v || '(none)')));
  }
  if (p.type === 'bool') return h('input', { type: 'checkbox', prop: { checked: byDefault === 'true' } });
  const type = { date: 'date' }[p.type] || 'text';
  return h('input', { type, inputmode: p.type === 'int' ? 'numeric' : null, required: p.required, placeholder: p.example, prop: { value: byDefault } });
}
