import type { PullAnswer } from '../../../src/protocol/pull.ts';
import type { SyncRecord } from '../../../src/protocol/record.ts';
import { entityKeyOf } from '../oracle/entity-key.ts';

/** A client's copy of the live records, by entity. */
export type RecordTable = ReadonlyMap<string, SyncRecord>;

/** What a client has pulled so far, and the checkpoint from which it continues. */
export interface Puller {
  readonly table: RecordTable;
  readonly since: string | undefined;
  /** The version up to which the client has all changes. 0 during a bootstrap. */
  readonly version: number;
  /** The last record of the bootstrap so far. Null once the bootstrap is over. */
  readonly bootstrap: BootstrapProgress | null;
  /** Applies one page. @returns what is wrong with the page itself */
  apply(page: PullAnswer, limit: number): readonly string[];
}

export interface BootstrapProgress {
  /** The entity of the last record; empty before the first. */
  readonly last: string;
  /** The newest version so far. */
  readonly most: number;
}

/** @param start the state of another client, from which this one continues */
export function createPuller(
  start?: Pick<Puller, 'table' | 'since' | 'version' | 'bootstrap'>,
): Puller {
  const table = new Map(start?.table);
  let since = start?.since;
  let version = start?.version ?? 0;
  let bootstrap = start ? start.bootstrap : { last: '', most: 0 };
  return {
    table,
    get since() {
      return since;
    },
    get version() {
      return version;
    },
    get bootstrap() {
      return bootstrap;
    },
    apply(page, limit) {
      const faults = bootstrap
        ? faultsOfBootstrap(page, limit, bootstrap)
        : faultsOfChanges(page, limit, version);
      for (const record of page.changes) {
        if (record.deleted) table.delete(entityKeyOf(record));
        else table.set(entityKeyOf(record), record);
      }
      since = page.checkpoint;
      version = page.position - 1;
      bootstrap = bootstrap && isWithinBootstrap(page) ? progressAfter(page, bootstrap) : null;
      return faults;
    },
  };
}

/** Whether more records of a bootstrap follow: it has seen all up to no version yet. */
function isWithinBootstrap({ hasMore, position }: PullAnswer): boolean {
  return hasMore && position === 1;
}

function progressAfter({ changes }: PullAnswer, before: BootstrapProgress): BootstrapProgress {
  const last = changes.at(-1);
  return {
    last: last ? entityKeyOf(last) : before.last,
    most: Math.max(before.most, ...changes.map(({ version }) => version)),
  };
}

/** A bootstrap has the live records in the order of their keys. */
function faultsOfBootstrap(page: PullAnswer, limit: number, before: BootstrapProgress): string[] {
  const keys = page.changes.map(entityKeyOf);
  const { most } = progressAfter(page, before);
  const end = page.position - 1;
  const isWithin = isWithinBootstrap(page);
  return [
    keys.some((key, index) => !isLaterKey(key, keys[index - 1] ?? before.last)) &&
      'is not in the order of keys',
    page.changes.some(({ deleted }) => deleted) && 'holds a tombstone',
    !isWithin && end < most && `ends the bootstrap at ${end} and holds version ${most}`,
    isWithin && keys.length < limit && `is short (${keys.length} of ${limit})`,
  ].filter((fault) => fault !== false);
}

/** PostgreSQL compares the bytes, entity type first: no entity type contains a character before the blank. */
function isLaterKey(key: string, other: string): boolean {
  return Buffer.compare(Buffer.from(key), Buffer.from(other)) > 0;
}

/** @param pulled the version up to which the client has all changes */
function faultsOfChanges(page: PullAnswer, limit: number, pulled: number): string[] {
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
