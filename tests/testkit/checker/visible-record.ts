import { sortedJson } from '../oracle/bundled/apply-write.ts';
import { entityKeyOf } from '../oracle/entity-key.ts';

/** The fields of a record that the server, the clients and the reference model share. */
export interface VisibleRecord {
  readonly entityType: string;
  readonly entityId: string;
  readonly version: number;
  readonly deleted: boolean;
  readonly data: object | null;
}

export function recordsByEntity<Some extends VisibleRecord>(
  records: readonly Some[],
): ReadonlyMap<string, Some> {
  return new Map(records.map((record) => [entityKeyOf(record), record]));
}

export function isSameRecord(
  one: VisibleRecord | undefined,
  other: VisibleRecord | undefined,
): boolean {
  return describeRecord(one) === describeRecord(other);
}

/** A text for people, which is the same for equal records. */
export function describeRecord(record: VisibleRecord | undefined): string {
  if (!record) return 'nothing';
  const { version, deleted, data } = record;
  return `version ${version}${deleted ? ', deleted' : ''} ${sortedJson(data)}`;
}
