// Numbers, durations and times in words.

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 2 });

/** count writes 14210 as 14,210. */
export const count = (n) => whole.format(n ?? 0);

/** short writes 31042 as 31k. */
export const short = (n) => (n < 1000 ? whole.format(n) : compact.format(n).toLowerCase().replace('m', 'M').replace('b', 'bn'));

/** short ID of a run: the end, since the beginning is the time and so the same for runs of one minute. */
export const shortID = (id) => '…' + id.slice(-8);

/** plural writes 1 row, 2 rows. */
export const plural = (n, one, many = one + 's') => `${count(n)} ${n === 1 ? one : many}`;

/** duration writes milliseconds as 850 ms, 8.1 s, 41 s, 2 min 5 s, 3 h 12 min. */
export function duration(ms) {
  if (!(ms >= 0)) return '–';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  const pair = (big, bigUnit, small, smallUnit) => (small ? `${big} ${bigUnit} ${small} ${smallUnit}` : `${big} ${bigUnit}`);
  if (s < 3600) return pair(Math.floor(s / 60), 'min', s % 60, 's');
  if (s < 86400) return pair(Math.floor(s / 3600), 'h', Math.floor((s % 3600) / 60), 'min');
  return pair(Math.floor(s / 86400), 'd', Math.floor((s % 86400) / 3600), 'h');
}

const exactFormat = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

/** exact is a time to the second, with its zone in the viewer's clock and in UTC. */
export function exact(iso) {
  const d = new Date(iso);
  return isNaN(d) ? String(iso) : `${exactFormat.format(d)} (${d.toISOString().replace(/\.\d+Z$/, 'Z')})`;
}

/** clock is the time of day to the millisecond. */
export function clock(iso) {
  const d = new Date(iso);
  return isNaN(d) ? '' : d.toTimeString().slice(0, 8) + '.' + String(d.getMilliseconds()).padStart(3, '0');
}

/** day is a date, with its time unless that is midnight: a logical date. */
export function day(iso) {
  const d = new Date(iso);
  if (isNaN(d)) return String(iso ?? '');
  const s = d.toISOString();
  return s.endsWith('T00:00:00.000Z') ? s.slice(0, 10) : s.slice(0, 16).replace('T', ' ') + ' UTC';
}
