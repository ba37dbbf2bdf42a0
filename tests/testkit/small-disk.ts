import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, open, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasCode, type UserIdentity } from '../../dev/embedded-postgres/processes.ts';
import type { Entrance } from './postgres-process.ts';

/** A folder on a file system of its own, so small that a test can fill it. */
export interface SmallDisk {
  /** In words, what it is. */
  readonly means: string;
  /** For the programs that have gone `inside`. */
  readonly folder: string;
  /** The same folder, for this process. */
  readonly reachable: string;
  /** How a program gets to where it sees the disk; undefined where any does. */
  readonly inside: Entrance | undefined;
  /** Until not a byte more can be written. */
  fill(): Promise<void>;
  makeRoom(): Promise<void>;
  remove(): Promise<void>;
}

/** Of file systems at hand only a small one is filled: the others belong to somebody. */
const maxAtHand = 256 * 1024 ** 2;

/**
 * A tmpfs in a mount namespace of its own, which goes with the last process in it. Who is not root
 * makes it in a user namespace. Where neither is permitted, as in most containers, it is a folder on
 * a small file system that is there already.
 *
 * @throws Error where nothing of this is to be had
 */
export async function createSmallDisk(bytes: number): Promise<SmallDisk> {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-current-user', '--keep-caps'];
  return (await mountOwn(bytes, user)) ?? findAtHand(bytes);
}

async function mountOwn(bytes: number, user: readonly string[]): Promise<SmallDisk | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'landfall-small-disk-'));
  await chmod(folder, 0o755);
  const mount = `mount -t tmpfs -o size=${bytes},mode=755 tmpfs "$0" && echo mounted && exec cat`;
  // It ends with its input, and so with this process.
  const holder = spawn('unshare', [...user, '--mount', 'sh', '-c', mount, folder], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  if (!(await hasSpoken(holder))) {
    await rm(folder, { recursive: true });
    return undefined;
  }
  const enter = ['--target', `${holder.pid}`, '--mount', ...(user.length > 0 ? asOneself : [])];
  const reachable = `/proc/${holder.pid}/root${folder}`;
  return {
    means: `a tmpfs of ${bytes} bytes`,
    folder,
    reachable,
    inside: (command, identity) => ['nsenter', ...enter, ...as(identity), ...command],
    ...ballastIn(reachable),
    async remove() {
      const ended = once(holder, 'exit');
      holder.stdin?.end();
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

const asOneself = ['--user', '--preserve-credentials'];

const as = (identity: UserIdentity | undefined) =>
  identity ? ['--setuid', `${identity.uid}`, '--setgid', `${identity.gid}`] : [];

/** False where it ended, or could not be started, without a word. */
function hasSpoken(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(false));
    child.once('exit', () => resolve(false));
    child.stdout?.once('data', () => resolve(true));
  });
}

async function findAtHand(bytes: number): Promise<SmallDisk> {
  for (const place of ['/dev/shm', '/run/lock', process.env.XDG_RUNTIME_DIR ?? '/run/shm']) {
    const room = await statfs(place).then(
      ({ bavail, bsize }) => bavail * bsize,
      () => 0,
    );
    if (room < bytes || room > maxAtHand) continue;
    const folder = await mkdtemp(join(place, 'landfall-small-disk-')).catch(() => undefined);
    if (folder === undefined) continue;
    await chmod(folder, 0o755);
    return {
      means: `${place}, as no file system may be mounted here`,
      folder,
      reachable: folder,
      inside: undefined,
      ...ballastIn(folder),
      remove: () => rm(folder, { recursive: true }),
    };
  }
  throw new Error('no file system may be mounted here, and none that is there is small enough');
}

function ballastIn(folder: string) {
  const path = join(folder, 'ballast');
  return {
    async fill() {
      const file = await open(path, 'a');
      try {
        for (const size of [1024 ** 2, 4096, 1]) await writeUntilFull(file, Buffer.alloc(size));
      } finally {
        await file.close();
      }
    },
    makeRoom: () => rm(path),
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
