import { createRequire } from 'node:module';
import pino, { type LogFn, type Logger } from 'pino';
import { describeError, describeKindError } from './describe-error.ts';
import { createLogOutput, type LogDestination } from './log-output.ts';

interface LoggerOptions {
  readonly level: string;
  /** For a person at a terminal, instead of JSON. */
  readonly pretty: boolean;
  /** Where the lines go; stdout by default. */
  readonly destination?: LogDestination;
}

/** JSON lines to stdout. Each has an `event`; docs/operating.md lists them all. */
export function createLogger(options: LoggerOptions): Logger {
  const { level, pretty, destination = createLogOutput() } = options;
  const print = pretty ? findPrettyPrinter() : undefined;
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label: string) => ({ level: label }) },
      hooks: { logMethod: withoutForeignMessage },
      // What the framework says by itself has no event name of its own.
      mixin: () => ({ event: 'framework' }),
      serializers: {
        err: (error: unknown) => describeError(error),
        fault: (error: unknown) => describeKindError(error),
        // Fastify's own would log the URL, and with it the checkpoint.
        req: ({ method }: { method?: string }) => ({ method }),
        res: ({ statusCode }: { statusCode?: number }) => ({ statusCode }),
      },
    },
    { write: (line: string) => destination.write(print ? print(line) : line) },
  );
  destination.onLost?.((lines) =>
    logger.warn({ event: 'log.lost', lines }, 'nobody took these lines of the log'),
  );
  return logger;
}

/** Undefined where the printer, a package of development, is not installed. */
function findPrettyPrinter(): ((line: string) => string) | undefined {
  try {
    const { prettyFactory } = createRequire(import.meta.url)('pino-pretty');
    return prettyFactory({ ignore: 'reqId', singleLine: true });
  } catch {
    return undefined;
  }
}

/** Pino would take the message of an error that comes alone, whatever that message quotes. */
function withoutForeignMessage(this: Logger, args: Parameters<LogFn>, log: LogFn): void {
  const [first, ...rest]: readonly unknown[] = args;
  const isError = first instanceof Error || Object(first).err !== undefined;
  if (isError && rest.length === 0) log.call(this, first, 'an error');
  else log.apply(this, args);
}
