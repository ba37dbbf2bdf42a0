import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterLocation } from './location.ts';
import { changeOwner, processStartId } from './processes.ts';

/**
 * Every process that uses the database holds a lease: an empty file that names the process. The process that releases
 * the last lease stops the database. The lease of a process that was killed has ended, although its file is still
 * there. All functions are synchronous, so that hardly any time passes between the check and the signal.
 */
export type Lease = { path: string };

/** Counts the leases of this process, so that each has a file of its own. */
let leasesTaken = 0;

export function takeLease(location: ClusterLocation): Lease {
  const folder = leasesFolder(location);
  mkdirSync(folder, { recursive: true });
  changeOwner(location.identity, folder);
  const path = join(folder, `${process.pid}.${processStartId(process.pid)}.${(leasesTaken += 1)}`);
  writeFileSync(path, '');
  changeOwner(location.identity, path);
  return { path };
}

/** @returns true where no living process holds another lease */
export function releaseLease(location: ClusterLocation, lease: Lease): boolean {
  rmSync(lease.path, { force: true });
  return !isInUse(location);
}

/** Whether a living process holds a lease. Removes the files of processes that have ended. */
export function isInUse(location: ClusterLocation): boolean {
  let inUse = false;
  for (const name of namesIn(leasesFolder(location))) {
    const [pid = '', startId] = name.split('.');
    if (processStartId(Number(pid)) === startId) inUse = true;
    else rmSync(join(leasesFolder(location), name), { force: true });
  }
  return inUse;
}

const leasesFolder = (location: ClusterLocation): string => join(location.home, 'pg.leases');

/** Empty where there is no such folder. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
