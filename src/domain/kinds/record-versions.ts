import type { z } from 'zod';
import { canonicalJson } from '../fingerprint.ts';
import { entityTypeRule, type StoredRecord } from '../record.ts';
import { assertFields, isEntityType } from './check-output.ts';
import type { Fields } from './intent.ts';
import { SchemaVersions } from './schema-versions.ts';

/** An entity type whose records' data has versions. */
export interface EntityType {
  readonly name: string;
  readonly data: SchemaVersions<object>;
}

/**
 * Gives the data of an entity type's records versions.
 *
 * @throws Error if the name is not a valid entity type, or `data` was not made by recordData
 */
export function entityType<Data extends object>(
  name: string,
  data: SchemaVersions<Data>,
): EntityType {
  if (!isEntityType(name)) throw new Error(`${JSON.stringify(name)} ${entityTypeRule}`);
  if (!(data instanceof SchemaVersions)) {
    throw new Error(`entity type ${name}: its data is not made by recordData(schema)`);
  }
  return { name, data };
}

/**
 * Starts the versions of a record's data with the data that the first kinds wrote. Later versions:
 * `recordData(v1).next(v2, (older) => …)`.
 */
export function recordData<Data extends object>(schema: z.ZodType<Data>): SchemaVersions<Data> {
  return SchemaVersions.first(schema);
}

export function entityTypeName(type: string | EntityType): string {
  return typeof type === 'string' ? type : type.name;
}

/** A step between two versions in which some fields disappear and others appear, as they do when one is renamed. */
export interface TypeRename {
  readonly gone: readonly string[];
  readonly came: readonly string[];
}

export type LiftResult =
  | {
      readonly ok: true;
      /** Canonical JSON. */
      readonly data: string | null;
      readonly dataVersion: number;
      readonly renamings: readonly TypeRename[];
    }
  | { readonly ok: false; readonly fault: Error };

/** A stored record that this server cannot read: the kinds have an error. */
export class RecordLiftError extends Error {
  override readonly name = 'RecordLiftError';
}

/** Converts records that were written in an older version of their type's data to the newest version. */
export class RecordLifter {
  readonly #types: ReadonlyMap<string, EntityType>;

  /** @param types the entity types whose data has versions, by name */
  constructor(types: ReadonlyMap<string, EntityType>) {
    this.#types = types;
  }

  /** 1 for an entity type without versions. */
  newestVersion(type: string): number {
    return this.#types.get(type)?.data.newest ?? 1;
  }

  isNewest(record: StoredRecord): boolean {
    return record.dataVersion === this.newestVersion(record.entityType);
  }

  lift(record: StoredRecord): LiftResult {
    const { entityType: type, data, dataVersion } = record;
    const newest = this.newestVersion(type);
    if (data === null) return { ok: true, data, dataVersion: newest, renamings: [] };
    try {
      const shapes = this.#shapesOf(type, dataVersion, JSON.parse(data));
      const lifted = canonicalJson(shapes.at(-1) ?? {});
      return { ok: true, data: lifted, dataVersion: newest, renamings: renamingsOf(shapes) };
    } catch (cause) {
      const what = `a record of ${type}, written in version ${dataVersion} of its data`;
      return { ok: false, fault: new RecordLiftError(`${what}, cannot be lifted`, { cause }) };
    }
  }

  /** The data as it is stored, as the schema of its version parses it, and then in each later version. */
  #shapesOf(type: string, dataVersion: number, stored: Fields): readonly Fields[] {
    const versions = this.#types.get(type)?.data;
    if (!versions || dataVersion > versions.newest) {
      throw new Error(`this server knows version ${versions?.newest ?? 1} and older ones`);
    }
    const parsed = versions.parse(dataVersion, stored);
    if (!parsed.success) throw new Error(versions.describe(dataVersion, parsed.error));
    const shapes = [stored, toFields(parsed.data)];
    for (let older = dataVersion; older < versions.newest; older += 1) {
      shapes.push(toFields(versions.lift(older, shapes.at(-1))));
    }
    return shapes;
  }
}

/** An optional field that an upcast copies may be undefined. Such a field is left out. */
function toFields(value: unknown): Fields {
  const entries = Object.entries(Object(value)).filter(([, child]) => child !== undefined);
  return assertFields(Object.fromEntries(entries));
}

function renamingsOf(shapes: readonly Fields[]): readonly TypeRename[] {
  return shapes.slice(1).flatMap((after, index) => {
    const before = shapes[index] ?? {};
    const gone = Object.keys(before).filter((name) => !Object.hasOwn(after, name));
    const came = Object.keys(after).filter((name) => !Object.hasOwn(before, name));
    return gone.length > 0 && came.length > 0 ? [{ gone, came }] : [];
  });
}

/**
 * A function that converts the records of one answer to the newest version of their data. A record that cannot be
 * converted stays as it is stored.
 *
 * @param onFault called for the first record that cannot be converted, so that a page writes one line to the log
 */
export function liftForReader(
  lifter: RecordLifter,
  onFault: (fault: Error) => void,
): <Stored extends StoredRecord>(record: Stored) => Stored {
  let isReported = false;
  return (record) => {
    if (lifter.isNewest(record)) return record;
    const lifted = lifter.lift(record);
    if (lifted.ok) return { ...record, data: lifted.data, dataVersion: lifted.dataVersion };
    if (!isReported) onFault(lifted.fault);
    isReported = true;
    return record;
  };
}
