import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { PullAnswer } from '../../src/protocol/pull.ts';
import type { FailedEvent, PushAnswer } from '../../src/protocol/push.ts';
import type { SyncRecord } from '../../src/protocol/record.ts';
import { openOutboxDatabase } from './database.ts';
import { backoffMs, RefusedError, request, type Server, UnavailableError } from './request.ts';

export type Data = { readonly [field: string]: unknown };
/** What the user did. It may have other fields of an event too, such as `sequence`. */
export type LocalEdit = {
  readonly kind: string;
  readonly payload: Data;
  readonly version?: number;
};
export type WireEvent = LocalEdit & { readonly identityKey: string; readonly occurredAt: string };
/** What an edit does to an entity until the server has decided it. `undefined`: no such entity. */
export type Apply = (data: Data | undefined, edit: LocalEdit) => Data | undefined;
/** `since`: when the server first reported its own fault, by the device's clock. */
type LastError = Partial<FailedEvent> & { readonly attempts?: number; readonly since?: number };
type Queued = ReturnType<Outbox['read']>[number];

export interface OutboxOptions extends Server {
  /** The SQLite file. It holds all state: the app may be killed at any moment. */
  readonly file: string;
  readonly batchSize?: number;
  readonly clock?: () => number;
  readonly sleep?: (milliseconds: number) => Promise<unknown>;
  readonly random?: () => number;
}

const defaults = { batchSize: 50, clock: Date.now, sleep: delay, random: Math.random, fetch };
const dayMs = 86_400_000;
/** Refusals whose cause is the sender, the address or the envelope: no event is at fault. */
const notAboutEvents = new Set<unknown>([
  ...[401, 402, 403, 404, 405, 410, 411, 415, 421, 426, 428, 431],
  ...['INVALID_ENVELOPE', 'INVALID_QUERY', 'INVALID_BODY', 'MALFORMED_REQUEST'],
]);

export class Outbox {
  readonly options: Required<OutboxOptions>;
  readonly database;

  constructor(options: OutboxOptions) {
    this.options = { ...defaults, ...options };
    this.database = openOutboxDatabase(options.file);
  }

