import type { PushRequest } from '../tests/testkit/checker/history.ts';
import type { Verdict } from './judge.ts';
import type { Tenant } from './town.ts';

type Row = readonly [name: string, value: number | string];

/** One line on how it goes. */
export function progressOf(
  tenants: readonly Tenant[],
  faults: ReadonlyMap<string, number>,
): string {
  const requests = requestsOf(tenants);
  const of = (outcome: string) => requests.filter((request) => request.outcome === outcome).length;
  const broken = [...faults.values()].reduce((sum, count) => sum + count, 0);
  return `${requests.length} pushes (${of('ok')} ok, ${of('fail')} refused, ${of('unknown')} unknown), ${acknowledged(requests)} answers of events, ${broken} faults`;
}

/** What it came to, as a table in Markdown. */
export function summaryOf(
  tenants: readonly Tenant[],
  faults: ReadonlyMap<string, number>,
  { counts, gaps, problems }: Verdict,
): string {
  const requests = requestsOf(tenants);
  const settlements = tenants.flatMap((tenant) => tenant.settlements);
  const users = tenants.flatMap((tenant) => tenant.users);
  const fresh = users.flatMap(({ others }) => others).length;
  const rows: readonly Row[] = [
    ['events sent', counts.sent],
    ['acknowledged', counts.acknowledged],
    ['lost', counts.lost],
    ['twice', counts.twice],
    ['pullers that differ', counts.differing],
    ['versions missing or double', gaps],
    ['problems of all kinds', problems],
    ['devices, and others that began anew', `${users.length} + ${fresh}`],
    ['conflicts that somebody settled', settlements.filter(({ status }) => status === 200).length],
    ...counted('pushes: ', requests.map(wordOf)),
    ...[...faults].sort(byName).map(([name, count]): Row => [`faults: ${name}`, count]),
  ];
  return table(rows);
}

function requestsOf(tenants: readonly Tenant[]): readonly PushRequest[] {
  return tenants.flatMap(({ history }) => history.requests);
}

function acknowledged(requests: readonly PushRequest[]): number {
  return requests.reduce((sum, { answer }) => sum + (answer?.processed.length ?? 0), 0);
}

function wordOf({ outcome, status, reason = '' }: PushRequest): string {
  if (outcome === 'ok') return 'answered';
  return status === 0 ? 'no answer' : `${status} ${reason}`;
}

function counted(prefix: string, words: readonly string[]): Row[] {
  const groups = Map.groupBy(words, (word) => word);
  return [...groups]
    .map(([word, all]): Row => [prefix + word, all.length])
    .sort(([, left], [, right]) => Number(right) - Number(left));
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
