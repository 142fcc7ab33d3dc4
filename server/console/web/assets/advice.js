// What to do about an error, in a sentence or two: the first that fits.

const ADVICE = [
  [/records were rejected|is not an? (integer|number|date|whole)|cannot be (read|converted)|invalid input syntax/i,
    'The data does not fit. See the rejects for the lines, mend them at their source, or trigger a run that may set more records aside.'],
  [/(no|missing|lacks( the)?|has no) column|column .* (is missing|not found|does not exist)|no column named/i,
    'The input does not have a column that the pipeline reads. Check the header of the file, or what writes it, then retry.'],
  [/is (an? )?\w+, (needs|wants)|cannot hold|does not fit|out of range|value too long/i, 'A column of the target is too narrow for the data. Change its type in the database, then retry.'],
  [/no such file|cannot open|file does not exist/i, 'The input file is not where the pipeline looks for it. Put it there, or correct the path, then retry.'],
  [/relation .* does not exist|no table|table .* does not exist/i, 'A table is missing. Create it (with MILLRACE_DEMO=1 the server makes those of the demo), then retry.'],
  [/permission denied|must be owner/i, 'The database user lacks a privilege. Grant it, then retry.'],
  [/password authentication|role .* does not exist/i, 'The database refuses the user or the password. Correct DATABASE_URL and restart the server.'],
  [/duplicate key|unique constraint/i, 'A record is there already. Load with upsert, or remove the duplicate, then retry.'],
  [/violates .* constraint|null value in column/i, 'The database refuses a record by one of its constraints. The error names it; mend the data, then retry.'],
  [/lock timeout|could not obtain lock|deadlock/i, 'Somebody else holds a lock on the table. Wait until that work is done, then retry.'],
  [/timed? ?out|deadline exceeded/i, 'It took longer than it may. See the timeline for the stage that took the time, then retry.'],
  [/connection (refused|reset)|broken pipe|no route|cannot connect|failed to connect|server closed|shut(ting)? ?down|unexpected EOF/i,
    'The database or another service could not be reached. Nothing was written; retry once it is back.'],
  [/disk full|no space left/i, 'A disk is full. Make room, then retry.'],
  [/panic/i, 'The pipeline has a bug. The log has the place in the code; nothing was written.'],
];

/** advice says what to do about an error. */
export const advice = (error) => ADVICE.find(([pattern]) => pattern.test(error))?.[1] || 'Nothing of this run was written. See the log for what came before, then retry.';
