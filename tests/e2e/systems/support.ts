import { randomUUID } from 'node:crypto';
import type { Resolution } from '../../../src/domain/event.ts';
import type { Data, LocalEdit } from '../../outbox/outbox.ts';
import { request } from '../../outbox/request.ts';
import { open, serverAs } from '../outbox-harness.ts';
import type { TestDevice } from '../test-device.ts';
import type { LocalKinds } from './local-kinds.ts';

/** A fetch that records the body and the answer of each POST, as they were on the wire. */
export function recordRequests() {
  // The content depends on the dialect.
  // oxlint-disable-next-line typescript/no-explicit-any
  const pushes: { readonly path: string; readonly body: any; readonly answer: any }[] = [];
  const recorder: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    if (typeof init?.body !== 'string') return answer;
    pushes.push({
      path: new URL(answer.url).pathname,
      body: JSON.parse(init.body),
      answer: JSON.parse(await answer.clone().text()),
    });
    return answer;
  };
  return { fetch: recorder, pushes };
}

/** Sends a POST if there is a body, else a GET, as a person in the office. @throws RefusedError */
export function ask(path: string, body?: object, claims: { scope?: string } = {}) {
  return request(serverAs('office', claims), path, body);
}

/** What a new device pulls. */
export async function bootstrap(type: string, kinds: LocalKinds = {}) {
  const fresh = open(randomUUID(), { kinds });
  await fresh.pull();
  return entitiesShown(fresh, type);
}

/** The entities of one type by id, as the user of a device sees them. */
export const entitiesShown = (device: TestDevice, type: string) =>
  Object.fromEntries(device.view(type));

/** Queues edits in this order. @returns their identityKeys */
export function enqueueAll(device: TestDevice, edits: readonly LocalEdit[]): string[] {
  return edits.map((edit) => device.enqueue(edit));
}

/**
 * A person settles a CONFLICT, which the server keeps too. After an error the same call is made again.
 *
 * @param payload with `merge`: the payload to apply, of the event's own kind
 * @throws UnavailableError, RefusedError
 */
export async function resolve(
  device: TestDevice,
  identityKey: string,
  resolution: Resolution,
  payload?: Data,
): Promise<void> {
  const path = `/api/sync/conflicts/${encodeURIComponent(identityKey)}/resolution`;
  await request(device.outbox.options, path, { resolution, payload });
  device.discard(identityKey);
  await device.pull();
}

/** The only failed event of a device. */
export function onlyFailedEvent(device: TestDevice) {
  const [failed, ...more] = device.failed();
  if (!failed || more.length > 0) throw new Error(`${more.length} edits failed beside one`);
  return failed;
}
