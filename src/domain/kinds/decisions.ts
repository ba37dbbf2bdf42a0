import type { EntityRef } from '../record.ts';
import type { Decision, Fields, RecordWrite, Rejection } from './intent.ts';

/** Takes the event. Each record at most once, and only such as `reads` named. */
export function accept(...writes: readonly RecordWrite[]): Decision {
  return { accepted: true, writes };
}

/**
 * Refuses the event; nothing of it is stored. Whether it can be sent again is a property of the
 * code, in the kind's table of failures.
 */
export function reject(
  code: string,
  message: string,
  options: Pick<Rejection, 'retryAfterMs' | 'path'> = {},
): Decision {
  return { accepted: false, rejection: { code, message, ...options } };
}

/** Creates a record or replaces its data. */
export function putRecord({ entityType, entityId }: EntityRef, fields: Fields): RecordWrite {
  return { entityType, entityId, write: { policy: 'put', fields } };
}

/** Changes some fields of a record that is there. */
export function patchRecord({ entityType, entityId }: EntityRef, fields: Fields): RecordWrite {
  return { entityType, entityId, write: { policy: 'patch', fields } };
}

export function removeRecord({ entityType, entityId }: EntityRef): RecordWrite {
  return { entityType, entityId, write: { policy: 'remove' } };
}
