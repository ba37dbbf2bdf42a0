import type { PullAnswer } from '../../src/protocol/pull.ts';
import type { EntityRef, Record } from '../../src/protocol/record.ts';

/** One text for each entity, to be read by people too. */
export const entityKeyOf = ({ entityType, entityId }: EntityRef) => `${entityType} ${entityId}`;

/** Live records by entity, as a client keeps them. */
export type Table = ReadonlyMap<string, Record>;

/** What a client pulled so far, and where it goes on. */
export interface Puller {
  readonly table: Table;
  readonly since: string | undefined;
  readonly position: number;
  /** Applies one page. @returns what is wrong with the page itself */
  apply(page: PullAnswer, limit: number): readonly string[];
}

/** @param start where another client was */
export function createPuller(start?: Pick<Puller, 'table' | 'since' | 'position'>): Puller {
  const table = new Map(start?.table);
  let since = start?.since;
  let position = start?.position ?? 0;
  return {
    table,
    get since() {
      return since;
    },
    get position() {
      return position;
    },
    apply(page, limit) {
      const faults = faultsOf(page, limit, position);
      for (const record of page.changes) {
        if (record.deleted) table.delete(entityKeyOf(record));
        else table.set(entityKeyOf(record), record);
      }
      since = page.checkpoint;
      position = page.position;
      return faults;
    },
  };
}

function faultsOf(page: PullAnswer, limit: number, position: number): string[] {
  const versions = page.changes.map(({ version }) => version);
  const [least = Infinity, most = position] = [versions[0], versions.at(-1)];
  const entities = new Set(page.changes.map(entityKeyOf));
  return [
    versions.some((version, at) => version < (versions[at - 1] ?? 0)) && 'is not in version order',
    entities.size < versions.length && 'holds an entity twice',
    least <= position && `holds version ${least}, which the client at ${position} has seen`,
    page.position < most && `ends at ${page.position} and holds version ${most}`,
    page.position < position && `goes back from ${position} to ${page.position}`,
    page.hasMore && versions.length < limit && `is short (${versions.length} of ${limit})`,
  ].filter((fault) => fault !== false);
}
