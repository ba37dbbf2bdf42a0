import { chmod, mkdir } from 'node:fs/promises';
import { startEmbedded, stopOrphan } from '../../dev/embedded-postgres/embedded-postgres.ts';
import { removeDataDir } from '../../tests/testkit/postgres/data-dir.ts';
import { serveParent } from '../serve-parent.ts';

/** The embedded PostgreSQL in a folder of its own, which goes when the benchmark does. */
serveParent<{ readonly folder: string }>(async ({ folder }) => {
  await mkdir(folder, { recursive: true });
  if (!(await stopOrphan(folder))) throw new Error(`another benchmark is using ${folder}`);
  await removeDataDir(folder);
  await mkdir(folder, { recursive: true });
  // Under root, PostgreSQL runs as the user nobody, who has to reach its files in this folder.
  await chmod(folder, 0o755);
  const embedded = await startEmbedded({ dataDir: folder, log: { info: () => {} } });
  return {
    ready: { url: embedded.url },
    stop: async () => {
      await embedded.stop();
      await removeDataDir(folder);
    },
  };
});
