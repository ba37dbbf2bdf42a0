import { setTimeout as sleep } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';
import type { Logger } from 'pino';
import type { LogOutput } from '../observability/log-output.ts';

export interface Shutdown {
  readonly logger: Logger;
  /** The destination of the logger. It is flushed before the process exits. */
  readonly output: LogOutput;
  /** The time between the first phase and the second, in milliseconds. The load balancer needs it to notice. */
  readonly delayMs: number;
  /** After this call, /readyz answers 503. All other requests are still served. */
  readonly announce: () => void;
  /** Stops accepting connections. Resolves when all requests in progress are answered. */
  readonly drain: () => Promise<unknown>;
  /** Closes the remaining connections, so that `drain` resolves. */
  readonly cut: () => void;
  /** Closes the connection pool and stops the embedded database. */
  readonly release: () => Promise<unknown>;
}

/** The maximum time of a shutdown. The process exits after it in any case. */
const hardStopMs = 30_000;
/** The part of that time that is reserved for the phases after the drain. */
const releaseMs = 3_000;

/**
 * Stops the service in phases at the first signal: announce, wait, drain, release. The exit code is 0. It is 1
 * after an uncaught error, after a second signal, and if the shutdown takes too long.
 */
export function stopOnSignal(shutdown: Shutdown): void {
  const { logger } = shutdown;
  const cutShort = (reason: string, err?: unknown) => {
    logger.error({ event: 'service.cut-short', reason, err }, 'the shutdown was cut short');
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
      // After an uncaught error the service does not wait, because its answers are no longer reliable.
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
  logger.info({ event: 'service.draining' }, 'the service accepts no more connections');
  const overdue = setTimeout(
    () => {
      logger.warn(
        { event: 'service.drain-cut' },
        'connections with unanswered requests are cut off',
      );
      shutdown.cut();
    },
    hardStopMs - releaseMs - delayMs,
  );
  await shutdown.drain();
  clearTimeout(overdue);
  logger.info({ event: 'service.drained' }, 'all requests are answered');
  await shutdown.release();
  logger.info({ event: 'service.stopped' }, 'the service has stopped');
  await shutdown.output.flush();
}
