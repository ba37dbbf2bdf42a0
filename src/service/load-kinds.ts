import { bundledKinds } from '../systems/bundled.ts';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Kind } from '../domain/kinds/define-kind.ts';
import { createRegistry, type KindRegistry } from '../domain/kinds/registry.ts';

/** The kinds that an operator named cannot be used. The message names the file, and the kind. */
export class KindsFileError extends Error {
  override readonly name = 'KindsFileError';
}

/**
 * The kinds of the service: the default export of a module, else those that come with Landfall.
 *
 * @param file relative to the working directory; undefined for the bundled kinds
 * @throws KindsFileError
 */
export async function loadKinds(file: string | undefined): Promise<KindRegistry> {
  if (file === undefined) return createRegistry(bundledKinds);
  const path = resolve(file);
  const fail = (fault: string, cause?: unknown) =>
    new KindsFileError(`KINDS: ${path} ${fault}`, { cause });
  if (!existsSync(path)) throw fail('does not exist');
  const exported = await importDefault(path).catch((error) => {
    throw fail(`cannot be loaded: ${describe(error)}`, error);
  });
  const fault = findFault(exported);
  if (fault !== undefined) throw fail(fault);
  try {
    // Sound: findFault looked at each.
    return createRegistry(exported as readonly Kind[]);
  } catch (error) {
    throw fail(`cannot be used: ${describe(error)}`, error);
  }
}

async function importDefault(path: string): Promise<unknown> {
  const module: { readonly default?: unknown } = await import(pathToFileURL(path).href);
  return module.default;
}

/** By shape, not by class: the file may have its own copy of Landfall. */
function findFault(exported: unknown): string | undefined {
  if (exported === undefined) return 'has no default export: write `export default [ … ]`';
  if (!Array.isArray(exported)) return 'does not export a list of kinds as its default';
  if (exported.length === 0) return 'exports an empty list';
  for (const [index, item] of exported.entries()) {
    const fault = findKindFault(item);
    if (fault !== undefined) return `exports as item ${index + 1} ${fault}`;
  }
  return undefined;
}

function findKindFault(item: unknown): string | undefined {
  const { name, interpret }: Partial<Kind> = Object(item);
  if (typeof interpret === 'function') return undefined;
  const label = typeof name === 'string' ? `kind ${JSON.stringify(name)}` : 'something';
  return `${label} that defineKind did not make`;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place = placeOf(error);
  return place === undefined ? error.message : `${error.message} (${place})`;
}

/** Where the author has to look: what in the stack is neither Landfall's own nor a package's. */
function placeOf({ stack = '' }: Error): string | undefined {
  const own = new URL('../', import.meta.url).href;
  const places = stack.match(/file:\/\/\/[^\s()]+?:\d+/g) ?? [];
  const place = places.find((url) => !url.startsWith(own) && !url.includes('/node_modules/'));
  return place && fileURLToPath(place);
}
