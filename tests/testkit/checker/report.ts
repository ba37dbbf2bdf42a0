import { entityKeyOf } from '../oracle/entity-key.ts';
import type { CheckData, EventTrace } from './event-traces.ts';
import { describeRecord, type VisibleRecord } from './visible-record.ts';

/** A guarantee that the service has broken. */
export interface Violation {
  readonly kind:
    | 'lost' // acknowledged, but not stored
    | 'twice' // one identityKey, applied more than once
    | 'changed' // stored with another content or outcome than it was sent or answered with
    | 'unexpected' // stored, but never sent or always refused
    | 'partial' // a part of an atomic batch
    | 'gap' // a version that is missing or occurs more than once
    | 'record' // a record that does not follow from its events
    | 'model' // an event that the reference model decides in another way
    | 'differs' // a client's table that is not the server's
    | 'page'; // a malformed page, even where the table is right
  readonly message: string;
  readonly identityKey?: string;
  readonly entity?: { readonly entityType: string; readonly entityId: string };
  readonly device?: string;
}

/** The result of a check. */
export interface CheckReport {
  readonly violations: readonly Violation[];
  /** Numbers of identityKeys; `differing` counts clients, also those that the check itself creates. */
  readonly counts: {
    readonly sent: number;
    readonly acknowledged: number;
    /** Events whose senders do not know whether they are stored. */
    readonly unknown: number;
    readonly lost: number;
    readonly twice: number;
    readonly differing: number;
  };
  /** The report for people: each violation with its event, its requests, and each client's record. */
  readonly text: string;
}

type Records = ReadonlyMap<string, VisibleRecord>;

const maxPrinted = 20;

/** Prints a paragraph for each event or record with all its violations. */
export function printViolations(
  violations: readonly Violation[],
  data: CheckData,
  expected: Records,
): string {
  const groups = [...Map.groupBy(violations, subjectOf).values()];
  const printed = groups.slice(0, maxPrinted).map((group) => printGroup(group, data, expected));
  const more = groups.length - printed.length;
  return [...printed, ...(more > 0 ? [`… and ${more} more`] : [])].join('\n\n');
}

function subjectOf({ entity, identityKey, device }: Violation): string {
  return entity ? entityKeyOf(entity) : (identityKey ?? device ?? 'the log');
}

function printGroup(violations: readonly Violation[], data: CheckData, expected: Records): string {
  const { entity, identityKey } = violations[0] ?? {};
  const lines = violations.map((violation) => {
    return `${violation.kind.toUpperCase()} ${subjectOf(violation)}: ${violation.message}`;
  });
  const record = data.stored.records.find(
    (one) => entity && entityKeyOf(one) === entityKeyOf(entity),
  );
  const trace = data.traces.get(identityKey ?? record?.originKey ?? '');
  return [
    ...lines,
    ...(trace ? printTrace(trace) : []),
    ...(entity ? printEntity(entity, data, expected) : []),
  ].join('\n');
}

function printTrace({ attempts, stored }: EventTrace): string[] {
  const lines = [...new Set(attempts.map(({ event }) => `  event      ${JSON.stringify(event)}`))];
  for (const { request, result } of attempts) {
    const { device, startedAt, endedAt, outcome, status, reason, events, atomic } = request;
    const when = `${(startedAt / 1000).toFixed(3)}–${(endedAt / 1000).toFixed(3)} s`;
    const batch = `${atomic ? 'atomic batch' : 'batch'} of ${events.length}`;
    const answer = result ? printResult(result) : [status || '', reason ?? ''].join(' ').trim();
    lines.push(`  request    ${when}  ${device}, ${batch}: ${outcome}, ${answer}`);
  }
  for (const row of stored) {
    lines.push(`  stored     version ${row.version}, ${row.outcome}: ${row.kind} ${row.payload}`);
  }
  return stored.length > 0 ? lines : [...lines, '  stored     nowhere'];
}

type Result = NonNullable<EventTrace['attempts'][number]['result']>;

function printResult({ status, original, version, code }: Result): string {
  const parts = [status, original && `of ${original}`, code, version && `version ${version}`];
  return parts.filter(Boolean).join(', ');
}

function printEntity(
  entity: { readonly entityType: string; readonly entityId: string },
  { devices, stored }: CheckData,
  expected: Records,
): string[] {
  const key = entityKeyOf(entity);
  const server = stored.records.find((record) => entityKeyOf(record) === key);
  const views = [
    ['the server', server] as const,
    ['the model', expected.get(key)] as const,
    ...devices.map(({ name, table }) => [name, table.get(key)] as const),
  ];
  return views.map(([who, record]) => `  ${who.padEnd(10)} ${describeRecord(record)}`);
}
