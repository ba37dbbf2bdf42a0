import type { Database } from '../postgres/database.ts';
import { createTenantHash } from '../observability/tenant-hash.ts';
import { runCommand, UsageError } from './command.ts';
import { withDatabase } from './with-database.ts';

const usage = `usage: npm run tenant-hash -- --tenant T
       npm run tenant-hash -- --hash H

Prints the hash that the log has for a tenant, or the tenant that has a hash.`;
const options = { tenant: { type: 'string' }, hash: { type: 'string' } } as const;
const hashPattern = /^[0-9a-f]{16}$/;
/** The number of tenants per statement. A hash takes some microseconds. */
const pageSize = 1_000;

await runCommand({ usage, options }, async ({ tenant, hash }) => {
  if ((tenant === undefined) === (hash === undefined)) {
    throw new UsageError('name one: --tenant or --hash');
  }
  if (tenant === '') throw new UsageError('--tenant names no tenant');
  if (hash !== undefined && !hashPattern.test(hash)) {
    throw new UsageError('--hash is no hash of the log: it has 16 digits of 0 to 9 and a to f');
  }
  await withDatabase(async (database) => {
    const hashOf = createTenantHash(database.keys.logHash);
    if (tenant !== undefined) process.stdout.write(`${hashOf(tenant)}\n`);
    else await printTenant(database, (tenantId) => hashOf(tenantId) === hash, String(hash));
  });
});

/** A hash cannot be reversed. So all tenants are hashed, page by page, until one matches. */
async function printTenant(
  { tenants }: Database,
  hasHash: (tenantId: string) => boolean,
  hash: string,
): Promise<void> {
  for (let after = ''; ; ) {
    const page = await tenants.list(after, pageSize);
    const found = page.find(hasHash);
    if (found !== undefined) {
      process.stdout.write(`${found}\n`);
      return;
    }
    const last = page.at(-1);
    if (last === undefined) break;
    after = last;
  }
  throw new Error(`no tenant that has pushed to this database has the hash ${hash}`);
}
