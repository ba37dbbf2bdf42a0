import { execFile, execFileSync } from 'node:child_process';
import { chownSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';

/** As whom PostgreSQL runs; undefined means: as whom this process runs. */
export type UserIdentity = { uid: number; gid: number };

const run = promisify(execFile);

/** PostgreSQL looks at LC_*, PG* and TZ: it gets none of this process's. */
export const BARE_ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Runs a command to its end as `identity` and gives its output; throws with its stderr. */
export async function runAs(identity: UserIdentity | undefined, file: string, args: string[]) {
  const { stdout } = await run(file, args, { ...identity, cwd: '/', env: BARE_ENVIRONMENT });
  return stdout;
}

/**
 * Tells a running process from a later one with the same number: a mark that stays the same while
 * the process runs, undefined where none runs. A zombie does not run.
 */
export function processStartMark(pid: number): string | undefined {
  if (process.platform !== 'linux') return isSignalable(pid) ? 'alive' : undefined;
  const stat = readOrUndefined(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The name, in parentheses, may itself hold spaces and parentheses: count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** Whether `pid` is a postmaster that serves `data`. */
export function isPostmasterOf(pid: number, data: string): boolean {
  if (processStartMark(pid) === undefined) return false;
  if (process.platform === 'linux') {
    const command = readOrUndefined(`/proc/${pid}/cmdline`) ?? '';
    return command.includes(`\0-D\0${data}\0`);
  }
  const command = execFileSync('ps', ['-ww', '-o', 'command=', '-p', `${pid}`], {
    encoding: 'utf8',
  });
  return command.includes(` -D ${data} `);
}

/** False where the process ended in the meantime. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return false;
    throw error;
  }
}

/** Gives what this process made to the database's user. */
export function changeOwner(identity: UserIdentity | undefined, path: string): void {
  if (identity) chownSync(path, identity.uid, identity.gid);
}

export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** The file's text; undefined where there is no such file (or, under /proc, process). */
export function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH', 'ENOTDIR')) return undefined;
    throw error;
  }
}

function isSignalable(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return hasCode(error, 'EPERM');
  }
}
