import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createRetentionJob } from '../../src/retention/retention-job.ts';
import type { RetentionReport } from '../../src/retention/retention-pass.ts';

const report: RetentionReport = {
  ...{ tenants: 3, tombstones: 2, payloads: 1, busy: 0 },
  ...{ errors: [], stopped: false },
};
const hourMs = 3_600_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A job that runs `run` as its passes, with the lines that it logs. */
function createJob(
  run: (signal: AbortSignal) => Promise<RetentionReport | undefined>,
  intervalMs = hourMs,
) {
  const lines: object[] = [];
  const logTo = (level: string) => (fields: object) => void lines.push({ level, ...fields });
  const passes = vi.fn<typeof run>(run);
  const log = { info: logTo('info'), debug: logTo('debug'), error: logTo('error') };
  return { job: createRetentionJob({ intervalMs, run: passes, log }), passes, lines };
}

test('the first pass runs within a minute of the start, and each next one an interval after the last', async () => {
  const { job, passes } = createJob(async () => report);
  await vi.advanceTimersByTimeAsync(hourMs);
  expect(passes).toHaveBeenCalledTimes(0);
  job.start();
  expect(passes).toHaveBeenCalledTimes(0);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(passes).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(hourMs);
  expect(passes).toHaveBeenCalledTimes(2);
  await job.stop();
});

test('processes that start together run their first passes at different times', async () => {
  const starts = new Set<number>();
  const random = vi.spyOn(Math, 'random');
  for (const value of [0, 0.5, 0.99]) {
    random.mockReturnValueOnce(value);
    const startedAt = Date.now();
    const { job } = createJob(async () => {
      starts.add(Date.now() - startedAt);
      return report;
    });
    job.start();
    await vi.advanceTimersByTimeAsync(60_000);
    await job.stop();
  }
  random.mockRestore();
  expect(starts.size).toBe(3);
});

test('an interval beyond the maximum of a timer does not start a pass at once', async () => {
  let passCount = 0;
  // The third pass never ends. So a job that runs passes without a pause does not hang the test.
  const run = () => ((passCount += 1) > 2 ? new Promise<never>(() => {}) : Promise.resolve(report));
  const { job, passes } = createJob(run, 365 * 24 * hourMs);
  job.start();
  await vi.advanceTimersByTimeAsync(48 * hourMs);
  expect(passes).toHaveBeenCalledTimes(1);
  await job.stop();
});

test('a pass that takes longer than the interval delays the next one', async () => {
  const pass = Promise.withResolvers<RetentionReport>();
  const { job, passes } = createJob(() => pass.promise);
  job.start();
  await vi.advanceTimersByTimeAsync(5 * hourMs);
  expect(passes).toHaveBeenCalledTimes(1);
  pass.resolve(report);
  await vi.advanceTimersByTimeAsync(hourMs);
  expect(passes).toHaveBeenCalledTimes(2);
  await job.stop();
});

test('a pass logs one line of counts', async () => {
  const { job, lines } = createJob(async () => report);
  job.start();
  await vi.advanceTimersByTimeAsync(60_000);
  await job.stop();
  const counts = { tenants: 3, tombstones: 2, payloads: 1, busy: 0, failed: 0, stopped: false };
  const durationMs = expect.any(Number);
  expect(lines).toEqual([{ level: 'info', event: 'retention.done', ...counts, durationMs }]);
});

test('a pass that failed for some tenants logs their number and the first error', async () => {
  const errors = [new Error('one'), new Error('two')];
  const { job, lines } = createJob(async () => ({ ...report, errors }));
  job.start();
  await vi.advanceTimersByTimeAsync(60_000);
  await job.stop();
  const fields = { level: 'error', event: 'retention.failed', tombstones: 2, failed: 2 };
  expect(lines).toMatchObject([{ ...fields, err: errors[0] }]);
});

test('a pass that fails completely is logged, and the next one still runs', async () => {
  const { job, passes, lines } = createJob(async () => {
    throw new Error('no database');
  });
  job.start();
  await vi.advanceTimersByTimeAsync(60_000 + hourMs);
  expect(passes).toHaveBeenCalledTimes(2);
  const line = { level: 'error', event: 'retention.failed', err: new Error('no database') };
  expect(lines).toMatchObject([line, line]);
  await job.stop();
});

test('a pass that another process is running is logged at debug', async () => {
  const { job, lines } = createJob(async () => undefined);
  job.start();
  await vi.advanceTimersByTimeAsync(60_000);
  await job.stop();
  expect(lines).toEqual([{ level: 'debug', event: 'retention.skipped' }]);
});

test('stopping the job aborts the current pass, waits for it, and starts no further pass', async () => {
  const pass = Promise.withResolvers<RetentionReport>();
  let signal: AbortSignal | undefined;
  const { job, passes } = createJob((passSignal) => {
    signal = passSignal;
    return pass.promise;
  });
  job.start();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(signal?.aborted).toBe(false);
  const stopped = vi.fn<() => void>();
  const stopping = Promise.all([job.stop(), job.stop()]).then(stopped);
  await vi.advanceTimersByTimeAsync(hourMs);
  expect(signal?.aborted).toBe(true);
  expect(stopped).not.toHaveBeenCalled();
  pass.resolve({ ...report, stopped: true });
  await stopping;
  await vi.advanceTimersByTimeAsync(5 * hourMs);
  expect(passes).toHaveBeenCalledTimes(1);
});

test('a job that was never started can be stopped, and does not start after that', async () => {
  const { job, passes } = createJob(async () => report);
  await job.stop();
  job.start();
  await vi.advanceTimersByTimeAsync(hourMs);
  expect(passes).not.toHaveBeenCalled();
});
