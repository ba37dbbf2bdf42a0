import { createRequire } from 'node:module';
import pino, { type LogFn, type Logger } from 'pino';
import { createLogOutput, type LogDestination } from './log-output.ts';

interface LoggerOptions {
  readonly level: string;
  /** Whether lines are formatted for a terminal, instead of JSON. */
  readonly pretty: boolean;
  /** The destination of the lines. stdout by default. */
  readonly destination?: LogDestination;
}

/** Writes JSON lines to stdout. Each line has an `event`. docs/log-reference.md lists all events. */
export function createLogger(options: LoggerOptions): Logger {
  const { level, pretty, destination = createLogOutput() } = options;
  const print = pretty ? findPrettyPrinter() : undefined;
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label: string) => ({ level: label }) },
      hooks: { logMethod: replaceErrorMessage },
      // Fastify's own lines have no event name.
      mixin: () => ({ event: 'framework' }),
      serializers: {
        err: (error: unknown) => describeError(error),
        fault: (error: unknown) => describeKindError(error),
        // Fastify's own serializer would log the URL, which has the checkpoint.
        req: ({ method }: { method?: string }) => ({ method }),
        res: ({ statusCode }: { statusCode?: number }) => ({ statusCode }),
      },
    },
    { write: (line: string) => destination.write(print ? print(line) : line) },
  );
  destination.onLost?.((lines) =>
    logger.warn({ event: 'log.lost', lines }, 'lines of the log were lost'),
  );
  return logger;
}

/** Undefined if the printer is not installed: it is a development dependency. */
function findPrettyPrinter(): ((line: string) => string) | undefined {
  try {
    const { prettyFactory } = createRequire(import.meta.url)('pino-pretty');
    return prettyFactory({ ignore: 'reqId', singleLine: true });
  } catch {
    return undefined;
  }
}

/** If an error is logged without a message, Pino would use the error's message, which may quote client data. */
function replaceErrorMessage(this: Logger, args: Parameters<LogFn>, log: LogFn): void {
  const [first, ...rest]: readonly unknown[] = args;
  const isError = first instanceof Error || Object(first).err !== undefined;
  if (isError && rest.length === 0) log.call(this, first, 'an error');
  else log.apply(this, args);
}

/** The logged fields of an error. */
interface ErrorDescription {
  readonly type: string;
  /** Set only if the message cannot quote client data. */
  readonly message?: string;
  readonly code?: string | number;
  /** The frames, without the message. */
  readonly stack?: string;
  readonly cause?: ErrorDescription;
}

/**
 * The names of errors whose messages come from Landfall, the database or the operating system. Errors of the
 * language quote their input (`"…" is not valid JSON`), and so do errors of Zod and Prisma.
 */
const safeErrorNames =
  /^(Error|error|AggregateError|RequestProblem|StatementSkippedError|WorkLimitError|StartError|ConfigError|JOSE\w*|JW\w+)$/;
/** Landfall's own errors for a failure of a kind's code. Their cause is what that code threw. */
const safeKindErrorNames = /^(RecordLiftError|UpcastError)$/;
const plainName = /^[A-Za-z$_][\w$]{0,63}$/;
const maxMessageLength = 500;
const maxFrames = 20;
const maxFrameLength = 120;
const maxCauses = 2;

/**
 * Describes an error by these fields only. A database error also has `detail` and `where`, which quote rows,
 * and an error of an HTTP client has the whole request. Every field is bounded.
 */
function describeError(error: unknown, causes = maxCauses): ErrorDescription {
  if (!(error instanceof Error)) return { type: typeof error, message: 'not an Error' };
  const { cause } = error;
  const type = plainName.test(error.name) ? error.name : 'Error';
  return {
    ...describeKindError(error),
    type,
    ...(safeErrorNames.test(error.name) && { message: cut(error.message, maxMessageLength) }),
    ...codeOf(error),
    ...(cause !== undefined && causes > 0 && { cause: describeError(cause, causes - 1) }),
  };
}

/** Describes an error of a kind's code, without its message: that code may quote client data. */
function describeKindError(error: unknown, causes = maxCauses): ErrorDescription {
  if (!(error instanceof Error)) return { type: typeof error };
  // The name of the class is safe. The `name` of the error can be any text.
  const { name } = error.constructor;
  const { cause } = error;
  const stack = framesOf(error);
  return {
    type: plainName.test(name) ? name : 'Error',
    ...(safeKindErrorNames.test(name) && { message: cut(error.message, maxMessageLength) }),
    ...(stack !== '' && { stack }),
    ...(cause !== undefined && causes > 0 && { cause: describeKindError(cause, causes - 1) }),
  };
}

function codeOf(error: Error): { readonly code?: string | number } {
  const code: unknown = Reflect.get(error, 'code');
  if (typeof code === 'number') return { code };
  return typeof code === 'string' && plainName.test(`_${code}`) ? { code } : {};
}

/** The frames of the stack. The message before them can have several lines. */
function framesOf(error: Error): string {
  const { name, message, stack } = error;
  if (typeof stack !== 'string') return '';
  const head = `${name}: ${message}`;
  const lines = (stack.startsWith(head) ? stack.slice(head.length) : stack).split('\n');
  const lastMessageLine = lines.findLastIndex((line) => !/^ {4}at /.test(line));
  const frames = lines.slice(lastMessageLine + 1).slice(0, maxFrames);
  return frames.map((line) => cut(line.trim(), maxFrameLength)).join('\n');
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length).toWellFormed()}…` : text;
}
