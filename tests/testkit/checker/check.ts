import { replayLog } from '../oracle/bundled/replay-log.ts';
import { checkAnswers, checkAtomic, checkUniqueness, checkVersions } from './check-log.ts';
import {
  checkAgainstModel,
  checkPullers,
  expectedRecords,
  type ReferenceModel,
} from './check-tables.ts';
import type { Device } from './device.ts';
import { acknowledgementOf, type CheckData, collectCheckData } from './event-traces.ts';
import { createHistory, type History } from './history.ts';
import { type CheckReport, printViolations, type Violation } from './report.ts';
import { readStoredState } from './stored-state.ts';
import type { VisibleRecord } from './visible-record.ts';

export interface CheckOptions {
  /** The database's URL for a role that sees every tenant. */
  readonly databaseUrl: string;
  readonly tenant: string;
  /** All pushes of the tenant. Without it, the log is only checked for its own consistency. */
  readonly history?: History;
  /** The tenant's clients. The check makes each of them pull to the end. */
  readonly devices?: readonly Device[];
  /** By default the model of the bundled kinds; null for kinds without a model. */
  readonly model?: ReferenceModel | null;
}

/**
 * Compares what clients were answered with what the database contains, once no request is in flight:
 *
 * - every acknowledged event is stored, with the outcome and the version of its answer;
 * - every identityKey is stored at most once, and no event that nobody sent or that was always refused;
 * - an atomic batch is stored completely or not at all;
 * - the versions run from 1 to the head without a gap, and each record names the event that wrote it;
 * - every client's table equals the server's, from any checkpoint and with any page size;
 * - the server's records, outcomes and times are those of a model that shares no code with the service.
 *
 * @throws Error where a check cannot be made, such as when a device gets no answer
 */
export async function check(options: CheckOptions): Promise<CheckReport> {
  const { databaseUrl, tenant, history, devices = [], model = replayLog } = options;
  const stored = await readStoredState(databaseUrl, tenant);
  const data = collectCheckData(stored, history ?? createHistory(), devices);
  const violations = [
    ...checkVersions(data),
    ...checkUniqueness(data),
    ...(history ? [...checkAnswers(data), ...checkAtomic(data)] : []),
    ...(history && model ? checkAgainstModel(data, model) : []),
    ...(await checkPullers(data)),
  ];
  const counts = countEvents(data, violations);
  const expected =
    history && model && violations.length > 0 ? expectedRecords(data, model) : noRecords;
  const text = [
    `tenant ${tenant}: ${Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ')}; ${violations.length} violations`,
    ...(violations.length > 0 ? [printViolations(violations, data, expected)] : []),
  ].join('\n\n');
  return { violations, counts, text };
}

/** Runs `check`. @throws Error with all violations */
export async function expectNothingLost(options: CheckOptions): Promise<CheckReport> {
  const report = await check(options);
  if (report.violations.length > 0) throw new Error(report.text);
  return report;
}

const noRecords = new Map<string, VisibleRecord>();

function countEvents(
  { traces }: CheckData,
  violations: readonly Violation[],
): CheckReport['counts'] {
  const sent = [...traces.values()].filter(({ attempts }) => attempts.length > 0);
  const acknowledged = sent.filter(({ attempts }) =>
    attempts.some((attempt) => acknowledgementOf(attempt) !== undefined),
  );
  const unknown = sent.filter(({ attempts }) =>
    attempts.every(({ request }) => request.outcome === 'unknown'),
  );
  const countDistinct = (kind: Violation['kind'], by: 'identityKey' | 'device') =>
    new Set(violations.filter((one) => one.kind === kind).map((one) => one[by])).size;
  return {
    sent: sent.length,
    acknowledged: acknowledged.length,
    unknown: unknown.length,
    lost: countDistinct('lost', 'identityKey'),
    twice: countDistinct('twice', 'identityKey'),
    differing: countDistinct('differs', 'device'),
  };
}
