import { expect } from 'vitest';
import type { PullAnswer } from '../../src/protocol/pull.ts';
import type { Record } from '../../src/protocol/record.ts';
import type { Tenant } from './tenant.ts';

/** A client that only pulls, and keeps what it got as a client would: live records by id. */
export interface Puller {
  readonly table: ReadonlyMap<string, Record>;
  /** Applies one page, and checks what must hold of every page. */
  page(limit: number): Promise<PullAnswer>;
  /** Pages until there is no more. */
  finish(limitOf: () => number): Promise<void>;
}

export function createPuller(tenant: Pick<Tenant, 'pull'>): Puller {
  const table = new Map<string, Record>();
  let since: string | undefined;
  let position = 0;

  async function page(limit: number) {
    const answer = await tenant.pull({ limit, ...(since !== undefined && { since }) });
    const versions = answer.changes.map(({ version }) => version);
    expect(versions).toEqual(versions.toSorted((left, right) => left - right));
    expect(new Set(answer.changes.map(({ entityId }) => entityId)).size).toBe(versions.length);
    expect(versions[0] ?? Infinity).toBeGreaterThan(position);
    expect(answer.position).toBeGreaterThanOrEqual(versions.at(-1) ?? position);
    if (answer.hasMore) expect(versions.length).toBe(limit);
    for (const record of answer.changes) {
      if (record.deleted) table.delete(record.entityId);
      else table.set(record.entityId, record);
    }
    since = answer.checkpoint;
    position = answer.position;
    return answer;
  }

  return {
    table,
    page,
    async finish(limitOf) {
      while ((await page(limitOf())).hasMore);
    },
  };
}
