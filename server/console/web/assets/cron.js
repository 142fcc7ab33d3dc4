// A cron line in words, where it has a short form; otherwise the line as it is.

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const NAMED = {
  '@hourly': '0 * * * *', '@daily': '0 0 * * *', '@midnight': '0 0 * * *', '@weekly': '0 0 * * 0', '@monthly': '0 0 1 * *', '@yearly': '0 0 1 1 *', '@annually': '0 0 1 1 *',
};

/** scheduleWords says when a schedule is due. */
export function scheduleWords(schedule) {
  if (!schedule) return 'by hand';
  const [, zone = 'UTC', line] = /^(?:(?:CRON_)?TZ=(\S+)\s+)?(.*)$/.exec(schedule.trim());
  const [minute, hour, day, month, weekday, more] = (NAMED[line] || line).split(/\s+/);
  const number = (s) => /^\d+$/.test(s);
  const two = (s) => s.padStart(2, '0');
  const every = /^\*\/(\d+)$/;
  if (weekday && !more && month === '*') {
    const anyDay = day === '*' && weekday === '*';
    if (anyDay && hour === '*') {
      if (minute === '*') return 'every minute';
      if (every.test(minute)) return `every ${every.exec(minute)[1]} min`;
      if (number(minute)) return +minute ? `every hour at :${two(minute)}` : 'every hour';
    }
    if (anyDay && number(minute) && every.test(hour)) return `every ${every.exec(hour)[1]} h at :${two(minute)} ${zone}`;
    if (number(minute) && number(hour)) {
      const at = `${two(hour)}:${two(minute)} ${zone}`;
      if (anyDay) return `every day ${at}`;
      if (day === '*' && number(weekday)) return `every ${DAYS[weekday % 7]} ${at}`;
      if (day === '*' && weekday === '1-5') return `Monday to Friday ${at}`;
      if (weekday === '*' && number(day)) return `on day ${day} of every month ${at}`;
    }
  }
  return schedule;
}
