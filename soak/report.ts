import type { PushRequest } from '../tests/testkit/checker/history.ts';
import type { SoakTenant } from './tenants.ts';
import type { VerificationResult } from './verify.ts';

type Row = readonly [name: string, value: number | string];

/** One line about the pushes and faults so far. */
export function progressOf(
  tenants: readonly SoakTenant[],
  faults: ReadonlyMap<string, number>,
): string {
  const requests = requestsOf(tenants);
  const count = (outcome: PushRequest['outcome']) =>
    requests.filter((request) => request.outcome === outcome).length;
  const faultCount = [...faults.values()].reduce((sum, times) => sum + times, 0);
  return `${requests.length} pushes (${count('ok')} ok, ${count('fail')} refused, ${count('unknown')} unknown), ${countProcessed(requests)} events acknowledged, ${faultCount} faults`;
}

/** The result as a Markdown table. */
export function summaryOf(
  tenants: readonly SoakTenant[],
  faults: ReadonlyMap<string, number>,
  { counts, gaps, violationCount }: VerificationResult,
): string {
  const requests = requestsOf(tenants);
  const resolutions = tenants.flatMap((tenant) => tenant.resolutions);
  const users = tenants.flatMap((tenant) => tenant.users);
  const fresh = users.flatMap(({ freshDevices }) => freshDevices).length;
  return table([
    ['events sent', counts.sent],
    ['acknowledged', counts.acknowledged],
    ['lost', counts.lost],
    ['twice', counts.twice],
    ['clients that differ', counts.differing],
    ['versions missing or repeated', gaps],
    ['violations of all kinds', violationCount],
    ['devices, and clients that began anew', `${users.length} + ${fresh}`],
    ['conflicts resolved', resolutions.filter(({ status }) => status === 200).length],
    ...countAnswers(requests),
    ...[...faults].sort(byName).map(([name, times]): Row => [`faults: ${name}`, times]),
  ]);
}

function requestsOf(tenants: readonly SoakTenant[]): readonly PushRequest[] {
  return tenants.flatMap(({ history }) => history.requests);
}

function countProcessed(requests: readonly PushRequest[]): number {
  return requests.reduce((sum, { answer }) => sum + (answer?.processed.length ?? 0), 0);
}

/** The most frequent answer first. */
function countAnswers(requests: readonly PushRequest[]): Row[] {
  const groups = Map.groupBy(requests, describeAnswer);
  return [...groups]
    .map(([answer, all]): Row => [`pushes: ${answer}`, all.length])
    .sort(([, left], [, right]) => Number(right) - Number(left));
}

function describeAnswer({ outcome, status, reason = '' }: PushRequest): string {
  if (outcome === 'ok') return 'answered';
  return status === 0 ? 'no answer' : `${status} ${reason}`;
}

function table(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(
    ([name, value]) => `| ${name.padEnd(width)} | ${String(value).padStart(8)} |`,
  );
  return [
    `| ${''.padEnd(width)} | ${''.padStart(8)} |`,
    `| ${'-'.repeat(width)} | -------: |`,
    ...lines,
  ].join('\n');
}

const byName = ([left]: readonly [string, number], [right]: readonly [string, number]) =>
  left < right ? -1 : 1;
