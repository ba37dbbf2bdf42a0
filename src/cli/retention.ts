import { createRetentionPass, type RetentionReport } from '../retention/retention-pass.ts';
import { fail, runCommand, UsageError } from './command.ts';
import { withDatabase } from './with-database.ts';

const usage = `usage: npm run retention -- --once

Purges tombstones older than TOMBSTONE_RETENTION and drops the payloads of events older than
EVENT_RETENTION, now and once. The service does the same by itself at every RETENTION_INTERVAL.`;

async function cleanUp(): Promise<void> {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => interrupted.abort());
  }
  const report = await withDatabase((database, config) =>
    createRetentionPass(database.retention, config.retention)(interrupted.signal),
  );
  if (report) print(report);
  else process.stdout.write('another process is cleaning up this database: nothing was done\n');
}

function print({ tenants, tombstones, payloads, busy, errors, stopped }: RetentionReport): void {
  const lines = [
    `purged ${tombstones} tombstones and dropped ${payloads} payloads of ${tenants} tenants`,
    ...(busy > 0 ? [`left out ${busy} busy tenants: the next pass goes on with them`] : []),
    ...(stopped ? ['stopped before the end: the next pass goes on from here'] : []),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  for (const error of errors) fail(error);
}

await runCommand({ usage, options: { once: { type: 'boolean' } } }, async ({ once }) => {
  if (once !== true) throw new UsageError('--once is needed');
  await cleanUp();
});
