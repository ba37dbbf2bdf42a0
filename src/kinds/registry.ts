import type { Kind } from './define-kind.ts';
import { notePatch, notePut, noteRemove } from './notes/note.ts';

/** The kinds that come with Landfall. */
export const bundledKinds: readonly Kind[] = [notePut, notePatch, noteRemove];

export interface KindRegistry {
  readonly kinds: readonly Kind[];
  readonly entityTypes: ReadonlySet<string>;
  find(name: string): Kind | undefined;
}

/** @throws Error where two kinds share a name */
export function createRegistry(kinds: readonly Kind[]): KindRegistry {
  const byName = new Map<string, Kind>();
  for (const kind of kinds) {
    if (byName.has(kind.name)) throw new Error(`kind ${kind.name} is defined twice`);
    byName.set(kind.name, kind);
  }
  return {
    kinds,
    entityTypes: new Set(kinds.map((kind) => kind.entityType)),
    find: (name) => byName.get(name),
  };
}
