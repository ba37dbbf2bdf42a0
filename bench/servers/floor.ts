import pg from 'pg';
import { Recorder, type Sample } from '../load/sample.ts';
import { batchOf, type Work } from '../load/work.ts';
import { serveParent } from '../serve-parent.ts';
import { copyFloor, leanFloor } from './floors/lean-floors.ts';
import { oldFloor } from './floors/old-floor.ts';

const floors = { 'old floor': oldFloor, floor: leanFloor, copy: copyFloor };

export type FloorName = keyof typeof floors;

export interface FloorSettings {
  readonly floor: FloorName;
  readonly databaseUrl: string;
  readonly work: Work;
}

/**
 * The least work that stores the events: each batch has a commit of its own, on as many connections as the other
 * systems have. There is no HTTP, no token, no look-up of stored events, and no record.
 */
serveParent<FloorSettings>(async ({ floor, databaseUrl, work }) => {
  const { createTable, store } = floors[floor];
  const clients = Array.from({ length: work.lanes }, () => new pg.Client(databaseUrl));
  for (const client of clients) await client.connect();
  await clients[0]?.query(createTable);
  const turns = Array.from({ length: work.lanes }, () => 0);
  const heads = new Map(work.tenants.map((tenant) => [tenant, 0]));
  const numbers = new Map(work.tenants.map((tenant, index) => [tenant, index + 1]));

  async function storeBatch(client: pg.Client, lane: number): Promise<number> {
    const turn = turns[lane] ?? 0;
    turns[lane] = turn + 1;
    const { tenant, edits } = batchOf(work, lane, turn);
    const head = heads.get(tenant) ?? 0;
    heads.set(tenant, head + edits.length);
    const tenantNo = numbers.get(tenant) ?? 0;
    await store(client, { tenant, tenantNo, head, edits, entities: work.entities });
    return edits.length;
  }

  async function answer({ seconds }: { readonly seconds: number }): Promise<Sample> {
    const recorder = new Recorder();
    const until = performance.now() + seconds * 1000;
    const runLane = async (client: pg.Client, lane: number) => {
      while (performance.now() < until) {
        const startedAt = performance.now();
        const units = await storeBatch(client, lane);
        recorder.add(performance.now() - startedAt, units);
      }
    };
    await Promise.all(clients.map(runLane));
    return recorder.finish();
  }

  return { ready: {}, answer };
});
