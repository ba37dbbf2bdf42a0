import { createRequire } from 'node:module';
import pino, { type Logger } from 'pino';
import { createOutput, type LogDestination } from './output.ts';

interface LoggerOptions {
  readonly level: string;
  /** For a person at a terminal, instead of JSON. */
  readonly pretty: boolean;
  /** Where the lines go; stdout by default. */
  readonly destination?: LogDestination;
}

/** JSON lines to stdout. Each has an `event`; docs/operating.md lists them all. */
export function createLogger(options: LoggerOptions): Logger {
  const { level, pretty, destination = createOutput() } = options;
  const print = pretty ? findPrettyPrinter() : undefined;
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label: string) => ({ level: label }) },
      // What the framework says by itself has no event name of its own.
      mixin: () => ({ event: 'framework' }),
      serializers: {
        err: describeError,
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

interface ErrorDescription {
  readonly type: string;
  readonly message: string;
  readonly code?: unknown;
  readonly stack?: string;
  readonly cause?: ErrorDescription;
}

/**
 * Named fields only: a database error also carries `detail` and `where`, which quote the rows, and
 * errors of HTTP clients carry whole requests.
 */
function describeError(error: unknown): ErrorDescription {
  if (!(error instanceof Error)) return { type: typeof error, message: 'not an Error' };
  return {
    type: error.name,
    message: error.message,
    ...('code' in error && { code: error.code }),
    ...(error.stack !== undefined && { stack: error.stack }),
    ...(error.cause !== undefined && { cause: describeError(error.cause) }),
  };
}
