import { createRegistry } from '../../../../src/domain/kinds/registry.ts';
import type { Fields } from '../../../../src/domain/kinds/intent.ts';
import { bundledKinds } from '../../../../src/systems/bundled.ts';
import { entityKey, type EntityRef, type RecordState } from '../../../../src/domain/record.ts';
import type { EventReference, KnownEvent, StoredEvent } from '../../../../src/domain/event.ts';
import type { EventOutcome } from '../../../../src/domain/decide/batch.ts';
import { createBatch } from '../../../../src/domain/decide/batch.ts';
import { decideBatches } from '../../../../src/domain/decide/decide-batch.ts';
import { decodeEvent } from '../../../../src/domain/decide/decode-event.ts';

const registry = createRegistry(bundledKinds);
const decideRules = { maxEventAgeMs: null, maxRecordLength: 131_072, lifter: registry.records };

export interface Sent {
  readonly identityKey: string;
  readonly kind: string;
  readonly payload: unknown;
  readonly version?: number;
  readonly sequence?: number;
  readonly occurredAt?: string;
  readonly baseVersion?: number;
  readonly baseKey?: string;
}

/** One tenant without a database: the real decoding and deciding, on what it decided before. */
export class MemoryTenant {
  /** Of the next push. */
  now = Date.UTC(2026, 10, 21, 12);
  /** Likewise. */
  device = 'd';
  readonly log: StoredEvent[] = [];
  readonly #known = new Map<string, KnownEvent>();
  readonly #records = new Map<string, RecordState>();

  /** One request. */
  push(...events: readonly Sent[]): readonly EventOutcome[] {
    return this.pushGroup([events]);
  }

  /** Several requests that are decided in one transaction. */
  pushGroup(requests: readonly (readonly Sent[])[]): readonly EventOutcome[] {
    const batches = requests.map((events) => this.#toBatch(events));
    const { log } = this;
    const snapshot = {
      tenantId: 't',
      head: log.length,
      epoch: 'e',
      headReference: log.at(-1),
      receivedAt: this.now * 1000,
      known: [...this.#known.values()],
      records: [...this.#records.values()],
    };
    const plan = decideBatches(snapshot, batches, decideRules);
    for (const event of plan.events) {
      const previous: EventReference | undefined = log.at(-1);
      this.#known.set(event.identityKey, { ...event, previous });
      log.push(event);
    }
    for (const record of plan.records) this.#records.set(entityKey(record), record);
    return plan.decisions.flatMap(({ outcomes }) => outcomes);
  }

  /** As the clean-up does it to tombstones that are old enough. */
  purge(entity: EntityRef): void {
    const record = this.record(entity);
    if (!record?.deleted) return;
    this.#records.set(entityKey(entity), { ...record, data: null, purged: 'hidden' });
  }

  get entities(): readonly EntityRef[] {
    return [...this.#records.values()];
  }

  /** A live record's data. */
  find(entityType: string, entityId: string): Fields | undefined {
    const record = this.record({ entityType, entityId });
    return record && !record.deleted ? JSON.parse(record.data ?? 'null') : undefined;
  }

  record(entity: EntityRef): RecordState | undefined {
    return this.#records.get(entityKey(entity));
  }

  #toBatch(events: readonly Sent[]) {
    const sender = { tenantId: 't1', subject: null, scopes: ['colony:admin'] };
    const rules = { maxEventBytes: 64_000, sender };
    return createBatch({
      tenantId: 't',
      deviceId: this.device,
      subject: null,
      sentAt: null,
      atomic: false,
      keepsConflicts: true,
      bringsRecords: false,
      events: events.map((event) => decodeEvent(event, registry, rules)),
    });
  }
}

/** A status, or the code of a failure, of each. */
export function codesOf(outcomes: readonly EventOutcome[]): readonly string[] {
  return outcomes.map((outcome) =>
    outcome.status === 'failed' ? outcome.failure.code : outcome.status,
  );
}

/** The dotted path that a payload fails at, or undefined where it is valid. */
export function faultOf(kind: string, payload: unknown, version = 1): string | undefined {
  const read = registry.find(kind)?.interpret(version, payload);
  if (!read) throw new Error(`no kind ${kind}`);
  return read.ok ? undefined : read.error?.issues[0]?.path.join('.');
}
