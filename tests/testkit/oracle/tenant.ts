import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { z } from 'zod';
import { type PullAnswer, pullAnswerSchema } from '../../../src/protocol/pull.ts';
import { type PushAnswer, pushAnswerSchema } from '../../../src/protocol/push.ts';
import type { SyncRecord } from '../../../src/protocol/record.ts';
import { createDevice, type Device } from '../checker/device.ts';
import { addAnswered, createHistory, type History } from '../checker/history.ts';
import { sendInProcess } from '../checker/send.ts';
import type { PullQuery, Sender, TestApp } from '../app.ts';

export interface LogEntry {
  readonly version: number;
  readonly identityKey: string;
  readonly outcome: string;
  /** Microseconds since 1970. */
  readonly receivedAt: number;
  readonly effectiveAt: number;
}

/** A tenant that no other test knows, seen as its clients see it and past the service. */
export interface Tenant {
  readonly id: string;
  readonly service: TestApp;
  /** A checkpoint from before everything: a pull since it shows tombstones too. */
  readonly start: string;
  sender(device?: string): Sender;
  /** @param device by default another one each time, as the edits of one device keep their own order */
  push(events: readonly unknown[], envelope?: object, device?: string): Promise<PushAnswer>;
  /** The same to another process of the database. */
  pushTo(
    service: TestApp,
    events: readonly unknown[],
    envelope?: object,
    device?: string,
  ): Promise<PushAnswer>;
  /** What the checker needs: all that was pushed by this is in the history. */
  readonly books: {
    readonly databaseUrl: string;
    readonly tenant: string;
    readonly history: History;
  };
  /** A client of any process of the database. */
  device(name: string, service?: TestApp): Device;
  /** What a push answered to each event, in a word or two: see `saidOf`. */
  said(events: readonly unknown[], envelope?: object, device?: string): Promise<string[]>;
  pull(query?: PullQuery): Promise<PullAnswer>;
  /** Every record, tombstones included, by entity id. */
  records(): Promise<Map<string, SyncRecord>>;
  record(entityId: string): Promise<SyncRecord | undefined>;
  /** The stored log, in version order. */
  log(): Promise<LogEntry[]>;
  head(): Promise<number>;
}

/** @param service any process of the database */
export async function createTenant(service: TestApp): Promise<Tenant> {
  const id = randomUUID();
  const sender = (device = 'd1') => ({ tenant: id, device });
  const { checkpoint: start } = await service.pull({}, sender());

  const history = createHistory();
  let devices = 0;
  const nextDevice = () => {
    devices += 1;
    return `d${devices}`;
  };

  async function pushTo(
    process: TestApp,
    events: readonly unknown[],
    envelope: object = {},
    device = nextDevice(),
  ) {
    const answer = await process.push(events, envelope, sender(device));
    addAnswered(history, answer, { device, events, envelope });
    return expectShape(pushAnswerSchema, answer);
  }
  const push = (events: readonly unknown[], envelope?: object, device?: string) =>
    pushTo(service, events, envelope, device);

  async function pull(query: PullQuery = {}) {
    return expectShape(pullAnswerSchema, await service.pull(query, sender()));
  }

  async function records() {
    const found = new Map<string, SyncRecord>();
    for (let since = start, more = true; more; ) {
      const page = await pull({ since, limit: 1000 });
      for (const record of page.changes) found.set(record.entityId, record);
      since = page.checkpoint;
      more = page.hasMore;
    }
    return found;
  }

  return {
    id,
    service,
    start,
    sender,
    push,
    pushTo,
    books: { databaseUrl: service.database.url, tenant: id, history },
    device: (name, process = service) =>
      createDevice({ history, name, send: sendInProcess(process, sender(name)), pauseMs: 1 }),
    said: async (events, envelope, device) => saidOf(await push(events, envelope, device)),
    pull,
    records,
    record: async (entityId) => (await records()).get(entityId),
    log: () =>
      service.sql<LogEntry & object>(
        `SELECT version::float8 AS version, identity_key AS "identityKey", outcome,
                (extract(epoch FROM received_at) * 1000000)::float8 AS "receivedAt",
                (extract(epoch FROM effective_at) * 1000000)::float8 AS "effectiveAt"
           FROM events WHERE tenant_id = $1 ORDER BY version`,
        [id],
      ),
    async head() {
      const [row] = await service.sql<{ head: number }>(
        'SELECT head::float8 AS head FROM tenants WHERE id = $1',
        [id],
      );
      return row?.head ?? 0;
    },
  };
}

/** For each event its status, `duplicate of …` with the original, or why it failed. */
export function saidOf(answer: PushAnswer): string[] {
  return (answer.results ?? []).map(({ status, original, code }) => {
    if (code !== undefined) return code;
    return original === undefined ? status : `${status} of ${original}`;
  });
}

/** The answer is what the contract describes, and holds nothing else. */
export function expectShape<Shape extends z.ZodType>(schema: Shape, body: unknown) {
  const parsed = schema.parse(body);
  expect(body).toEqual(parsed);
  return parsed;
}
