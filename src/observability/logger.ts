import { type EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeError, describeForeignError } from './describe-error.ts';
import pino, { type DestinationStream, type LogFn, type Logger } from 'pino';

interface LoggerOptions {
  readonly level: string;
  /** For a person at a terminal, instead of JSON. */
  readonly pretty: boolean;
  /** Where the lines go; stdout by default. */
  readonly destination?: DestinationStream;
}

/** JSON lines to stdout. Each has an `event`; docs/operating.md lists them all. */
export function createLogger({ level, pretty, destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    hooks: { logMethod: withoutForeignMessage },
    // What the framework says by itself has no event name of its own.
    mixin: () => ({ event: 'framework' }),
    serializers: {
      err: (error: unknown) => describeError(error),
      fault: describeForeignError,
      // Fastify's own would log the URL, and with it the checkpoint.
      req: ({ method }: { method?: string }) => ({ method }),
      res: ({ statusCode }: { statusCode?: number }) => ({ statusCode }),
    },
  };
  if (pretty) {
    // pino-pretty runs in a worker, which takes no functions: the level's label is its own work.
    const { formatters: _none, ...plain } = options;
    const target = { target: 'pino-pretty', options: { ignore: 'reqId', singleLine: true } };
    return pino(plain, pino.transport(target));
  }
  return destination ? pino(options, destination) : pino(options);
}

/** Pino would take the message of an error that comes alone, whatever that message quotes. */
function withoutForeignMessage(this: Logger, args: Parameters<LogFn>, log: LogFn): void {
  const [first, ...rest]: readonly unknown[] = args;
  const isError = first instanceof Error || Object(first).err !== undefined;
  if (isError && rest.length === 0) log.call(this, first, 'an error');
  else log.apply(this, args);
}

/** Where nothing was on its way, nothing will say that it has arrived. */
const flushMs = 200;

/**
 * Resolves when the line that was logged just now is written: other threads write it, and
 * `process.exit` does not wait for them. Pino's own `flush` does not either.
 */
export async function flushed(logger: Logger): Promise<void> {
  const stream: EventEmitter = Reflect.get(logger, pino.symbols.streamSym);
  await Promise.race([once(stream, 'drain'), sleep(flushMs)]);
}

/** The same for who cannot wait for a promise: stands still instead. */
export function flushedSync(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, flushMs);
}
