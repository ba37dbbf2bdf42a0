import {
  constants,
  monitorEventLoopDelay,
  type PerformanceEntry,
  PerformanceObserver,
} from 'node:perf_hooks';

/** How late the event loop is. */
export interface EventLoopDelay {
  /** The mean delay of an iteration of the event loop in milliseconds, sustained over two samples. */
  ms(): number;
  close(): void;
}

/** The part of the heap that is in use, without garbage. */
export interface LiveHeap {
  /** The bytes that the last major garbage collection left. 0 if that collection was not recent. */
  bytes(): number;
  close(): void;
}

/** A measured value without its peaks. */
export interface SustainedValue {
  sample(measured: number): void;
  /** The smaller one of the last two samples. A single pause does not count, a sustained overload does. */
  value(): number;
}

const sampleMs = 500;
const resolutionMs = 10;
/** V8 collects garbage again and again while memory is short. Without a recent collection it has enough. */
const recentMs = 10_000;

export function watchEventLoopDelay(): EventLoopDelay {
  const iterations = monitorEventLoopDelay({ resolution: resolutionMs });
  iterations.enable();
  const delay = createSustainedValue();
  let sampledAt = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    // The histogram is empty if no whole iteration of the event loop fits between two samples.
    const isEmpty = iterations.count === 0;
    delay.sample(isEmpty ? now - sampledAt : Math.max(iterations.mean / 1e6 - resolutionMs, 0));
    sampledAt = now;
    iterations.reset();
  }, sampleMs).unref();
  return {
    ms: () => delay.value(),
    close() {
      clearInterval(timer);
      iterations.disable();
    },
  };
}

/**
 * The size of the heap alone does not show an overload: V8 keeps garbage as long as there is room. A
 * service that refuses every request also makes too little garbage to start a collection. Only the heap
 * right after a major collection shows how much memory is in use.
 */
export function watchLiveHeap(): LiveHeap {
  let [liveBytes, measuredAt] = [0, Number.NEGATIVE_INFINITY];
  const observer = new PerformanceObserver((list) => {
    if (!list.getEntries().some(isMajorGc)) return;
    liveBytes = process.memoryUsage().heapUsed;
    measuredAt = performance.now();
  });
  observer.observe({ entryTypes: ['gc'] });
  return {
    bytes: () => (performance.now() - measuredAt < recentMs ? liveBytes : 0),
    close: () => observer.disconnect(),
  };
}

export function createSustainedValue(): SustainedValue {
  let [sustained, last] = [0, 0];
  return {
    sample(measured) {
      sustained = Math.min(last, measured);
      last = measured;
    },
    value: () => sustained,
  };
}

function isMajorGc(entry: PerformanceEntry): boolean {
  // Every entry of the type `gc` has this detail. The declared type of an entry does not say so.
  const { detail } = entry as PerformanceEntry & { readonly detail: { readonly kind: number } };
  return detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
}
