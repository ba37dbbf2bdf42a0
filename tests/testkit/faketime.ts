import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const folder = '/usr/lib';

/**
 * What makes a process of Debian's libfaketime see another time; undefined where it is not installed.
 *
 * @param offset as the library has it: `-1d`, `+2h`
 */
export function fakeTime(offset: string): NodeJS.ProcessEnv | undefined {
  if (process.platform !== 'linux') return undefined;
  const library = readdirSync(folder)
    .map((platform) => join(folder, platform, 'faketime/libfaketime.so.1'))
    .find((path) => existsSync(path));
  if (library === undefined) return undefined;
  // Timeouts are counted on the monotonic clock, which nobody sets.
  return { LD_PRELOAD: library, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
}
