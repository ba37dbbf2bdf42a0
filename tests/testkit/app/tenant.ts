import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { z } from 'zod';
import { type PullAnswer, pullAnswerSchema } from '../../../src/protocol/pull.ts';
import { type PushAnswer, pushAnswerSchema } from '../../../src/protocol/push.ts';
import type { SyncRecord } from '../../../src/protocol/record.ts';
import { createDevice, type Device } from '../checker/device.ts';
import { addAnswered, createHistory, type History } from '../checker/history.ts';
import { sendInProcess } from '../network/send-request.ts';
import type { PullParameters, Sender, TestApp } from './test-app.ts';

/** A row of a tenant's event log. */
export interface LogEntry {
  readonly version: number;
  readonly identityKey: string;
  readonly outcome: string;
  /** Microseconds since 1970. */
  readonly receivedAt: number;
  readonly effectiveAt: number;
}

/** A tenant that only one test uses, with its clients' view and its rows in the database. */
export interface Tenant {
  readonly id: string;
  readonly service: TestApp;
  /** The checkpoint of the empty tenant. A pull since it returns tombstones too, unlike a pull without one. */
  readonly start: string;
  sender(device?: string): Sender;
  /**
   * Pushes, and adds the request to the history.
   *
   * @param device by default a new one for each push, as the service keeps the order of one device's edits
   */
  push(events: readonly unknown[], envelope?: object, device?: string): Promise<PushAnswer>;
  /** Pushes to another app on the same database. */
  pushTo(
    service: TestApp,
    events: readonly unknown[],
    envelope?: object,
    device?: string,
  ): Promise<PushAnswer>;
  /** The options for the checker. Its history holds all that this object has pushed. */
  readonly checkOptions: {
    readonly databaseUrl: string;
    readonly tenant: string;
    readonly history: History;
  };
  /** A client of the tenant. @param service any app on the database */
  device(name: string, service?: TestApp): Device;
  /** Pushes. @returns the status of each event: see `statusesOf` */
  pushStatuses(events: readonly unknown[], envelope?: object, device?: string): Promise<string[]>;
  pull(query?: PullParameters): Promise<PullAnswer>;
  /** All records, tombstones included, by entity id. */
  records(): Promise<Map<string, SyncRecord>>;
  record(entityId: string): Promise<SyncRecord | undefined>;
  /** The stored log, in version order. */
  log(): Promise<LogEntry[]>;
  head(): Promise<number>;
}

/** @param service any app on the database */
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
    target: TestApp,
    events: readonly unknown[],
    envelope: object = {},
    device = nextDevice(),
  ) {
    const answer = await target.push(events, envelope, sender(device));
    addAnswered(history, answer, { device, events, envelope });
    return expectExactShape(pushAnswerSchema, answer);
  }
  const push = (events: readonly unknown[], envelope?: object, device?: string) =>
    pushTo(service, events, envelope, device);

  async function pull(query: PullParameters = {}) {
    return expectExactShape(pullAnswerSchema, await service.pull(query, sender()));
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
    checkOptions: { databaseUrl: service.database.url, tenant: id, history },
    device: (name, target = service) =>
      createDevice({ history, name, send: sendInProcess(target, sender(name)), pauseMs: 1 }),
    pushStatuses: async (events, envelope, device) =>
      statusesOf(await push(events, envelope, device)),
    pull,
    records,
    record: async (entityId) => (await records()).get(entityId),
    log: () =>
      service.sql<LogEntry & object>(
        `SELECT version::float8 AS version, identity_key AS "identityKey", outcome,
                (extract(epoch FROM received_at) * 1000000)::float8 AS "receivedAt",
                (extract(epoch FROM effective_at) * 1000000)::float8 AS "effectiveAt"
           FROM event_log WHERE tenant_id = $1 ORDER BY version`,
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

/** For each event its error code, `duplicate of <original status>`, or its status. */
export function statusesOf(answer: PushAnswer): string[] {
  return (answer.results ?? []).map(({ status, original, code }) => {
    if (code !== undefined) return code;
    return original === undefined ? status : `${status} of ${original}`;
  });
}

/**
 * Parses an answer.
 *
 * @throws ZodError where the answer does not match, AssertionError where it holds fields beyond the schema
 */
export function expectExactShape<Shape extends z.ZodType>(schema: Shape, body: unknown) {
  const parsed = schema.parse(body);
  expect(body).toEqual(parsed);
  return parsed;
}
