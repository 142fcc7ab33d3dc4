// Server-sent events by fetch, because EventSource cannot send a token. Reconnects by itself, and goes on where it
// left off by Last-Event-ID.

import { backoff, send } from './api.js';
import * as link from './link.js';

const SILENCE = 45000; // ms without even a heartbeat: the connection is dead, whatever TCP believes

/**
 * follow reads the events of a path until the signal, or until onEvent returns false.
 * onEvent is called with {id, type, data}, onOpen each time that the stream begins.
 */
export async function follow(path, { signal, onEvent, onOpen }) {
  let last = '';
  let pause = 1000;
  for (let failures = 0; !signal.aborted;) {
    const attempt = new AbortController();
    const stop = () => attempt.abort();
    signal.addEventListener('abort', stop);
    let dog;
    const alive = () => {
      clearTimeout(dog);
      dog = setTimeout(stop, SILENCE);
    };
    let reason = 'The event stream ended.';
    try {
      alive();
      const response = await send(path, { signal: attempt.signal, accept: 'text/event-stream', extra: last && { 'Last-Event-ID': last } });
      if (response.status === 204) return; // it has ended, and there is nothing newer
      onOpen?.();
      for await (const event of events(response.body, alive)) {
        failures = 0;
        link.up();
        if (event.id) last = event.id;
        if (event.retry) pause = event.retry;
        if (event.data && onEvent(event) === false) return;
      }
    } catch (problem) {
      if (signal.aborted) return;
      if (problem.status && !problem.gone && problem.status !== 429) throw problem;
      reason = problem.status === undefined ? 'The connection broke.' : problem.message;
    } finally {
      clearTimeout(dog);
      signal.removeEventListener('abort', stop);
      attempt.abort();
    }
    failures++;
    const ms = failures === 1 ? Math.min(pause, 1000) : backoff(failures);
    link.down(reason, Date.now() + ms);
    await link.wait(ms, signal);
  }
}

/** events parses a stream as https://html.spec.whatwg.org/multipage/server-sent-events.html says. */
export async function* events(body, onChunk) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let event = { type: 'message', data: [] };
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    onChunk?.();
    rest += value;
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (event.data.length || event.retry) yield { ...event, data: event.data.join('\n') };
        event = { type: 'message', data: [] };
        continue;
      }
      const [, field, content] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (field === 'data') event.data.push(content);
      else if (field === 'event') event.type = content;
      else if (field === 'id') event.id = content;
      else if (field === 'retry' && /^\d+$/.test(content)) event.retry = +content;
    }
  }
}
