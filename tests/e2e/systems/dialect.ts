import type { EventResult, FailedEvent } from '../../../src/protocol/push.ts';
import type { WireEvent } from '../../outbox/outbox.ts';

/** How the clients of one system write a push, and name its events in the answer. */
export interface ClientDialect {
  readonly path: string;
  /** The body of a push. A pure function: the server knows an event that is sent again by its content. */
  readonly write: (events: readonly WireEvent[], sentAt: string) => object;
  /** The field that names an event in `failed` and `results`. */
  readonly key: 'identityKey' | 'clientRequestId' | 'id';
}

type Entry = Partial<FailedEvent & EventResult & { readonly id: string }>;

const pushPath = '/api/sync/events?include=results';

/** A fetch for an outbox: it sends each push in the dialect, and translates the answer back. */
export function translate({ path, write, key }: ClientDialect, inner = fetch): typeof fetch {
  const read = (entries?: readonly Entry[]) =>
    entries?.map((entry) => ({ ...entry, identityKey: entry[key] }));
  return async (input, init) => {
    const isPush = typeof input === 'string' && input.endsWith(pushPath);
    if (!isPush || typeof init?.body !== 'string') return inner(input, init);
    const { events, sentAt } = JSON.parse(init.body);
    const body = JSON.stringify(write(events, sentAt));
    const response = await inner(input.replace(pushPath, path), { ...init, body });
    if (!response.ok) return response;
    const { failed, results, ...answer } = JSON.parse(await response.text());
    return Response.json({ ...answer, failed: read(failed), results: read(results) });
  };
}
