import { hasCode } from '../../../src/config/start-error.ts';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, open, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type UserIdentity } from '../../../dev/embedded-postgres/processes.ts';
import type { CommandWrapper } from './postgres-process.ts';

/** A folder on a file system that is small enough for a test to fill. */
export interface SmallDisk {
  /** What kind of file system it is, for people to read. */
  readonly description: string;
  /** The path of the folder for programs that `wrapCommand` has started. */
  readonly folder: string;
  /** The path of the same folder for this process. */
  readonly hostFolder: string;
  /** Starts a program where it sees the disk; undefined where every program sees it. */
  readonly wrapCommand: CommandWrapper | undefined;
  /** Writes until the disk has no byte left. */
  fill(): Promise<void>;
  /** Removes what `fill` has written. */
  freeSpace(): Promise<void>;
  remove(): Promise<void>;
}

/** A larger existing file system is not filled, as other programs use it. */
const maxExistingBytes = 256 * 1024 ** 2;

/**
 * Mounts a tmpfs in a mount namespace of its own, which ends with the last process in it. A user other than
 * root needs a user namespace for that. Where neither is permitted, as in most containers, it uses a folder on
 * a small file system that exists already.
 *
 * @throws Error where there is no such file system either
 */
export async function createSmallDisk(bytes: number): Promise<SmallDisk> {
  const isRoot = process.getuid?.() === 0;
  const userNamespace = isRoot ? [] : ['--user', '--map-current-user', '--keep-caps'];
  return (await mountTmpfs(bytes, userNamespace)) ?? useExistingFileSystem(bytes);
}

/** @returns undefined where it is not permitted */
async function mountTmpfs(
  bytes: number,
  userNamespace: readonly string[],
): Promise<SmallDisk | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'landfall-small-disk-'));
  await chmod(folder, 0o755);
  const mount = `mount -t tmpfs -o size=${bytes},mode=755 tmpfs "$0" && echo mounted && exec cat`;
  // The process keeps the namespace. It ends when its input does, and so with this process.
  const keeper = spawn('unshare', [...userNamespace, '--mount', 'sh', '-c', mount, folder], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  if (!(await hasPrinted(keeper))) {
    await rm(folder, { recursive: true });
    return undefined;
  }
  const enterUser = userNamespace.length > 0 ? ['--user', '--preserve-credentials'] : [];
  const enter = ['--target', `${keeper.pid}`, '--mount', ...enterUser];
  const hostFolder = `/proc/${keeper.pid}/root${folder}`;
  return {
    description: `a tmpfs of ${bytes} bytes`,
    folder,
    hostFolder,
    wrapCommand: (command, identity) => ['nsenter', ...enter, ...asUser(identity), ...command],
    ...fillingOf(hostFolder),
    async remove() {
      const ended = once(keeper, 'exit');
      keeper.stdin?.end();
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

const asUser = (identity: UserIdentity | undefined) =>
  identity ? ['--setuid', `${identity.uid}`, '--setgid', `${identity.gid}`] : [];

/** False where the process could not be started, or ended without output. */
function hasPrinted(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(false));
    child.once('exit', () => resolve(false));
    child.stdout?.once('data', () => resolve(true));
  });
}

async function useExistingFileSystem(bytes: number): Promise<SmallDisk> {
  for (const path of ['/dev/shm', '/run/lock', process.env.XDG_RUNTIME_DIR ?? '/run/shm']) {
    const freeBytes = await statfs(path).then(
      ({ bavail, bsize }) => bavail * bsize,
      () => 0,
    );
    if (freeBytes < bytes || freeBytes > maxExistingBytes) continue;
    const folder = await mkdtemp(join(path, 'landfall-small-disk-')).catch(() => undefined);
    if (folder === undefined) continue;
    await chmod(folder, 0o755);
    return {
      description: `${path}, as this process may not mount a file system`,
      folder,
      hostFolder: folder,
      wrapCommand: undefined,
      ...fillingOf(folder),
      remove: () => rm(folder, { recursive: true }),
    };
  }
  throw new Error('this process may not mount a file system, and no existing one is small enough');
}

function fillingOf(folder: string) {
  const path = join(folder, 'filling');
  return {
    async fill() {
      const file = await open(path, 'a');
      try {
        for (const size of [1024 ** 2, 4096, 1]) await writeUntilFull(file, Buffer.alloc(size));
      } finally {
        await file.close();
      }
    },
    freeSpace: () => rm(path),
  };
}

async function writeUntilFull(
  file: { write(chunk: Buffer): Promise<unknown> },
  chunk: Buffer,
): Promise<void> {
  try {
    for (;;) await file.write(chunk);
  } catch (error) {
    if (!hasCode(error, 'ENOSPC')) throw error;
  }
}
