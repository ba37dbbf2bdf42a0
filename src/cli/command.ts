import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';

/** What was typed is wrong. The message says how, in one line; the usage follows it. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Command<Options extends ParseArgsOptionsConfig = ParseArgsOptionsConfig> {
  readonly usage: string;
  readonly options: Options;
  /** How many words may stand beside the options; none by default. */
  readonly maxWords?: number;
}

export type Values<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: Options; strict: true }>
>['values'];

/**
 * Runs the command that this process was started for. `--help` prints the usage on stdout, exit code 0.
 * What is typed wrong is refused on stderr with the usage, exit code 2. Any other error is its message on
 * stderr, exit code 1.
 */
export async function runCommand<const Options extends ParseArgsOptionsConfig>(
  command: Command<Options>,
  main: (values: Values<Options>, words: readonly string[]) => Promise<void> | void,
): Promise<void> {
  // Whoever reads along may stop reading, as head does: the work goes on to its end.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') fail(error);
  });
  const args = process.argv.slice(2);
  if (asksForHelp(args)) {
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

/** A message without a stack on stderr, and exit code 1. */
export function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

function asksForHelp(args: readonly string[]): boolean {
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
  const named = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== 'option' || options[token.name]?.multiple === true) continue;
    if (named.has(token.name)) throw new UsageError(`--${token.name} stands twice`);
    named.add(token.name);
  }
  return { values, positionals };
}

function parse<Options extends ParseArgsOptionsConfig>(args: string[], options: Options) {
  try {
    return parseArgs({ args, options, strict: true, allowPositionals: true, tokens: true });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // What follows the first sentence is about words that begin with a hyphen.
    throw new UsageError(error.message.split(/[.\n]/, 1)[0], { cause: error });
  }
}
