import type { PullAnswer } from '../../../src/protocol/pull.ts';
import type { SyncRecord } from '../../../src/protocol/record.ts';
import { entityKeyOf } from '../oracle/entity-key.ts';

/** A client's copy of the live records, by entity. */
export type RecordTable = ReadonlyMap<string, SyncRecord>;

/** What a client has pulled so far, and the checkpoint from which it continues. */
export interface Puller {
  readonly table: RecordTable;
  readonly since: string | undefined;
  /** The version up to which the client has all changes. */
  readonly version: number;
  /** Applies one page. @returns what is wrong with the page itself */
  apply(page: PullAnswer, limit: number): readonly string[];
}

/** @param start the state of another client, from which this one continues */
export function createPuller(start?: Pick<Puller, 'table' | 'since' | 'version'>): Puller {
  const table = new Map(start?.table);
  let since = start?.since;
  let version = start?.version ?? 0;
  return {
    table,
    get since() {
      return since;
    },
    get version() {
      return version;
    },
    apply(page, limit) {
      const faults = faultsOf(page, limit, version);
      for (const record of page.changes) {
        if (record.deleted) table.delete(entityKeyOf(record));
        else table.set(entityKeyOf(record), record);
      }
      since = page.checkpoint;
      version = page.position - 1;
      return faults;
    },
  };
}

/** @param pulled the version up to which the client has all changes */
function faultsOf(page: PullAnswer, limit: number, pulled: number): string[] {
  const versions = page.changes.map(({ version }) => version);
  const [least = Infinity, most = pulled] = [versions[0], versions.at(-1)];
  const end = page.position - 1;
  const entities = new Set(page.changes.map(entityKeyOf));
  return [
    versions.some((version, index) => version < (versions[index - 1] ?? 0)) &&
      'is not in version order',
    entities.size < versions.length && 'holds an entity twice',
    least <= pulled && `holds version ${least}, which the client at ${pulled} has seen`,
    end < most && `ends at ${end} and holds version ${most}`,
    end < pulled && `goes back from ${pulled} to ${end}`,
    page.hasMore && versions.length < limit && `is short (${versions.length} of ${limit})`,
  ].filter((fault) => fault !== false);
}
