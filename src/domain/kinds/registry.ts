import type { KindFailures } from '../errors.ts';
import type { Kind } from './define-kind.ts';
import { type EntityType, RecordLifter } from './record-versions.ts';

export interface KindRegistry {
  readonly kinds: readonly Kind[];
  /** The failures of all kinds in one table. */
  readonly failures: KindFailures;
  /** The entity types whose data has versions. */
  readonly entityTypes: readonly EntityType[];
  readonly records: RecordLifter;
  find(name: string): Kind | undefined;
  /** The entity types of the kinds whose names start like the name of this kind, which is unknown. */
  entityTypesOfSameGroup(name: string): readonly string[];
}

/**
 * @throws Error, naming a kind, if two kinds have one name, give one code two meanings, define one entity type
 *   differently, or use policies on it that cannot be combined
 */
export function createRegistry(kinds: readonly Kind[]): KindRegistry {
  const byName = new Map<string, Kind>();
  for (const kind of kinds) {
    if (byName.has(kind.name)) throw new Error(`kind ${kind.name} is defined twice`);
    byName.set(kind.name, kind);
  }
  checkFamilies(kinds);
  const groups = groupEntityTypes(kinds);
  const entityTypes = collectEntityTypes(kinds);
  return {
    kinds,
    entityTypes: [...entityTypes.values()],
    records: new RecordLifter(entityTypes),
    failures: mergeFailures(kinds),
    find: (name) => byName.get(name),
    entityTypesOfSameGroup: (name) => groups.get(groupOf(name) ?? '') ?? [],
  };
}

function collectEntityTypes(kinds: readonly Kind[]): ReadonlyMap<string, EntityType> {
  const found = new Map<string, { readonly type: EntityType; readonly kind: Kind }>();
  for (const kind of kinds) {
    for (const type of kind.entityTypes) {
      const other = found.get(type.name);
      if (other && other.type !== type)
        throw new Error(twoDefinitions(type.name, kind, other.kind));
      found.set(type.name, { type, kind });
    }
  }
  for (const kind of kinds) {
    const { entityType, entityTypes } = kind;
    const other = found.get(entityType);
    const isVersioned = entityTypes.some(({ name }) => name === entityType);
    if (other && !isVersioned) throw new Error(twoDefinitions(entityType, kind, other.kind));
  }
  return new Map([...found].map(([name, { type }]) => [name, type]));
}

function twoDefinitions(entityType: string, one: Kind, other: Kind): string {
  const remedy = 'give both the value that entityType(…) returned';
  return `the kinds ${one.name} and ${other.name} define the entity type ${entityType} in two ways: ${remedy}`;
}

function groupEntityTypes(kinds: readonly Kind[]): ReadonlyMap<string, readonly string[]> {
  const types = new Map<string, Set<string>>();
  for (const { name, entityType } of kinds) {
    const group = groupOf(name);
    if (group === undefined) continue;
    types.set(group, (types.get(group) ?? new Set()).add(entityType));
  }
  return new Map([...types].map(([group, found]) => [group, [...found]]));
}

/** For example `note` of `note.put`; undefined for a name of one part. */
function groupOf(name: string): string | undefined {
  const end = name.search(/[.:/]/);
  return end > 0 ? name.slice(0, end) : undefined;
}

/** A fold of facts cannot be combined with last write wins, which may later replace the facts: see `append`. */
function checkFamilies(kinds: readonly Kind[]): void {
  const first = new Map<string, Kind>();
  for (const kind of kinds.filter(({ family }) => family !== 'decide')) {
    const other = first.get(kind.entityType) ?? kind;
    first.set(kind.entityType, other);
    if (other.family !== kind.family) {
      throw new Error(
        `kind ${kind.name} is ${kind.family}, but ${other.name} of the same entity type is ${other.family}`,
      );
    }
  }
}

function mergeFailures(kinds: readonly Kind[]): KindFailures {
  const owners = new Map<string, Kind>();
  for (const kind of kinds) {
    for (const [code, entry] of Object.entries(kind.failures)) {
      const other = owners.get(code);
      if (other && JSON.stringify(other.failures[code]) !== JSON.stringify(entry)) {
        throw new Error(`kind ${kind.name} gives ${code} another meaning than ${other.name}`);
      }
      owners.set(code, kind);
    }
  }
  return Object.assign({}, ...kinds.map(({ failures }) => failures));
}
