import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';

/** The arguments are wrong. The message is one line, and the usage is printed after it. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Command<Options extends ParseArgsOptionsConfig = ParseArgsOptionsConfig> {
  readonly usage: string;
  readonly options: Options;
  /** The maximum of arguments besides the options. 0 by default. */
  readonly maxWords?: number;
}

export type Values<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: Options; strict: true }>
>['values'];

/**
 * Runs the command of this process. With `--help` it prints the usage on stdout, and the exit code is 0. Wrong
 * arguments are reported on stderr with the usage, and the exit code is 2. Any other error is reported on
 * stderr, and the exit code is 1.
 */
export async function runCommand<const Options extends ParseArgsOptionsConfig>(
  command: Command<Options>,
  main: (values: Values<Options>, words: readonly string[]) => Promise<void> | void,
): Promise<void> {
  // The reader of stdout may stop reading, as `head` does. The command still finishes its work.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') fail(error);
  });
  const args = process.argv.slice(2);
  if (isHelpRequested(args)) {
    process.stdout.write(`${command.usage}\n`);
    return;
  }
  try {
    const { values, positionals } = readArguments(command, args);
    await main(values, positionals);
  } catch (error) {
    fail(error);
    if (!(error instanceof UsageError)) return;
    process.stderr.write(`${command.usage}\n`);
    process.exitCode = 2;
  }
}

/** Prints the message of the error on stderr, without its stack, and sets the exit code 1. */
export function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

function isHelpRequested(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end < 0 ? undefined : end).some((arg) => arg === '--help' || arg === '-h');
}

function readArguments<Options extends ParseArgsOptionsConfig>(
  { options, maxWords = 0 }: Command<Options>,
  args: string[],
) {
  const { values, positionals, tokens } = parse(args, options);
  if (positionals.length > maxWords) {
    throw new UsageError(`${JSON.stringify(positionals[maxWords])} is not expected here`);
  }
  const givenOptions = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== 'option' || options[token.name]?.multiple === true) continue;
    if (givenOptions.has(token.name)) throw new UsageError(`--${token.name} is given twice`);
    givenOptions.add(token.name);
  }
  return { values, positionals };
}

function parse<Options extends ParseArgsOptionsConfig>(args: string[], options: Options) {
  try {
    return parseArgs({ args, options, strict: true, allowPositionals: true, tokens: true });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // The further sentences are about arguments that begin with a hyphen.
    throw new UsageError(error.message.split(/[.\n]/, 1)[0], { cause: error });
  }
}
