import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';

export interface Options {
  /** How long faults happen; what comes before and after takes a minute or so. */
  readonly minutes: number;
  readonly seed: number;
}

export const usage = 'usage: npm run soak -- [--minutes 10] [--seed N]';

/** @throws Error for the user */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } },
  });
  const minutes = Number(values.minutes);
  const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
  if (!(minutes > 0)) throw new Error('--minutes is a number above 0, such as 10 or 0.5');
  if (!Number.isSafeInteger(seed)) throw new Error('--seed is a whole number');
  return { minutes, seed };
}
