import type { PushDialect } from '../push-traffic.ts';
import { refused } from '../traffic.ts';
import type { Edit } from '../work.ts';

const toEvent = ({ identityKey, occurredAt, payload }: Edit): string =>
  `{"identityKey":"${identityKey}","kind":"note.put","occurredAt":"${new Date(occurredAt).toISOString()}","payload":${payload}}`;

/** Also what per-event Prisma is sent: the same body, and a `failed` that is empty. */
export function createLandfallPush(
  tokens: Readonly<Record<string, string>>,
  path = '/api/sync/events',
): PushDialect {
  return {
    encode: ({ tenant, edits }) => ({
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${tokens[tenant]}` },
      body: `{"sentAt":"${new Date().toISOString()}","events":[${edits.map(toEvent).join()}]}`,
    }),
    check(_batch, answer) {
      if (answer.status !== 200 || !answer.body.includes('"failed":[]')) throw refused(answer);
    },
  };
}
