/** What of an error is logged. */
export interface ErrorDescription {
  readonly type: string;
  /** Only where it is known to quote nothing that a client sent. */
  readonly message?: string;
  readonly code?: string | number;
  /** Without the message, which stands before the frames. */
  readonly stack?: string;
  readonly cause?: ErrorDescription;
}

/**
 * Errors whose messages are Landfall's own, the database's or the system's. Those of the language quote
 * names and texts (`"…" is not valid JSON`), those of Zod and Prisma what they were given.
 */
const ownTypes =
  /^(Error|error|AggregateError|RequestProblem|NotReached|TooMuchWork|StartFault|ConfigError|JOSE\w*|JW\w+)$/;
/** Of what kinds' code came to, in Landfall's words: what that code itself threw is the cause. */
const ownFaults = /^(RecordLiftError|UpcastError)$/;
const plainName = /^[A-Za-z$_][\w$]{0,63}$/;
const maxMessage = 500;
const maxFrames = 20;
const maxFrame = 120;
const maxCauses = 2;

/**
 * Named fields only: a database error also carries `detail` and `where`, which quote the rows, and
 * errors of HTTP clients carry whole requests. All of it is bounded.
 */
export function describeError(error: unknown, causes = maxCauses): ErrorDescription {
  if (!(error instanceof Error)) return { type: typeof error, message: 'not an Error' };
  const { cause } = error;
  const type = plainName.test(error.name) ? error.name : 'Error';
  return {
    ...describeKindError(error),
    type,
    ...(ownTypes.test(error.name) && { message: cut(error.message, maxMessage) }),
    ...codeOf(error),
    ...(cause !== undefined && causes > 0 && { cause: describeError(cause, causes - 1) }),
  };
}

/** Of code that is not Landfall's, and that may put what it was given into whatever it throws. */
export function describeKindError(error: unknown, causes = maxCauses): ErrorDescription {
  if (!(error instanceof Error)) return { type: typeof error };
  // Its class is code, but its name can be set to anything.
  const { name } = error.constructor;
  const { cause } = error;
  const stack = framesOf(error);
  return {
    type: plainName.test(name) ? name : 'Error',
    ...(ownFaults.test(name) && { message: cut(error.message, maxMessage) }),
    ...(stack !== '' && { stack }),
    ...(cause !== undefined && causes > 0 && { cause: describeKindError(cause, causes - 1) }),
  };
}

function codeOf(error: Error): { readonly code?: string | number } {
  const code: unknown = Reflect.get(error, 'code');
  if (typeof code === 'number') return { code };
  return typeof code === 'string' && plainName.test(`_${code}`) ? { code } : {};
}

/** A message may have lines of its own. */
function framesOf(error: Error): string {
  const { name, message, stack } = error;
  if (typeof stack !== 'string') return '';
  const head = `${name}: ${message}`;
  const lines = (stack.startsWith(head) ? stack.slice(head.length) : stack).split('\n');
  const last = lines.findLastIndex((line) => !/^ {4}at /.test(line));
  const frames = lines.slice(last + 1, last + 1 + maxFrames);
  return frames.map((line) => cut(line.trim(), maxFrame)).join('\n');
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length).toWellFormed()}…` : text;
}
