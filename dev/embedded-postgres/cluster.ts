import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import type { ClusterLocation } from './location.ts';
import { hasCode, processStartMark, runAs } from './processes.ts';

const STAGING = 'pg.init-';

const INITDB_OPTIONS = [
  '--username=landfall',
  '--auth=trust',
  '--encoding=UTF8',
  // The built-in provider sorts alike on every platform; libc's C.UTF-8 is not on every one.
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
  '--locale=C',
  // initdb would otherwise take the machine's time zone.
  '--set=timezone=UTC',
  '--set=log_timezone=UTC',
];

/**
 * Makes the data directory where there is none; true where it did. initdb works in a folder beside
 * it, which gets the directory's name when it is complete: what an interrupted initdb left is never
 * taken for a database, and of two processes one wins.
 */
export async function ensureCluster(place: ClusterLocation, binaries: Binaries): Promise<boolean> {
  await sweep(place.home);
  if (existsSync(join(place.data, 'global/pg_control'))) return false;
  refuseIfFilled(place.data);
  const staging = join(
    place.home,
    `${STAGING}${process.pid}.${processStartMark(process.pid)}.${randomUUID()}`,
  );
  await mkdir(staging, { mode: 0o700 });
  if (place.identity) await chown(staging, place.identity.uid, place.identity.gid);
  try {
    await runAs(place.identity, binaries.initdb, ['-D', staging, ...INITDB_OPTIONS]);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.trim() : String(cause);
    throw new Error(`No new embedded PostgreSQL; DATABASE_URL names another. ${reason}`, { cause });
  }
  return moveInto(place.data, staging);
}

async function moveInto(data: string, staging: string): Promise<boolean> {
  try {
    await rename(staging, data);
    return true;
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    // Another process was first: its database is as good.
    await rm(staging, { recursive: true, force: true });
    return false;
  }
}

/** Somebody's files, or a part of a database: nothing to write over. */
function refuseIfFilled(data: string): void {
  if (existsSync(data) && readdirSync(data).length > 0) {
    throw new Error(
      `${data} holds files but no whole PostgreSQL database: restore or remove it, ` +
        'or set DATABASE_URL.',
    );
  }
}

/** Removes what initdb left where its launcher was killed. */
async function sweep(home: string): Promise<void> {
  for (const name of readdirSync(home)) {
    if (!name.startsWith(STAGING)) continue;
    const [pid = '', mark] = name.slice(STAGING.length).split('.');
    if (processStartMark(Number(pid)) === mark) continue;
    // An orphaned initdb may still write there: what stays now goes the next time.
    await rm(join(home, name), { recursive: true, force: true, maxRetries: 3 }).catch(() => {});
  }
}
