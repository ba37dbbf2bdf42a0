import type { EntityRef } from '../../../src/domain/record.ts';
import type { PullAnswer } from '../../../src/protocol/pull.ts';
import type { SyncRecord } from '../../../src/protocol/record.ts';

/** One text for each entity, to be read by people too. */
export const entityKeyOf = ({ entityType, entityId }: EntityRef) => `${entityType} ${entityId}`;

/** Live records by entity, as a client keeps them. */
export type Table = ReadonlyMap<string, SyncRecord>;

/** What a client pulled so far, and where it goes on. */
export interface Puller {
  readonly table: Table;
  readonly since: string | undefined;
  /** The version up to which it has seen all. */
  readonly version: number;
  /** Applies one page. @returns what is wrong with the page itself */
  apply(page: PullAnswer, limit: number): readonly string[];
}

/** @param start where another client was */
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

function faultsOf(page: PullAnswer, limit: number, seen: number): string[] {
  const versions = page.changes.map(({ version }) => version);
  const [least = Infinity, most = seen] = [versions[0], versions.at(-1)];
  const end = page.position - 1;
  const entities = new Set(page.changes.map(entityKeyOf));
  return [
    versions.some((version, at) => version < (versions[at - 1] ?? 0)) && 'is not in version order',
    entities.size < versions.length && 'holds an entity twice',
    least <= seen && `holds version ${least}, which the client at ${seen} has seen`,
    end < most && `ends at ${end} and holds version ${most}`,
    end < seen && `goes back from ${seen} to ${end}`,
    page.hasMore && versions.length < limit && `is short (${versions.length} of ${limit})`,
  ].filter((fault) => fault !== false);
}
