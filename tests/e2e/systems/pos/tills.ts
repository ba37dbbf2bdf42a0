import { expect } from 'vitest';
import type { Conflict } from '../../../../src/protocol/conflict.ts';
import type { TestDevice } from '../../test-device.ts';
import { ask, bootstrap, entitiesShown } from '../support.ts';
import { posKinds } from './client.ts';

/** The document has a SYNC_BATCH_SIZE of 10. */
export const tillSettings = { kinds: posKinds, batchSize: 10 };

/** Queues new data of a resource, with the version on this till as its base. @returns its key */
export function edit(till: TestDevice, type: string, id: string, data: object): string {
  const payload = { ...ref(till, type, id), data };
  return till.enqueue({ kind: 'resource.put', payload }, true);
}

export function remove(till: TestDevice, type: string, id: string): string {
  return till.enqueue({ kind: 'resource.remove', payload: ref(till, type, id) }, true);
}

function ref(till: TestDevice, resourceType: string, resourceId: string) {
  const resourceVersion = till.version('resource', `${resourceType}/${resourceId}`);
  return { resourceType, resourceId, resourceVersion };
}

export const resources = (till: TestDevice) => entitiesShown(till, 'resource');

/** All pages of the conflicts that no person has settled. */
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

/** Syncs the tills, and checks that a new device shows the same. */
export async function expectAllEqual(...tills: readonly TestDevice[]): Promise<void> {
  for (const each of tills) await each.sync();
  const stored = await bootstrap('resource', posKinds);
  for (const each of tills) expect(resources(each)).toEqual(stored);
}
