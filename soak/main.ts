import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '../src/cli/command.ts';
import { rainFaults } from './faults.ts';
import { judge, type Verdict } from './judge.ts';
import { command, type Options, readOptions } from './options.ts';
import { createRandom } from './random.ts';
import { progressOf, summaryOf } from './report.ts';
import { openStage, type Stage } from './stage.ts';
import { settleTown, type Tenant } from './town.ts';

const progressMs = 10_000;
const say = (text: string) => void process.stdout.write(`${text}\n`);

/** @returns whether all was as it has to be; also false where it was stopped before it knew */
async function soak({ minutes, seed }: Options, stopping: AbortSignal): Promise<boolean> {
  say(`soak: seed ${seed}, ${minutes} minutes`);
  const stage = await openStage();
  let keep = false;
  try {
    const ending = AbortSignal.any([stopping, AbortSignal.timeout(minutes * 60_000)]);
    const tenants = settleTown(stage, seed);
    const faults = new Map<string, number>();
    const telling = tellProgress(ending, () => progressOf(tenants, faults));
    await Promise.all([
      rainFaults(stage, createRandom(seed, 'faults'), ending, (name) => {
        faults.set(name, (faults.get(name) ?? 0) + 1);
      }),
      ...tenants.flatMap(({ users }) => users.map((user) => user.live(ending))),
    ]);
    await telling;
    if (stopping.aborted) return false;
    say('soak: the faults end, the devices drain their queues, the checker reads');
    await stage.calm();
    const verdict = await orStopped(stopping, drainAndJudge(stage, tenants));
    if (!verdict) return false;
    keep = verdict.findings.length > 0;
    for (const finding of verdict.findings) say(`\n${finding}`);
    say(`\n${summaryOf(tenants, faults, verdict)}\n`);
    say(
      keep
        ? `soak: something is wrong, see above. Seed ${seed}; the data stays in ${stage.folder}`
        : 'soak: nothing is lost, nothing happened twice, all see the same.',
    );
    return !keep;
  } catch (error) {
    keep = !stopping.aborted;
    if (keep) say(`soak: it could not end. Seed ${seed}; the data stays in ${stage.folder}`);
    throw error;
  } finally {
    await stage.close(keep);
  }
}

async function drainAndJudge(stage: Stage, tenants: readonly Tenant[]): Promise<Verdict> {
  const devices = tenants.flatMap(({ users }) => users.map(({ device }) => device));
  await Promise.all(devices.map((device) => device.drain()));
  return judge(stage, tenants);
}

/** Undefined where it is stopped: what is under way then fails by itself, and nobody listens. */
async function orStopped<Result>(
  stopping: AbortSignal,
  work: Promise<Result>,
): Promise<Result | undefined> {
  const stopped = new Promise<undefined>((resolve) => {
    stopping.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  work.catch(() => {});
  return Promise.race([work, stopped]);
}

async function tellProgress(ending: AbortSignal, line: () => string): Promise<void> {
  const since = performance.now();
  while (!ending.aborted) {
    await sleep(progressMs, undefined, { signal: ending }).catch(() => {});
    say(`soak: ${((performance.now() - since) / 1000).toFixed(0)} s: ${line()}`);
  }
}

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping.signal.aborted) return;
    say('soak: stopping');
    stopping.abort();
  });
}
await runCommand(command, async (values) => {
  const options = readOptions(values);
  try {
    const isSound = await soak(options, stopping.signal);
    process.exitCode = stopping.signal.aborted ? 130 : isSound ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 1;
  }
});
// What was stopped in the middle may still wait for an answer that will not come.
process.exit();
