import { bundledKinds } from '../systems/bundled.ts';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Kind } from '../domain/kinds/define-kind.ts';
import { createRegistry, type KindRegistry } from '../domain/kinds/registry.ts';

/** The file with the kinds cannot be used. The message names the file, and the kind at fault. */
export class KindsFileError extends Error {
  override readonly name = 'KindsFileError';
}

/**
 * Loads the kinds of the service: the default export of a module, or the bundled kinds.
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
    // The assertion is safe: `findFault` has checked each item.
    return createRegistry(exported as readonly Kind[]);
  } catch (error) {
    throw fail(`cannot be used: ${describe(error)}`, error);
  }
}

async function importDefault(path: string): Promise<unknown> {
  const module: { readonly default?: unknown } = await import(pathToFileURL(path).href);
  return module.default;
}

/** Checks the shape and not the class, because the file may import its own copy of Landfall. */
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
  const location = locationOf(error);
  return location === undefined ? error.message : `${error.message} (${location})`;
}

/** The first line of the stack that is in the author's own file, not in Landfall or in a package. */
function locationOf({ stack = '' }: Error): string | undefined {
  const landfall = new URL('../', import.meta.url).href;
  const locations = stack.match(/file:\/\/\/[^\s()]+?:\d+/g) ?? [];
  const location = locations.find(
    (url) => !url.startsWith(landfall) && !url.includes('/node_modules/'),
  );
  return location && fileURLToPath(location);
}
