import { createInterface } from 'node:readline';
import type { RowCounts, TenantRemoval } from '../postgres/tenants/tenant-removal.ts';
import { runCommand, UsageError } from './command.ts';
import { withDatabase } from './with-database.ts';

const usage = `usage: npm run remove-tenant -- <tenant>

Counts the rows of the tenant, asks for its name, and removes all of them for ever.`;
const batchRows = 500;
/** The maximum of counted rows per table. It is enough to recognize a wrong tenant, and counts in a moment. */
const countLimit = 1_000_000;

/** Asks for the tenant's name, at a terminal or through a pipe. Any other answer removes nothing. */
async function askAndRemove(removal: TenantRemoval, tenantId: string): Promise<void> {
  const name = JSON.stringify(tenantId);
  const counts = await removal.count(tenantId, countLimit);
  if (!counts) throw new Error(`there is no tenant ${name}`);
  process.stdout.write(`the tenant ${name} holds ${describe(counts)}\n`);
  process.stdout.write('all of it would be removed for ever; to remove it, type its name: ');
  if ((await readLine()) !== tenantId) throw new Error('\nnot its name: nothing was removed');
  const removed = await removal.remove(tenantId, batchRows);
  if (!removed) throw new Error(`somebody else has removed ${name} meanwhile`);
  process.stdout.write(`\nremoved ${describe(removed)}, and the tenant ${name} itself\n`);
}

function describe(counts: RowCounts): string {
  return [...counts]
    .map(([table, count]) => {
      const atLeast = count >= countLimit ? 'at least ' : '';
      return `${atLeast}${count} ${table.replaceAll('_', ' ')}`;
    })
    .join(', ');
}

/** Undefined if the input ends without a line. */
async function readLine(): Promise<string | undefined> {
  for await (const line of createInterface({ input: process.stdin })) return line;
  return undefined;
}

await runCommand({ usage, options: {}, maxWords: 1 }, async (_values, [tenantId]) => {
  if (!tenantId) throw new UsageError('name one tenant');
  await withDatabase(({ tenantRemoval }) => askAndRemove(tenantRemoval, tenantId));
});
