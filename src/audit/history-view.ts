import type { HistoryEntry } from '../protocol/history.ts';
import type { Receipt } from '../protocol/receipt.ts';
import { formatMicros } from '../domain/timestamp.ts';
import type { StoredHistoryEntry, StoredReceipt } from './audit-store.ts';

export function toHistoryEntry(stored: StoredHistoryEntry): HistoryEntry {
  const { event, recordBefore, recordAfter, resends, resolves, resolvedBy } = stored;
  const { occurredAt } = event;
  return {
    identityKey: event.identityKey,
    version: event.version,
    kind: event.kind,
    kindVersion: event.kindVersion,
    entityType: event.entityType,
    entityId: event.entityId,
    outcome: event.outcome,
    occurredAt: occurredAt === null ? null : formatMicros(occurredAt),
    effectiveAt: formatMicros(event.effectiveAt),
    receivedAt: formatMicros(event.receivedAt),
    clockAdjusted: event.clockAdjusted,
    deviceId: event.deviceId,
    subject: event.subject,
    baseVersion: event.baseVersion,
    baseKey: event.baseKey,
    sequence: event.sequence,
    payload: event.payload,
    recordBefore,
    recordAfter,
    resends: {
      count: resends.count,
      lastAt: resends.lastAt === null ? null : formatMicros(resends.lastAt),
    },
    resolves,
    resolvedBy,
  };
}

export function toReceipt(identityKey: string, stored: StoredReceipt | undefined): Receipt {
  if (!stored) return { identityKey, found: false };
  const { event, resolution } = stored;
  return {
    identityKey,
    found: true,
    version: event.version,
    kind: event.kind,
    entityType: event.entityType,
    entityId: event.entityId,
    outcome: event.outcome,
    effectiveAt: formatMicros(event.effectiveAt),
    receivedAt: formatMicros(event.receivedAt),
    clockAdjusted: event.clockAdjusted,
    resolution,
  };
}
