import { randomUUID } from 'node:crypto';
import type { Edit } from '../../outbox/queue.ts';
import type { Outbox, OutboxOptions } from '../../outbox/outbox.ts';
import { request } from '../../outbox/request.ts';
import { open, serverAs } from '../outbox-harness.ts';

/** A fetch that keeps the body and the answer of every push, as they were on the wire. */
export function wireTap() {
  // Whatever the dialect holds: each test says what it expects of it.
  // oxlint-disable-next-line typescript/no-explicit-any
  const pushes: { readonly path: string; readonly body: any; readonly answer: any }[] = [];
  const tap: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    if (typeof init?.body !== 'string') return answer;
    pushes.push({
      path: new URL(answer.url).pathname,
      body: JSON.parse(init.body),
      answer: JSON.parse(await answer.clone().text()),
    });
    return answer;
  };
  return { fetch: tap, pushes };
}

/** GET, or POST where there is a body, as a signed-in person. @throws RefusedError */
export function ask(path: string, body?: object, claims: { scope?: string } = {}) {
  return request(serverAs('office', claims), path, body);
}

/** What a device that was never seen before pulls. */
export async function bootstrap(type: string, kinds: OutboxOptions['kinds'] = {}) {
  const fresh = open(randomUUID(), { kinds });
  await fresh.pull();
  return seen(fresh, type);
}

/** What a device's user sees of one entity type, by id. */
export const seen = (outbox: Outbox, type: string) => Object.fromEntries(outbox.view(type));

/** Queues edits in that order. @returns their identityKeys */
export function enqueueAll(outbox: Outbox, edits: readonly Edit[]): string[] {
  return edits.map((edit) => outbox.enqueue(edit));
}

/** The one edit of a device that was given up. */
export function mustFailed(outbox: Outbox) {
  const [failed, ...more] = outbox.failed();
  if (!failed || more.length > 0) throw new Error(`${more.length} edits failed beside one`);
  return failed;
}
