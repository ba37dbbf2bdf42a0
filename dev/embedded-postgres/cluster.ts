import { hasCode } from '../../src/config/start-error.ts';
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import type { ClusterLocation } from './location.ts';
import { processStartId, runAs } from './processes.ts';

const STAGING = 'pg.init-';

const INITDB_OPTIONS = [
  '--username=landfall',
  '--auth=trust',
  '--encoding=UTF8',
  // The built-in provider sorts the same on every platform. Not every libc has C.UTF-8.
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
  '--locale=C',
  // Otherwise initdb uses the time zone of the machine.
  '--set=timezone=UTC',
  '--set=log_timezone=UTC',
];

/**
 * Creates the data directory where there is none. initdb works in a folder beside it, which is renamed when it is
 * complete. The remains of an interrupted initdb are therefore never used as a database, and of two processes at the
 * same time one creates it.
 *
 * @returns whether this call created the directory
 */
export async function ensureCluster(
  location: ClusterLocation,
  binaries: Binaries,
): Promise<boolean> {
  await removeAbandoned(location.home);
  if (existsSync(join(location.data, 'global/pg_control'))) return false;
  refuseForeignFiles(location.data);
  const staging = join(
    location.home,
    `${STAGING}${process.pid}.${processStartId(process.pid)}.${randomUUID()}`,
  );
  await mkdir(staging, { mode: 0o700 });
  if (location.identity) await chown(staging, location.identity.uid, location.identity.gid);
  try {
    await runAs(location.identity, binaries.initdb, ['-D', staging, ...INITDB_OPTIONS]);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.trim() : String(cause);
    throw new Error(`No new embedded PostgreSQL; DATABASE_URL names another. ${reason}`, { cause });
  }
  return moveTo(location.data, staging);
}

async function moveTo(data: string, staging: string): Promise<boolean> {
  try {
    await rename(staging, data);
    return true;
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    // Another process was first. Its database is used.
    await rm(staging, { recursive: true, force: true });
    return false;
  }
}

/** A folder that holds other files, or a part of a database, is not overwritten. */
function refuseForeignFiles(data: string): void {
  if (existsSync(data) && readdirSync(data).length > 0) {
    throw new Error(
      `${data} holds files but no whole PostgreSQL database: restore or remove it, ` +
        'or set DATABASE_URL.',
    );
  }
}

/** Removes the folders of initdb whose process was killed. */
async function removeAbandoned(home: string): Promise<void> {
  for (const name of readdirSync(home)) {
    if (!name.startsWith(STAGING)) continue;
    const [pid = '', startId] = name.slice(STAGING.length).split('.');
    if (processStartId(Number(pid)) === startId) continue;
    // The initdb of a killed process may still write there. The next start removes the rest.
    await rm(join(home, name), { recursive: true, force: true, maxRetries: 3 }).catch(() => {});
  }
}
