import type { Conflict, ConflictsAnswer } from '../src/protocol/conflict.ts';
import type { Send } from '../tests/testkit/checker/send.ts';
import type { Payload } from '../tests/testkit/oracle/bundled/meanings.ts';
import type { Fields } from '../tests/testkit/oracle/last-write-wins.ts';
import type { Random } from './random.ts';

/** How somebody tried to settle a conflict. */
export interface Settlement {
  /** Of the event that met it. */
  readonly identityKey: string;
  readonly device: string;
  readonly resolution: 'discard' | 'force' | 'merge';
  /** Of a merge. */
  readonly payload?: Payload;
  /** The answer's HTTP status; 0 without one: it may have happened. */
  readonly status: number;
}

/**
 * Settles one of the tenant's open conflicts in one of the three ways.
 *
 * @returns undefined where there is none, or the list is not answered
 */
export async function settleOne(
  device: string,
  send: Send,
  random: Random,
): Promise<Settlement | undefined> {
  const path = `/api/sync/conflicts?limit=${random.int(1, 20)}`;
  const { status, body } = await send({ method: 'GET', path }).catch(noAnswer);
  const { conflicts } = (status === 200 ? body : { conflicts: [] }) as ConflictsAnswer;
  if (conflicts.length === 0) return undefined;
  const conflict = random.pick(conflicts);
  const { identityKey } = conflict;
  const resolution = random.pick(['discard', 'force', 'force', 'merge'] as const);
  const asked = {
    resolution,
    ...(resolution === 'merge' && { payload: merged(conflict, device) }),
  };
  const answer = await send({
    method: 'POST',
    path: `/api/sync/conflicts/${encodeURIComponent(identityKey)}/resolution`,
    body: asked,
  }).catch(noAnswer);
  return { identityKey, device, ...asked, status: answer.status };
}

/** The refused edit with a word of who settled it. */
function merged({ incoming }: Conflict, device: string): Payload {
  const payload = incoming.payload as Payload;
  const words = `settled by ${device}`;
  if (payload.data) return { ...payload, data: { ...(payload.data as Fields), words } };
  const name = ['customer', 'title', 'name'].find((field) => field in payload);
  return name === undefined ? payload : { ...payload, [name]: words };
}

const noAnswer = () => ({ status: 0, body: undefined });
