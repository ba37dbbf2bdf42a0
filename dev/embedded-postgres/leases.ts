import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterLocation } from './location.ts';
import { changeOwner, processStartMark } from './processes.ts';

/**
 * Every process that uses the database holds a seat: an empty file that names the process. The last
 * to leave stops the database; a process that was killed holds no seat, whatever its file says.
 * All of it is synchronous, so that next to nothing comes between the count and the signal.
 */
export type Lease = { path: string };

let taken = 0;

export function takeLease(place: ClusterLocation): Lease {
  const folder = seatsOf(place);
  mkdirSync(folder, { recursive: true });
  changeOwner(place.identity, folder);
  const path = join(folder, `${process.pid}.${processStartMark(process.pid)}.${(taken += 1)}`);
  writeFileSync(path, '');
  changeOwner(place.identity, path);
  return { path };
}

/** Gives the seat back; true where nobody else holds one. */
export function releaseLease(place: ClusterLocation, seat: Lease): boolean {
  rmSync(seat.path, { force: true });
  return !isInUse(place);
}

/** Whether a living process holds a seat. Sweeps the files of those that do not live. */
export function isInUse(place: ClusterLocation): boolean {
  let inUse = false;
  for (const name of listOrNone(seatsOf(place))) {
    const [pid = '', mark] = name.split('.');
    if (processStartMark(Number(pid)) === mark) inUse = true;
    else rmSync(join(seatsOf(place), name), { force: true });
  }
  return inUse;
}

const seatsOf = (place: ClusterLocation): string => join(place.home, 'pg.seats');

function listOrNone(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
