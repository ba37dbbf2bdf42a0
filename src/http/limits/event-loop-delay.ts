import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createSustainedValue } from './sustained-value.ts';

/** How late the event loop is. */
export interface EventLoopDelay {
  /** Milliseconds that a turn takes longer than it may, on average, for two samples on end. */
  ms(): number;
  close(): void;
}

const sampleMs = 500;
const resolutionMs = 10;

export function watchEventLoopDelay(): EventLoopDelay {
  const turns = monitorEventLoopDelay({ resolution: resolutionMs });
  turns.enable();
  const lasting = createSustainedValue();
  let sampledAt = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    // The histogram counts from turn to turn: it is empty where no whole turn fits between two samples.
    const isEmpty = turns.count === 0;
    lasting.sample(isEmpty ? now - sampledAt : Math.max(turns.mean / 1e6 - resolutionMs, 0));
    sampledAt = now;
    turns.reset();
  }, sampleMs).unref();
  return {
    ms: () => lasting.value(),
    close() {
      clearInterval(timer);
      turns.disable();
    },
  };
}
