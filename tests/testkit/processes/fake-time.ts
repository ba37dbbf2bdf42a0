import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const folder = '/usr/lib';

/**
 * The environment in which Debian's libfaketime shows a process another time.
 *
 * @param offset in the library's notation: `-1d`, `+2h`
 * @returns undefined where the library is not installed
 */
export function fakeTime(offset: string): NodeJS.ProcessEnv | undefined {
  if (process.platform !== 'linux') return undefined;
  const library = readdirSync(folder)
    .map((platform) => join(folder, platform, 'faketime/libfaketime.so.1'))
    .find((path) => existsSync(path));
  if (library === undefined) return undefined;
  // Timeouts use the monotonic clock, which keeps its speed and its value.
  return { LD_PRELOAD: library, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
}
