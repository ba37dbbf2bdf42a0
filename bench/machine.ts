import { execFile } from 'node:child_process';
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Where and of what figures were taken: without it they say little. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
  readonly postgres: string;
  /** Of the sources, with `-dirty` where they were changed since; null outside of a repository. */
  readonly commit: string | null;
}

export async function describeMachine(postgres: string): Promise<Machine> {
  return {
    processor: cpus()[0]?.model.trim() ?? '',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    postgres,
    commit: await findCommit(),
  };
}

async function findCommit(): Promise<string | null> {
  const cwd = fileURLToPath(new URL('.', import.meta.url));
  const command = ['describe', '--always', '--dirty', '--exclude=*'];
  return promisify(execFile)('git', command, { cwd }).then(
    ({ stdout }) => stdout.trim(),
    () => null,
  );
}
