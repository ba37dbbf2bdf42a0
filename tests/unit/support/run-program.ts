import type { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { vi } from 'vitest';
import type { CommandResult } from '../../testkit/processes/npm-script.ts';

const root = new URL('../../../', import.meta.url);
const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));

/** Programs add these listeners and rely on the end of their process to remove them. */
const listened: readonly (readonly [EventEmitter, string])[] = [
  [process, 'SIGINT'],
  [process, 'SIGTERM'],
  [process.stdout, 'error'],
];

/**
 * Runs the program of an npm script in this process, which takes some milliseconds. A program runs when its module is
 * imported.
 */
export async function runProgram(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<CommandResult> {
  const [program] = /\S+\.ts$/.exec(scripts[script] ?? '') ?? [];
  if (program === undefined) throw new Error(`package.json has no program for ${script}`);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      output[name] += String(text);
      return true;
    });
  }
  vi.spyOn(process, 'exit').mockImplementation((() => {}) as () => never);
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const { argv } = process;
  process.argv = [process.execPath, program, ...args];
  const before = listened.map(([emitter, event]) => new Set(emitter.listeners(event)));
  vi.resetModules();
  try {
    await import(new URL(program, root).href);
    return { code: Number(process.exitCode ?? 0), ...output };
  } finally {
    process.argv = argv;
    process.exitCode = undefined;
    for (const [at, [emitter, event]] of listened.entries()) {
      for (const listener of emitter.listeners(event)) {
        if (!before[at]?.has(listener)) emitter.off(event, listener as () => void);
      }
    }
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  }
}
