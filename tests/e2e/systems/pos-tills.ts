import { expect } from 'vitest';
import type { Conflict } from '../../../src/protocol/conflict.ts';
import type { Outbox } from '../../outbox/outbox.ts';
import { posKinds } from '../../outbox/pos.ts';
import { ask, bootstrap, seen } from './support.ts';

/** SYNC_BATCH_SIZE of the document is 10. */
export const till = { kinds: posKinds, batchSize: 10 };

/** Queues a resource as it should be, on the version that this till has seen. @returns its key */
export function edit(outbox: Outbox, type: string, id: string, data: object): string {
  const payload = { ...ref(outbox, type, id), data };
  return outbox.enqueue({ kind: 'resource.put', payload }, true);
}

export function remove(outbox: Outbox, type: string, id: string): string {
  return outbox.enqueue({ kind: 'resource.remove', payload: ref(outbox, type, id) }, true);
}

function ref(outbox: Outbox, resourceType: string, resourceId: string) {
  const resourceVersion = outbox.version('resource', `${resourceType}/${resourceId}`);
  return { resourceType, resourceId, resourceVersion };
}

export const resources = (outbox: Outbox) => seen(outbox, 'resource');

/** All pages of what waits for a person. */
export async function openConflicts(): Promise<Conflict[]> {
  const all: Conflict[] = [];
  for (let after = 0; ; ) {
    const path = `/api/sync/conflicts?state=open&limit=20&after=${after}`;
    const { conflicts, nextAfter } = await ask(path);
    all.push(...conflicts);
    if (nextAfter === null) return all;
    after = nextAfter;
  }
}

/** Brings the tills up to date and compares them with a bootstrap. */
export async function expectAllEqual(...tills: readonly Outbox[]): Promise<void> {
  for (const each of tills) await each.sync();
  const stored = await bootstrap('resource', posKinds);
  for (const each of tills) expect(resources(each)).toEqual(stored);
}
