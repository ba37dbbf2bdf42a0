import { createPass, type PassReport } from '../retention/pass.ts';
import { fail, withDatabase } from './open.ts';

const usage = `usage: npm run retention -- --once

Purges tombstones older than TOMBSTONE_RETENTION and drops the payloads of events older than
EVENT_RETENTION, now and once. The service does the same by itself at every RETENTION_INTERVAL.`;

async function main(): Promise<void> {
  if (!isOnce()) throw new Error(`--once is needed, and nothing else\n${usage}`);
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => interrupted.abort());
  }
  const report = await withDatabase((database, config) =>
    createPass(database.retention, config.retention)(interrupted.signal),
  );
  if (report) print(report);
  else process.stdout.write('another process is cleaning up this database: nothing was done\n');
}

function isOnce(): boolean {
  const [flag, ...rest] = process.argv.slice(2);
  return flag === '--once' && rest.length === 0;
}

function print({ tenants, tombstones, payloads, busy, errors, stopped }: PassReport): void {
  const lines = [
    `purged ${tombstones} tombstones and dropped ${payloads} payloads of ${tenants} tenants`,
    ...(busy > 0 ? [`left out ${busy} busy tenants: the next pass goes on with them`] : []),
    ...(stopped ? ['stopped before the end: the next pass goes on from here'] : []),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  for (const error of errors) fail(error);
}

main().catch(fail);
