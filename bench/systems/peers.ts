import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const folder = fileURLToPath(new URL('../peers/', import.meta.url));
/** No script of theirs is run: leveldown comes with what it would build. */
const command = ['ci', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund'];

/** @throws Error that says what to do, where the registry cannot be reached */
export async function installPeers(say: (line: string) => void): Promise<void> {
  const [installed, wanted] = await Promise.all([
    timeOf('node_modules/.package-lock.json'),
    timeOf('package-lock.json'),
  ]);
  if (installed >= wanted) return;
  say(`installing the peers, once: npm ${command.join(' ')} in bench/peers`);
  try {
    await promisify(execFile)('npm', command, { cwd: folder });
  } catch (cause) {
    const { stderr = '' } = cause as { stderr?: string };
    const way = 'Without them: npm run bench -- --without-peers';
    throw new Error(`the peers could not be installed.\n${stderr}\n${way}`, { cause });
  }
}

function timeOf(path: string): Promise<number> {
  return stat(folder + path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}
