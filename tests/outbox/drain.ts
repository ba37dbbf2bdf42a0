import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from './client.ts';
import { backoffMs } from './flush.ts';
import type { Outbox } from './outbox.ts';
import { UnavailableError } from './request.ts';

export interface DrainOptions extends Partial<Pick<Client, 'clock' | 'random'>> {
  readonly sleep?: (milliseconds: number) => Promise<unknown>;
}

/**
 * Syncs until nothing is pending, as an app does in the background while it is open.
 *
 * @throws SignInError, RefusedError: what no waiting will mend
 */
export async function drain(outbox: Outbox, options: DrainOptions = {}): Promise<void> {
  const { clock = Date.now, random = Math.random, sleep = delay } = options;
  for (let failures = 0; ; ) {
    try {
      await outbox.sync();
      failures = 0;
      const next = outbox.nextAttemptAt();
      if (next === undefined) return;
      await sleep(Math.max(0, next - clock()));
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      failures += 1;
      await sleep(backoffMs(failures, error.retryAfterMs, random));
    }
  }
}
