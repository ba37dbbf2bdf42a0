import { setImmediate as turn } from 'node:timers/promises';

/** What goes unhandled in this process, which would end a service's. */
export function listenForUnhandled() {
  const reasons: unknown[] = [];
  const note = (reason: unknown) => void reasons.push(reason);
  process.on('unhandledRejection', note);
  return {
    /** Once the event loop went round, as a rejection is told of only then. */
    async all(): Promise<readonly unknown[]> {
      await turn();
      await turn();
      return reasons;
    },
    stop: () => process.off('unhandledRejection', note),
  };
}
