import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';

/** What of the heap is in use, and not only not collected yet. */
export interface LiveHeap {
  /** Bytes that the last collection of the whole heap left, where that was just now; else 0. */
  bytes(): number;
  close(): void;
}

/** Where memory is short, V8 collects again and again; where it does not, it has enough. */
const freshMs = 10_000;

/**
 * The heap as it is says little: V8 lets garbage lie as long as there is room, and a service that
 * refuses everything makes too little of it to have it collected. Only a collection tells the two apart.
 */
export function watchLiveHeap(): LiveHeap {
  let [live, measuredAt] = [0, Number.NEGATIVE_INFINITY];
  const observer = new PerformanceObserver((list) => {
    if (!list.getEntries().some(isMajorGc)) return;
    live = process.memoryUsage().heapUsed;
    measuredAt = performance.now();
  });
  observer.observe({ entryTypes: ['gc'] });
  return {
    bytes: () => (performance.now() - measuredAt < freshMs ? live : 0),
    close: () => observer.disconnect(),
  };
}

function isMajorGc(entry: PerformanceEntry): boolean {
  // Entries of this type have it, which the types of all entries do not say.
  const { detail } = entry as PerformanceEntry & { readonly detail: { readonly kind: number } };
  return detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
}
