import { chmod, mkdir, realpath, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { startEmbedded, stopOrphan } from '../../dev/embedded-postgres/embedded-postgres.ts';
import { serveParent } from '../serve-parent.ts';

/** The embedded PostgreSQL in a folder of its own, which goes when the benchmark does. */
serveParent<{ readonly folder: string }>(async ({ folder }) => {
  await mkdir(folder, { recursive: true });
  // Under root the database runs as nobody, who has to get in.
  await chmod(folder, 0o755);
  if (!(await stopOrphan(folder))) throw new Error(`another benchmark is using ${folder}`);
  await removeData(folder);
  const embedded = await startEmbedded({ dataDir: folder, log: { info: () => {} } });
  return {
    ready: { url: embedded.url },
    stop: async () => {
      await embedded.stop();
      await removeData(folder);
    },
  };
});

/** `pg` may be a link to where the database's user can reach it. */
async function removeData(folder: string): Promise<void> {
  const link = join(folder, 'pg');
  const data = await realpath(link).catch(() => link);
  if (dirname(data) !== (await realpath(folder))) {
    await rm(dirname(data), { recursive: true, force: true });
  }
  await rm(link, { recursive: true, force: true });
}
