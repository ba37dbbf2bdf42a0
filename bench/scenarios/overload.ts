import { readFile } from 'node:fs/promises';
import { type Finding, finding, measure, rateOf, ratio } from '../findings.ts';
import type { Answers, Sample } from '../load/sample.ts';
import type { Load, BenchRun } from '../bench-run.ts';
import { watchMemory } from '../systems/memory.ts';
import { createWork, startFlood, startPushLoad } from './contestants.ts';
import type { Scenario } from './scenario.ts';

/** Times what the service can take. */
const excess = 5;
/** Requests a second that nobody notices. */
const quietRate = 20;
const probeSeconds = 0.5;
/** Of the p50 without load: from there on it is called the same. */
const likeBefore = 1.5;
const longestRecovery = 60;
const memoryEveryMs = 200;

interface Round {
  readonly best: Sample;
  readonly flooded: Sample;
  readonly quietP50: number;
  /** Seconds. */
  readonly recovery: number;
  readonly megabytes: number;
}

export const overloadScenario: Scenario = {
  name: 'overload',
  work: 'push-50 from clients that obey no refusal, five times as many requests as the service can take',
  unit: 'events',
  async run(bench) {
    const heapFile = bench.newFolder('heap');
    const databaseUrl = await bench.createDatabase('landfall');
    const landfall = await bench.startLandfall(databaseUrl, { heapFile });
    const steady = await startPushLoad(bench, 'landfall', landfall, createWork());
    const flood = await startFlood(bench, landfall, createWork());
    await steady.order({ do: 'closed', seconds: bench.sizes.warmUpSeconds });
    const rounds: Round[] = [];
    for (let round = 0; round < bench.sizes.floodRounds; round += 1) {
      rounds.push(await runRound(bench, landfall.pid, steady, flood));
    }
    const heap = Number(await readFile(heapFile, 'utf8').catch(() => 0)) / 2 ** 20;
    return {
      findings: [...toFindings(rounds), finding('heap: most', 'MB', [heap])],
      systems: {
        'as much as it can take': measure(rounds.map(({ best }) => best)),
        'five times as much': measure(rounds.map(({ flooded }) => flooded)),
      },
    };
  },
};

async function runRound(bench: BenchRun, pid: number, steady: Load, flood: Load): Promise<Round> {
  const { seconds, floodSeconds } = bench.sizes;
  const quiet = await flood.order({ do: 'offer', rate: quietRate, seconds: probeSeconds });
  const best = await bench.withCost(pid, () => steady.order({ do: 'closed', seconds }));
  const rate = (excess * best.requests) / best.seconds;
  let flooded: Sample | undefined;
  const endsAt = performance.now() + floodSeconds * 1000;
  const samples = await watchMemory(pid, memoryEveryMs, async () => {
    const order = { do: 'offer', rate, seconds: floodSeconds } as const;
    flooded = await bench.withCost(pid, () => flood.order(order));
  });
  if (!flooded) throw new Error('nothing was measured');
  const quietP50 = quiet.latencyMs.p50;
  const recovery = await untilLike(quietP50, flood, endsAt);
  return { best, flooded, quietP50, recovery, megabytes: Math.max(0, ...samples) };
}

/** @returns seconds from the last request to the first probe that is as quick as before, and not refused */
async function untilLike(quietP50: number, flood: Load, endedAt: number): Promise<number> {
  const elapsed = () => (performance.now() - endedAt) / 1000;
  while (elapsed() < longestRecovery) {
    const began = elapsed();
    const probe = await flood.order({ do: 'offer', rate: quietRate, seconds: probeSeconds });
    const { offered, accepted } = mustHaveAnswers(probe);
    if (accepted === offered && probe.latencyMs.p50 <= quietP50 * likeBefore) return began;
  }
  return longestRecovery;
}

function toFindings(rounds: readonly Round[]): readonly Finding[] {
  const flooded = rounds.map((round) => round.flooded);
  const share = (of: (answers: Answers) => number) =>
    flooded.map((sample) => {
      const answers = mustHaveAnswers(sample);
      return (100 * of(answers)) / answers.offered;
    });
  const best = rounds.map((round) => rateOf(round.best));
  return [
    ratio('accepted / best', flooded.map(rateOf), best, { atLeast: 0.8 }),
    finding(
      'answered 200',
      '%',
      share(({ accepted }) => accepted),
    ),
    finding(
      'answered 503',
      '%',
      share(({ unavailable }) => unavailable),
    ),
    finding(
      'answered 429',
      '%',
      share(({ limited }) => limited),
    ),
    finding(
      'answered otherwise',
      '%',
      share(({ other }) => other),
    ),
    finding(
      'no answer',
      '%',
      share(({ none }) => none),
    ),
    finding(
      'sent late, p99',
      'ms',
      flooded.map((sample) => mustHaveAnswers(sample).lateP99Ms),
    ),
    finding(
      'p50 without load',
      'ms',
      rounds.map(({ quietP50 }) => quietP50),
    ),
    finding(
      'p50 of the accepted',
      'ms',
      flooded.map(({ latencyMs }) => latencyMs.p50),
    ),
    finding(
      'p99 of the accepted',
      'ms',
      flooded.map(({ latencyMs }) => latencyMs.p99),
    ),
    finding(
      'p50 as without load after',
      's',
      rounds.map(({ recovery }) => recovery),
      { atMost: 5 },
    ),
    finding(
      'resident: most',
      'MB',
      rounds.map(({ megabytes }) => megabytes),
    ),
  ];
}

function mustHaveAnswers({ answers }: Sample): Answers {
  if (!answers) throw new Error('answers were not counted');
  return answers;
}
