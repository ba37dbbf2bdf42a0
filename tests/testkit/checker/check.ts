import { replay } from '../oracle/bundled/replay.ts';
import { checkAnswers, checkAtomic, checkOnce, checkVersions } from './check-log.ts';
import { checkModel, checkPullers, type Model, modelRecords } from './check-tables.ts';
import type { Device } from './device.ts';
import { type Evidence, gather, promiseOf } from './evidence.ts';
import { createHistory, type History } from './history.ts';
import { type Findings, type Problem, printProblems } from './report.ts';
import type { Shown } from './shown.ts';
import { readStored } from './stored.ts';

export interface CheckOptions {
  /** Straight to the database, as a role that sees every tenant. */
  readonly databaseUrl: string;
  readonly tenant: string;
  /** All that was ever pushed for the tenant; without it, only what the log says of itself is held. */
  readonly history?: History;
  /** Its clients: each pulls to the end. */
  readonly devices?: readonly Device[];
  /** By default that of the kinds that come with Landfall; null for kinds that have none. */
  readonly model?: Model | null;
}

/**
 * Holds what clients were told against what the database has, once nothing is under way any more:
 *
 * - what was acknowledged is stored, with the outcome and the version that were answered;
 * - each key at most once, and nothing that nobody sent or that was always refused;
 * - of an atomic batch all or nothing;
 * - versions 1 to head without gap, each record made by the event that it names;
 * - every puller's table equal to the server's, from any start and with any page size;
 * - the server's records, outcomes and times equal to those of a model that shares no code with it.
 *
 * @throws Error where it cannot check, as a device that is not answered
 */
export async function check(options: CheckOptions): Promise<Findings> {
  const { databaseUrl, tenant, history, devices = [], model = replay } = options;
  const stored = await readStored(databaseUrl, tenant);
  const evidence = gather(stored, history ?? createHistory(), devices);
  const problems = [
    ...checkVersions(evidence),
    ...checkOnce(evidence),
    ...(history ? [...checkAnswers(evidence), ...checkAtomic(evidence)] : []),
    ...(history && model ? checkModel(evidence, model) : []),
    ...(await checkPullers(evidence)),
  ];
  const records = history && model && problems.length > 0 ? modelRecords(evidence, model) : none;
  const counts = countsOf(evidence, problems);
  const text = [
    `tenant ${tenant}: ${Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ')}; ${problems.length} problems`,
    ...(problems.length > 0 ? [printProblems(problems, evidence, records)] : []),
  ].join('\n\n');
  return { problems, counts, text };
}

/** @throws Error with all that was found */
export async function expectNothingLost(options: CheckOptions): Promise<Findings> {
  const findings = await check(options);
  if (findings.problems.length > 0) throw new Error(findings.text);
  return findings;
}

const none = new Map<string, Shown>();

function countsOf({ stories }: Evidence, problems: readonly Problem[]): Findings['counts'] {
  const told = [...stories.values()].filter(({ attempts }) => attempts.length > 0);
  const acknowledged = told.filter(({ attempts }) =>
    attempts.some((attempt) => promiseOf(attempt) !== undefined),
  );
  const unknown = told.filter(({ attempts }) =>
    attempts.every(({ request }) => request.outcome === 'unknown'),
  );
  const distinct = (kind: Problem['kind'], by: 'identityKey' | 'device') =>
    new Set(problems.filter((problem) => problem.kind === kind).map((problem) => problem[by])).size;
  return {
    sent: told.length,
    acknowledged: acknowledged.length,
    unknown: unknown.length,
    lost: distinct('lost', 'identityKey'),
    twice: distinct('twice', 'identityKey'),
    differing: distinct('differs', 'device'),
  };
}
