import type { RunRetentionPass } from './retention-pass.ts';

export interface RetentionJobOptions {
  readonly intervalMs: number;
  readonly run: RunRetentionPass;
  readonly log: RetentionLog;
}

export interface RetentionLog {
  info(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface RetentionJob {
  start(): void;
  /** Resolves when the current transaction has ended. May be called more than once. */
  stop(): Promise<void>;
}

const firstPassMs = 60_000;
/** The maximum delay of a timer. With a longer delay, Node runs it at once. */
const maxTimerMs = 2 ** 31 - 1;

/** Runs a pass soon after the start and then at every interval. After a failed pass, the job continues. */
export function createRetentionJob({ intervalMs, run, log }: RetentionJobOptions): RetentionJob {
  const stopping = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let currentPass: Promise<void> = Promise.resolve();

  const schedule = (milliseconds: number) => {
    if (stopping.signal.aborted) return;
    // The random part spreads the passes of processes that were started together.
    const delay = Math.min(milliseconds * (0.5 + Math.random() / 2), maxTimerMs);
    timer = setTimeout(() => {
      currentPass = runLogged(run, stopping.signal, log).then(() => schedule(intervalMs));
    }, delay);
  };

  return {
    start: () => schedule(Math.min(intervalMs, firstPassMs)),
    async stop() {
      stopping.abort();
      clearTimeout(timer);
      await currentPass;
    },
  };
}

async function runLogged(
  run: RunRetentionPass,
  signal: AbortSignal,
  log: RetentionLog,
): Promise<void> {
  const startedAt = performance.now();
  const duration = () => ({ durationMs: Math.round(performance.now() - startedAt) });
  try {
    const report = await run(signal);
    if (!report) {
      log.debug({ event: 'retention.skipped' }, 'another process is cleaning up');
      return;
    }
    const { errors, ...counts } = report;
    const [err] = errors;
    const fields = { ...counts, failed: errors.length, ...duration() };
    if (errors.length === 0) log.info({ event: 'retention.done', ...fields }, 'cleaned up');
    else log.error({ event: 'retention.failed', ...fields, err }, 'tenants were left out');
  } catch (err) {
    log.error({ event: 'retention.failed', ...duration(), err }, 'cleaning up failed');
  }
}
