import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '../src/cli/command.ts';
import { createRandom } from '../tests/testkit/workload/random.ts';
import { type Deployment, openDeployment } from './deployment.ts';
import { injectFaults } from './inject-faults.ts';
import { readSoakOptions, soakCommand, type SoakOptions } from './options.ts';
import { progressOf, summaryOf } from './report.ts';
import { createSoakTenants, type SoakTenant } from './tenants.ts';
import { type VerificationResult, verifyTenants } from './verify.ts';

const progressMs = 10_000;
const print = (text: string) => void process.stdout.write(`${text}\n`);

/** @returns whether every guarantee held; also false where the soak was stopped before it knew */
async function soak({ minutes, seed }: SoakOptions, stopping: AbortSignal): Promise<boolean> {
  print(`soak: seed ${seed}, ${minutes} minutes`);
  const deployment = await openDeployment();
  let keepFolder = false;
  try {
    const ending = AbortSignal.any([stopping, AbortSignal.timeout(minutes * 60_000)]);
    const tenants = createSoakTenants(deployment, seed);
    const faults = new Map<string, number>();
    const progress = printProgress(ending, () => progressOf(tenants, faults));
    await Promise.all([
      injectFaults(deployment, createRandom(seed, 'faults'), ending, (name) => {
        faults.set(name, (faults.get(name) ?? 0) + 1);
      }),
      ...tenants.flatMap(({ users }) => users.map((user) => user.run(ending))),
    ]);
    await progress;
    if (stopping.aborted) return false;
    print('soak: the faults end, the devices drain their queues, the checker reads');
    await deployment.recover();
    const result = await unlessStopped(stopping, drainAndVerify(deployment, tenants));
    if (!result) return false;
    keepFolder = result.details.length > 0;
    for (const detail of result.details) print(`\n${detail}`);
    print(`\n${summaryOf(tenants, faults, result)}\n`);
    print(
      keepFolder
        ? `soak: guarantees are broken, see above. Seed ${seed}; the data stays in ${deployment.folder}`
        : 'soak: no event is lost, none was applied twice, and all clients have the same records.',
    );
    return !keepFolder;
  } catch (error) {
    keepFolder = !stopping.aborted;
    if (keepFolder) {
      print(`soak: it failed. Seed ${seed}; the data stays in ${deployment.folder}`);
    }
    throw error;
  } finally {
    await deployment.close(keepFolder);
  }
}

async function drainAndVerify(
  deployment: Deployment,
  tenants: readonly SoakTenant[],
): Promise<VerificationResult> {
  const devices = tenants.flatMap(({ users }) => users.map(({ device }) => device));
  await Promise.all(devices.map((device) => device.drain()));
  return verifyTenants(deployment, tenants);
}

/** Undefined where the soak is stopped. The work then fails by itself, and its error is ignored. */
async function unlessStopped<Result>(
  stopping: AbortSignal,
  work: Promise<Result>,
): Promise<Result | undefined> {
  const stopped = new Promise<undefined>((resolve) => {
    stopping.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  work.catch(() => {});
  return Promise.race([work, stopped]);
}

async function printProgress(ending: AbortSignal, line: () => string): Promise<void> {
  const startedAt = performance.now();
  while (!ending.aborted) {
    await sleep(progressMs, undefined, { signal: ending }).catch(() => {});
    print(`soak: ${((performance.now() - startedAt) / 1000).toFixed(0)} s: ${line()}`);
  }
}

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping.signal.aborted) return;
    print('soak: stopping');
    stopping.abort();
  });
}
await runCommand(soakCommand, async (values) => {
  const options = readSoakOptions(values);
  try {
    const isSound = await soak(options, stopping.signal);
    process.exitCode = stopping.signal.aborted ? 130 : isSound ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 1;
  }
});
// A soak that was stopped may still wait for answers that will not arrive.
process.exit();
