import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new folder, and the processes and proxies that a test, a soak, a demo or a benchmark has started. */
export interface Stage {
  readonly folder: string;
  /** Has `close` stop it. @returns the same object */
  add<Started extends { stop(): Promise<unknown> }>(started: Started): Started;
  /**
   * Stops everything that was added, the last first, and removes the folder. Calling it again does nothing.
   *
   * @param keepFolder leaves the folder, such as for an inspection of what failed
   */
  close(keepFolder?: boolean): Promise<void>;
}

/**
 * @param name is a part of the folder's name
 * @param parent the folder in which the stage makes its own; it must exist
 */
export async function openStage(name: string, parent = tmpdir()): Promise<Stage> {
  const folder = await mkdtemp(join(parent, `landfall-${name}-`));
  // Under root, PostgreSQL runs as the user nobody, who has to reach its files in this folder.
  await chmod(folder, 0o755);
  const started: { stop(): Promise<unknown> }[] = [];
  return {
    folder,
    add(one) {
      started.push(one);
      return one;
    },
    async close(keepFolder = false) {
      for (const one of started.splice(0).toReversed()) await one.stop();
      if (!keepFolder) await rm(folder, { recursive: true, force: true });
    },
  };
}
