import { setTimeout as sleep } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';
import type { Logger } from 'pino';
import type { LogOutput } from '../observability/log-output.ts';

export interface Shutdown {
  readonly logger: Logger;
  /** Where the logger writes: what still waits there is written before the process ends. */
  readonly output: LogOutput;
  /** Between the first phase and the second, in milliseconds: until the balancer sends no more. */
  readonly delayMs: number;
  /** From here on /readyz says 503; all else goes on. */
  readonly announce: () => void;
  /** Takes no more connections, and resolves when what is in flight is answered. */
  readonly drain: () => Promise<unknown>;
  /** Breaks the connections that are still there, so that `drain` resolves. */
  readonly cut: () => void;
  /** Ends what the answers needed: the pool, the embedded database. */
  readonly release: () => Promise<unknown>;
}

/** The longest that all of it may take before the process ends anyway. */
const hardStopMs = 30_000;
/** What is kept of it for the phases after the drain. */
const releaseMs = 3_000;

/**
 * Stops in phases at the first signal: announce, wait, drain, release, exit code 0. Code 1 after an error
 * that nothing caught, at a second signal, and where it takes too long.
 */
export function stopOnSignal(shutdown: Shutdown): void {
  const { logger } = shutdown;
  const cutShort = (reason: string, err?: unknown) => {
    logger.error({ event: 'service.cut-short', reason, err }, 'the service ends before its time');
  };
  closeWithGrace(
    {
      delay: hardStopMs,
      logger: false,
      onTimeout: () => cutShort('timeout'),
      onSecondSignal: (signal) => cutShort(signal ?? 'signal'),
      onSecondError: (error) => cutShort('error', error),
    },
    async ({ signal, err }) => {
      if (err) logger.fatal({ event: 'service.crashed', err }, 'the service stops after an error');
      // After an error nothing that it serves can be relied on: it does not wait.
      const delayMs = err ? 0 : shutdown.delayMs;
      await stop(shutdown, signal, delayMs).catch((error) => {
        cutShort('error', error);
        throw error;
      });
    },
  );
}

async function stop(shutdown: Shutdown, signal: string | undefined, delayMs: number) {
  const { logger } = shutdown;
  shutdown.announce();
  logger.info({ event: 'service.stopping', signal, delayMs }, 'the service will stop');
  if (delayMs > 0) await sleep(delayMs);
  logger.info({ event: 'service.draining' }, 'no more connections are taken');
  const overdue = setTimeout(
    () => {
      logger.warn({ event: 'service.drain-cut' }, 'what is still not answered is cut off');
      shutdown.cut();
    },
    hardStopMs - releaseMs - delayMs,
  );
  await shutdown.drain();
  clearTimeout(overdue);
  logger.info({ event: 'service.drained' }, 'everything is answered');
  await shutdown.release();
  logger.info({ event: 'service.stopped' }, 'the service has stopped');
  await shutdown.output.flush();
}
