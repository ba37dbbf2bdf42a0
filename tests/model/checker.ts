import { expect } from 'vitest';
import type { PushAnswer } from '../../src/protocol/push.ts';
import type { Record } from '../../src/protocol/record.ts';
import type { FinalRecord, Value } from './last-write-wins.ts';
import type { Tenant } from './tenant.ts';

/** Versions 1 to head without gap, each key at most once, nothing newer than the head. */
export async function expectSoundLog(tenant: Tenant): Promise<void> {
  const log = await tenant.log();
  expect(log.map(({ version }) => version)).toEqual(log.map((_entry, index) => index + 1));
  expect(new Set(log.map(({ identityKey }) => identityKey)).size).toBe(log.length);
  expect(await tenant.head()).toBe(log.length);
  for (const record of (await tenant.records()).values()) {
    expect(log[record.version - 1]?.identityKey).toBe(record.origin.identityKey);
  }
}

/** What was acknowledged is stored, with the outcome and the version that were answered. */
export async function expectStored(tenant: Tenant, answers: readonly PushAnswer[]): Promise<void> {
  const log = new Map((await tenant.log()).map((entry) => [entry.identityKey, entry]));
  for (const answer of answers) {
    const processed = new Set(answer.processed);
    for (const { identityKey, status, original, version } of answer.results ?? []) {
      if (identityKey === null || status === 'failed') continue;
      expect(processed).toContain(identityKey);
      const stored = log.get(identityKey);
      const outcome = stored?.outcome === 'merged' ? 'applied' : stored?.outcome;
      expect({ outcome, version: stored?.version }).toEqual({
        outcome: original ?? status,
        version,
      });
    }
  }
}

/** What a client's table has to hold in the end. */
export async function liveRecords(tenant: Tenant): Promise<ReadonlyMap<string, Record>> {
  return new Map([...(await tenant.records())].filter(([, record]) => !record.deleted));
}

/** A tenant's records as the model describes them. */
export async function finalRecordsOf(tenant: Tenant): Promise<FinalRecord[]> {
  return [...(await tenant.records()).values()]
    .map(({ entityId, deleted, data }) => ({
      entityId,
      deleted,
      data: data && (Object.entries(data).sort(byName) as [string, Value][]),
    }))
    .sort((left, right) => (left.entityId < right.entityId ? -1 : 1));
}

const byName = ([left]: [string, unknown], [right]: [string, unknown]) => (left < right ? -1 : 1);
