import type { Conflict, ConflictsAnswer } from '../src/protocol/conflict.ts';
import type { SendRequest } from '../tests/testkit/network/send-request.ts';
import type { EventPayload } from '../tests/testkit/oracle/bundled/requested-changes.ts';
import type { FieldValues } from '../tests/testkit/oracle/last-write-wins.ts';
import type { Random } from '../tests/testkit/workload/random.ts';

/** A request to resolve a conflict, with its answer. */
export interface ConflictResolution {
  /** The identityKey of the event that met the conflict. */
  readonly identityKey: string;
  readonly device: string;
  readonly resolution: 'discard' | 'force' | 'merge';
  /** The payload of a merge. */
  readonly payload?: EventPayload;
  /** The HTTP status of the answer; 0 without an answer, where the service may have resolved the conflict. */
  readonly status: number;
}

/**
 * Resolves one of the tenant's open conflicts in a random way.
 *
 * @returns undefined where there is none, or where the list of conflicts is not answered
 */
export async function resolveOneConflict(
  device: string,
  send: SendRequest,
  random: Random,
): Promise<ConflictResolution | undefined> {
  const path = `/api/sync/conflicts?limit=${random.int(1, 20)}`;
  const { status, body } = await send({ method: 'GET', path }).catch(noAnswer);
  const { conflicts } = (status === 200 ? body : { conflicts: [] }) as ConflictsAnswer;
  if (conflicts.length === 0) return undefined;
  const conflict = random.pick(conflicts);
  const { identityKey } = conflict;
  const resolution = random.pick(['discard', 'force', 'force', 'merge'] as const);
  const request = {
    resolution,
    ...(resolution === 'merge' && { payload: mergedPayload(conflict, device) }),
  };
  const answer = await send({
    method: 'POST',
    path: `/api/sync/conflicts/${encodeURIComponent(identityKey)}/resolution`,
    body: request,
  }).catch(noAnswer);
  return { identityKey, device, ...request, status: answer.status };
}

/** The refused edit with a field that names the device. */
function mergedPayload({ incoming }: Conflict, device: string): EventPayload {
  const payload = incoming.payload as EventPayload;
  const words = `settled by ${device}`;
  if (payload.data) return { ...payload, data: { ...(payload.data as FieldValues), words } };
  const name = ['customer', 'title', 'name'].find((field) => field in payload);
  return name === undefined ? payload : { ...payload, [name]: words };
}

const noAnswer = () => ({ status: 0, body: undefined });
