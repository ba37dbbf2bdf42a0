import { randomInt } from 'node:crypto';
import { type Command, UsageError, type Values } from '../src/cli/command.ts';

export interface SoakOptions {
  /** How long faults are injected. The start and the checks take about another minute. */
  readonly minutes: number;
  readonly seed: number;
}

export const soakCommand = {
  usage: 'usage: npm run soak -- [--minutes 10] [--seed N]',
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } },
} as const satisfies Command;

/** @throws UsageError */
export function readSoakOptions(values: Values<typeof soakCommand.options>): SoakOptions {
  const minutes = Number(values.minutes);
  const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
  if (!(minutes > 0)) throw new UsageError('--minutes is a number above 0, such as 10 or 0.5');
  if (!Number.isSafeInteger(seed)) throw new UsageError('--seed is a whole number');
  return { minutes, seed };
}
