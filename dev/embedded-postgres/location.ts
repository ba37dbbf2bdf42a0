import { hasCode } from '../../src/config/start-error.ts';
import { createHash, randomUUID } from 'node:crypto';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readlink,
  realpath,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type UserIdentity, runAs } from './processes.ts';

/** The folder where a root process keeps what the database's user cannot reach in the project. */
export const SHARED_HOME = '/var/lib/landfall';

const NOBODY: UserIdentity = { uid: 65534, gid: 65534 };

export type ClusterLocation = {
  /** The folder with the data directory and the leases. */
  home: string;
  /** PostgreSQL's data directory: `pg` in `home`. */
  data: string;
  /** The folder of the socket. Each start creates it. */
  sockets: string;
  logFile: string;
  identity: UserIdentity | undefined;
};

/**
 * Decides where the database of `dataDir` is and which user runs it. PostgreSQL refuses to run as root. A root process
 * therefore runs it as the user `nobody`, or as the owner of an existing database. Where `nobody` cannot reach
 * `dataDir`, `<dataDir>/pg` becomes a symbolic link to a folder that it can reach.
 */
export async function findClusterLocation(dataDir: string): Promise<ClusterLocation> {
  await mkdir(dataDir, { recursive: true });
  const root = await realpath(dataDir);
  const link = join(root, 'pg');
  const isRoot = process.getuid?.() === 0;
  if (isRoot && process.platform !== 'linux') {
    throw new Error('The embedded PostgreSQL does not run as root here: start as another user.');
  }
  const data =
    (await linkTarget(link)) ??
    (isRoot && !(await exists(link)) ? await chooseDataFolder(root, link) : link);
  const identity = await identityFor(data, isRoot);
  const home = dirname(data);
  await mkdir(home, { recursive: true });
  const uid = identity?.uid ?? process.getuid?.();
  const hash = createHash('sha256').update(data).digest('hex').slice(0, 12);
  // The path of a socket has at most 103 to 107 bytes. The path of a project's folder may be longer.
  const sockets = `/tmp/landfall-${uid}-${hash}`;
  return { home, data, sockets, logFile: join(root, 'postgres.log'), identity };
}

async function chooseDataFolder(root: string, link: string): Promise<string> {
  const probe = join(root, `pg.probe-${randomUUID()}`);
  await mkdir(probe, { mode: 0o700 });
  const reachable = await canUse(probe, NOBODY);
  await rm(probe, { recursive: true });
  if (reachable) return link;
  await mkdir(SHARED_HOME, { recursive: true });
  await chmod(SHARED_HOME, 0o755);
  const hash = createHash('sha256').update(root).digest('hex').slice(0, 12);
  // Always a new folder: an existing one may hold the database of a project that was here before.
  const home = await mkdtemp(join(SHARED_HOME, `${hash}-`));
  await chmod(home, 0o755);
  try {
    await symlink(join(home, 'pg'), link);
    return join(home, 'pg');
  } catch (error) {
    await rm(home, { recursive: true });
    const chosen = await linkTarget(link);
    // Another process created the link at the same time.
    if (hasCode(error, 'EEXIST') && chosen) return chosen;
    throw error;
  }
}

/** The user tries to enter and to write, because a mode does not show ACLs, mounts and parent folders. */
async function canUse(folder: string, identity: UserIdentity): Promise<boolean> {
  try {
    await chown(folder, identity.uid, identity.gid);
    await runAs(identity, '/bin/sh', ['-c', 'cd "$1" && : > probe', 'sh', folder]);
    return (await stat(folder)).uid === identity.uid;
  } catch {
    return false;
  }
}

async function identityFor(data: string, isRoot: boolean): Promise<UserIdentity | undefined> {
  const owner = await stat(data).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (isRoot) return owner?.uid ? { uid: owner.uid, gid: owner.gid } : NOBODY;
  if (owner && owner.uid !== process.getuid?.()) {
    throw new Error(
      `The database in ${data} belongs to user ${owner.uid}: start as that user or as root, ` +
        'or remove it, or set DATABASE_URL.',
    );
  }
  return undefined;
}

async function linkTarget(link: string): Promise<string | undefined> {
  // Not realpath, because the target does not exist before initdb has ended.
  const target = await readlink(link).catch(() => undefined);
  return target === undefined ? undefined : resolve(dirname(link), target);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
