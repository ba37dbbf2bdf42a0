import { textOf } from '../oracle/bundled/write.ts';
import { entityKeyOf } from './puller.ts';

/** What can be compared of a record, wherever it stands. */
export interface Shown {
  readonly entityType: string;
  readonly entityId: string;
  readonly version: number;
  readonly deleted: boolean;
  readonly data: object | null;
}

export function byEntity<Some extends Shown>(records: readonly Some[]): ReadonlyMap<string, Some> {
  return new Map(records.map((record) => [entityKeyOf(record), record]));
}

export function isEqual(one: Shown | undefined, other: Shown | undefined): boolean {
  return tell(one) === tell(other);
}

/** The same words for what is equal. */
export function tell(record: Shown | undefined): string {
  if (!record) return 'nothing';
  const { version, deleted, data } = record;
  return `version ${version}${deleted ? ', deleted' : ''} ${textOf(data)}`;
}