  /** Rule 1. An app that has tables of its own writes them in the same transaction. */
  enqueue(entityType: string, entityId: string, edit: LocalEdit): string {
    const entity = JSON.stringify([entityType, entityId]);
    // Random: the same edit made twice is two events.
    const identityKey = randomUUID();
    this.database.transaction(() => {
      const event = JSON.stringify({ ...edit, identityKey, occurredAt: this.#timestamp() });
      const insert = 'INSERT INTO queue (identity_key, entity, event) VALUES (?, ?, ?)';
      this.database.run(insert, identityKey, entity, event);
    });
    return identityKey;
  }

  /** Rule 3. The entities of one type by id, as the user sees them: records, then queued edits. */
  view(entityType: string, apply: Apply): Map<string, Data> {
    const view = new Map<string, Data>();
    const records = 'SELECT record FROM records WHERE entity ->> 0 = ?';
    for (const { record } of this.database.all(records, entityType)) {
      const { entityId, deleted, data }: SyncRecord = JSON.parse(String(record));
      if (data && !deleted) view.set(entityId, data);
    }
    const edits = "queue WHERE entity ->> 0 = ? AND status <> 'failed' ORDER BY position";
    for (const { event, entity } of this.read(edits, entityType)) {
      const [, id] = JSON.parse(entity);
      const data = apply(view.get(id), event);
      if (data) view.set(id, data);
      else view.delete(id);
    }
    return view;
  }

  /** Queued events. A person has to look at those with the status 'failed'. */
  read(from: string, ...values: (string | number)[]) {
    return this.database.all(`SELECT * FROM ${from}`, ...values).map((row) => ({
      event: JSON.parse(String(row.event)) as WireEvent,
      entity: String(row.entity),
      lastError: JSON.parse(String(row.last_error)) as LastError,
    }));
  }

  /** When the device comes online, and by a timer. @throws UnavailableError, RefusedError */
  async sync(): Promise<void> {
    await this.push();
    await this.pull();
  }

  /** Syncs until no event is pending. @throws RefusedError */
  async drain(): Promise<void> {
    const { clock, sleep, random } = this.options;
    for (let failures = 0, due: unknown = 0; due !== null; ) {
      try {
        await this.sync();
        failures = 0;
        ({ due } = this.database.get('SELECT min(due_at) AS due FROM pending'));
        if (due !== null) await sleep(Math.max(0, Number(due) - clock()));
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error;
        failures += 1;
        await sleep(backoffMs(failures, error.retryAfterMs, random));
      }
    }
  }

  /** Rule 2. Sends the events that are due, in order, one batch at a time. */
  async push(): Promise<void> {
    for (let size = this.options.batchSize; ; ) {
      const now = this.options.clock();
      // A wait of more than a day is from before the device's clock was set back.
      const due = 'pending WHERE due_at <= ? OR due_at > ? ORDER BY position LIMIT ?';
      const batch = this.read(due, now, now + dayMs, size);
      const [first] = batch;
      if (!first) return;
      const body = { sentAt: this.#timestamp(), events: batch.map(({ event }) => event) };
      try {
        this.#settle(batch, await request(this.options, '/api/sync/events?include=results', body));
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error;
        const { status, code, message } = error;
        if (notAboutEvents.has(status) || notAboutEvents.has(code)) throw error;
        // The batch is too large, or one event makes the request fail: halving finds that event.
        size = Math.ceil(batch.length / 2);
        if (batch.length > 1) continue;
        // Without a code it may be another server: that one refuses the pull too, which then throws.
        if (!code) await this.pull();
        this.#putBack(first, { message, retryable: false, ...(code && { code }) });
        size = this.options.batchSize;
      }
    }
  }

  /** Stores the whole answer or, where it does not answer each event, nothing of it. */
  #settle(batch: readonly Queued[], answer: Partial<PushAnswer>): void {
    const waiting = new Set<string>();
    const processed = "UPDATE queue SET status = 'processed', version = ? WHERE identity_key = ?";
    this.database.transaction(() => {
      for (const queued of batch) {
        const key = queued.event.identityKey;
        const failure = answer.failed?.find(({ identityKey }) => identityKey === key);
        const result = answer.results?.find(({ identityKey }) => identityKey === key);
        if (!failure && !answer.processed?.includes(key)) throw new UnavailableError('no answer');
        // The user sees the record that won at once.
        const current = failure?.current ?? result?.current;
        if (current) this.#save(current);
        const isSuperseded = (result?.original ?? result?.status) === 'superseded';
        if (failure) this.#putBack(queued, failure, waiting);
        else if (isSuperseded) this.database.run('DELETE FROM queue WHERE identity_key = ?', key);
        else this.database.run(processed, result?.version ?? 0, key);
      }
    });
  }

  /** Keeps a failed event for its next try or, without one, for a person to look at. */
  #putBack({ event, entity, lastError }: Queued, failure: LastError, waiting = new Set()): void {
    const now = this.options.clock();
    // A fault of the server counts no try. The event waits for 30 days.
    const since = failure.fault && (lastError.since ?? now);
    const isCounted = !since && !(failure.code === 'BLOCKED' && waiting.has(entity));
    const attempts = (lastError.attempts ?? 0) + (isCounted ? 1 : 0);
    const mayWait = since ? now - since < 30 * dayMs : attempts < 3;
    const status = failure.retryable && mayWait ? 'pending' : 'failed';
    if (status === 'pending') waiting.add(entity);
    const at = now + backoffMs(attempts, failure.retryAfterMs, this.options.random);
    const error = JSON.stringify({ ...failure, attempts, since });
    const columns = 'status = ?, next_attempt_at = ?, last_error = ?';
    const update = `UPDATE queue SET ${columns} WHERE identity_key = ? AND status = 'pending'`;
    this.database.run(update, status, at, error, event.identityKey);
  }

  /** Rules 3 and 4. Fetches what changed since the last pull, or everything in a bootstrap. */
  async pull(): Promise<void> {
    for (let hasMore = true, isBootstrap = false; hasMore; ) {
      const { checkpoint } = this.database.get('SELECT checkpoint FROM progress');
      const since = checkpoint ? `?since=${encodeURIComponent(String(checkpoint))}` : '';
      try {
        const page: PullAnswer = await request(this.options, `/api/sync/changes${since}`);
        this.#applyPage(page);
        ({ hasMore } = page);
      } catch (error) {
        const code = error instanceof RefusedError && error.code;
        const isLost = code === 'CHECKPOINT_EXPIRED' || code === 'INVALID_CHECKPOINT';
        // Only once: a server could refuse its own checkpoints for ever.
        if (!isLost || !checkpoint || isBootstrap) throw error;
        this.#startBootstrap();
        isBootstrap = true;
      }
    }
  }

  /** Stores a page and its checkpoint in one transaction: a crash loses both or none. */
  #applyPage({ changes, checkpoint, hasMore, position }: PullAnswer): void {
    const { run, transaction } = this.database;
    transaction(() => {
      for (const record of changes) this.#save(record);
      run('UPDATE progress SET checkpoint = ?', checkpoint);
      if (hasMore) return;
      // What a bootstrap did not bring does not exist any more.
      run('DELETE FROM records WHERE generation < (SELECT generation FROM progress)');
      // The records contain these edits now.
      run("DELETE FROM queue WHERE status = 'processed' AND version < ?", position);
    });
  }

  /** The old records show until the last page has come. The server may have lost what it processed. */
  #startBootstrap(): void {
    const { run, transaction } = this.database;
    transaction(() => {
      run('UPDATE progress SET checkpoint = NULL, generation = generation + 1');
      run("UPDATE queue SET status = 'pending' WHERE status = 'processed'");
    });
  }

  /** Stores a record of the server, unless a newer one is known. */
  #save(record: SyncRecord): void {
    const entity = JSON.stringify([record.entityType, record.entityId]);
    const upsert = `INSERT INTO records SELECT ?, ?, generation FROM progress WHERE true
      ON CONFLICT DO UPDATE SET record = excluded.record, generation = excluded.generation
      WHERE excluded.record ->> 'version' >= records.record ->> 'version'
        OR excluded.generation > records.generation`;
    this.database.run(upsert, entity, JSON.stringify(record));
  }

  /** Now, but a microsecond later than each event that no pull has brought back: the clock may be set back. */
  #timestamp(): string {
    const latest = "SELECT max(event ->> 'occurredAt') AS at FROM queue WHERE status <> 'failed'";
    const at = String(this.database.get(latest).at ?? '');
    const next = at ? Date.parse(at) * 1000 + Number(at.slice(23, 26)) + 1 : 0;
    const micros = Math.max(this.options.clock() * 1000, next);
    const milliseconds = new Date(Math.floor(micros / 1000)).toISOString().slice(0, 23);
    return `${milliseconds}${String(micros % 1000).padStart(3, '0')}Z`;
  }
}
