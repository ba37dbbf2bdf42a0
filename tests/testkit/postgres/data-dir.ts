import { chmod, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stopOrphan } from '../../../dev/embedded-postgres/embedded-postgres.ts';
import { processStartId } from '../../../dev/embedded-postgres/processes.ts';

const PREFIX = 'landfall-test-';

/** Makes a new data folder. Stops and removes the databases that killed test processes have left. */
export async function makeDataDir(): Promise<string> {
  await removeAbandonedDataDirs();
  const dataDir = await mkdtemp(
    join(tmpdir(), `${PREFIX}${process.pid}.${processStartId(process.pid)}.`),
  );
  // Under root, PostgreSQL runs as the user nobody, who has to reach its files in this folder.
  await chmod(dataDir, 0o755);
  return dataDir;
}

/** Removes a data folder, and the folder to which its link `pg` may point. */
export async function removeDataDir(dataDir: string): Promise<void> {
  const clusterFolder = await realpath(join(dataDir, 'pg')).then(dirname, () => dataDir);
  // A database that is being stopped may still write files.
  const options = { recursive: true, force: true, maxRetries: 20 };
  await rm(clusterFolder, options);
  await rm(dataDir, options);
}

async function removeAbandonedDataDirs(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const [pid = '', startMark] = name.slice(PREFIX.length).split('.');
    if (processStartId(Number(pid)) === startMark) continue;
    const dataDir = join(tmpdir(), name);
    // The folder of another user cannot be stopped or removed.
    const isStopped = await stopOrphan(dataDir).catch(() => false);
    if (isStopped) await removeDataDir(dataDir);
  }
}
