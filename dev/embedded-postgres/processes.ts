import { hasCode } from '../../src/config/start-error.ts';
import { execFile, execFileSync } from 'node:child_process';
import { chownSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';

/** The user that PostgreSQL runs as. Where it is undefined, PostgreSQL runs as the user of this process. */
export type UserIdentity = { uid: number; gid: number };

const run = promisify(execFile);

/** PostgreSQL reads LC_*, PG* and TZ, so it does not inherit the environment of this process. */
export const BARE_ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Runs a command as `identity`. @returns its output @throws Error with its stderr */
export async function runAs(identity: UserIdentity | undefined, file: string, args: string[]) {
  const { stdout } = await run(file, args, { ...identity, cwd: '/', env: BARE_ENVIRONMENT });
  return stdout;
}

/**
 * Distinguishes a running process from a later one with the same number. The result is the same as long as the process
 * runs. It is undefined where no process runs; a zombie counts as not running.
 */
export function processStartId(pid: number): string | undefined {
  if (process.platform !== 'linux') return isSignalable(pid) ? 'alive' : undefined;
  const stat = readOrUndefined(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The name in parentheses may itself have spaces and parentheses, so the fields are counted from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** Whether `pid` is a postmaster that serves `data`. */
export function isPostmasterOf(pid: number, data: string): boolean {
  if (processStartId(pid) === undefined) return false;
  if (process.platform === 'linux') {
    const command = readOrUndefined(`/proc/${pid}/cmdline`) ?? '';
    return command.includes(`\0-D\0${data}\0`);
  }
  const command = execFileSync('ps', ['-ww', '-o', 'command=', '-p', `${pid}`], {
    encoding: 'utf8',
  });
  return command.includes(` -D ${data} `);
}

/** @returns false where the process has ended */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return false;
    throw error;
  }
}

/** Makes the database's user the owner of a file or folder that this process created. */
export function changeOwner(identity: UserIdentity | undefined, path: string): void {
  if (identity) chownSync(path, identity.uid, identity.gid);
}

/** The text of a file; undefined where there is no such file, or under /proc no such process. */
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
