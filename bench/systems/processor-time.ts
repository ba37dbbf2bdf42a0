import { readdir, readFile } from 'node:fs/promises';
import type { Client } from 'pg';

/** Linux counts the time of processes in hundredths of a second. */
const microsATick = 10_000;

interface ProcessTimes {
  readonly parent: number;
  /** Microseconds, of the user and of the system. */
  readonly own: number;
  /** Of its children that have ended and were waited for. */
  readonly ofChildren: number;
}

/** Microseconds of a processor that a process has taken so far; null where Linux does not say. */
export async function processorMicros(pid: number): Promise<number | null> {
  return (await readTimes(pid))?.own ?? null;
}

/** The same of all processes of a cluster. @param postmaster its first process */
export async function clusterMicros(postmaster: number): Promise<number | null> {
  for (;;) {
    const before = await readTimes(postmaster);
    const children = await childrenMicros(postmaster);
    const after = await readTimes(postmaster);
    if (!before || !after) return null;
    // A child that ended meanwhile would be counted twice, or not at all.
    if (before.ofChildren === after.ofChildren) return after.own + after.ofChildren + children;
  }
}

async function childrenMicros(parent: number): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const times = await Promise.all(pids.map(readTimes));
  return times.reduce((sum, each) => (each?.parent === parent ? sum + each.own : sum), 0);
}

async function readTimes(pid: number): Promise<ProcessTimes | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  // The second field is a name in parentheses, which may contain anything. The fields behind it are numbered from 0.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = (...places: number[]) =>
    places.reduce((sum, place) => sum + Number(fields[place]) * microsATick, 0);
  return { parent: Number(fields[1]), own: ticks(11, 12), ofChildren: ticks(13, 14) };
}

/**
 * The first process of the cluster to which `client` is connected; null where it does not run under this Linux. The
 * address says so only for a socket or this machine's own address. A tunnel ends there too, so the process is looked at.
 */
export async function findClusterProcess(client: Client): Promise<number | null> {
  const { rows } = await client.query<{ pid: number; database: string; is_here: boolean }>(`
    SELECT pg_backend_pid() AS pid, current_database() AS database,
           coalesce(host(inet_server_addr()) IN ('127.0.0.1', '::1'), true) AS is_here`);
  const [backend] = rows;
  if (!backend?.is_here) return null;
  const title = await readFile(`/proc/${backend.pid}/cmdline`, 'utf8').catch(() => '');
  const isBackend = title.startsWith('postgres:') && title.includes(` ${backend.database} `);
  return isBackend ? ((await readTimes(backend.pid))?.parent ?? null) : null;
}
