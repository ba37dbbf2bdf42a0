import { canonicalJson } from '../canonical-json.ts';
import type { StoredRecord } from '../record.ts';
import { assertFields } from './check-output.ts';
import type { EntityType } from './entity-type.ts';
import type { Fields } from './intent.ts';

/** A step between two versions in which fields are gone and others came: as they do by a new name. */
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

/** A stored record that this server cannot read: a fault of the kinds. */
export class RecordLiftError extends Error {
  override readonly name = 'RecordLiftError';
}

/** Brings records that were written in an older version of their type's data to the newest. */
export class RecordLifter {
  readonly #types: ReadonlyMap<string, EntityType>;

  /** @param types those that have versions of their data, by their name */
  constructor(types: ReadonlyMap<string, EntityType>) {
    this.#types = types;
  }

  /** Of a type without versions 1. */
  newestVersion(entityType: string): number {
    return this.#types.get(entityType)?.data.newest ?? 1;
  }

  isNewest({ entityType, dataVersion }: StoredRecord): boolean {
    return dataVersion === this.newestVersion(entityType);
  }

  lift({ entityType, data, dataVersion }: StoredRecord): LiftResult {
    const newest = this.newestVersion(entityType);
    if (data === null) return { ok: true, data, dataVersion: newest, renamings: [] };
    try {
      const shapes = this.#shapesOf(entityType, dataVersion, JSON.parse(data));
      const lifted = canonicalJson(shapes.at(-1) ?? {});
      return { ok: true, data: lifted, dataVersion: newest, renamings: renamingsOf(shapes) };
    } catch (cause) {
      const what = `a record of ${entityType}, written in version ${dataVersion} of its data`;
      return { ok: false, fault: new RecordLiftError(`${what}, cannot be lifted`, { cause }) };
    }
  }

  /** As it is stored, as the schema of its version reads it, and what each later version made of that. */
  #shapesOf(entityType: string, dataVersion: number, stored: Fields): readonly Fields[] {
    const versions = this.#types.get(entityType)?.data;
    if (!versions || dataVersion > versions.newest) {
      throw new Error(`this server knows version ${versions?.newest ?? 1} and older ones`);
    }
    const parsed = versions.parse(dataVersion, stored);
    if (!parsed.success) throw new Error(versions.describe(dataVersion, parsed.error));
    const shapes = [stored, fieldsOf(parsed.data)];
    for (let older = dataVersion; older < versions.newest; older += 1) {
      shapes.push(fieldsOf(versions.lift(older, shapes.at(-1))));
    }
    return shapes;
  }
}

/** An optional field that an upcast hands on may be undefined: then it is not there. */
function fieldsOf(value: unknown): Fields {
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
 * How one answer shows records: in the newest version, and as it is stored where that cannot be.
 *
 * @param onFault told of the first that cannot be, so that a page of them is one line of the log
 */
export function liftForReader(
  lifter: RecordLifter,
  onFault: (fault: Error) => void,
): <Stored extends StoredRecord>(record: Stored) => Stored {
  let isTold = false;
  return (record) => {
    if (lifter.isNewest(record)) return record;
    const lifted = lifter.lift(record);
    if (lifted.ok) return { ...record, data: lifted.data, dataVersion: lifted.dataVersion };
    if (!isTold) onFault(lifted.fault);
    isTold = true;
    return record;
  };
}
