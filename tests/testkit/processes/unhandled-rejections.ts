import { setImmediate as nextTurn } from 'node:timers/promises';

/** Collects the unhandled rejections of this process. In a service process, one of them would end the process. */
export function collectUnhandledRejections() {
  const reasons: unknown[] = [];
  const collect = (reason: unknown) => void reasons.push(reason);
  process.on('unhandledRejection', collect);
  return {
    /** The reasons so far. It waits for the event loop, as Node.js reports a rejection one turn later. */
    async all(): Promise<readonly unknown[]> {
      await nextTurn();
      await nextTurn();
      return reasons;
    },
    stop: () => process.off('unhandledRejection', collect),
  };
}
