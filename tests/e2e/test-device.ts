import type { LocalEdit, OutboxOptions } from '../outbox/outbox.ts';
import { GuardedOutbox } from './guarded-outbox.ts';
import { type ClientDialect, translate } from './systems/dialect.ts';
import { type LocalKinds, useKinds } from './systems/local-kinds.ts';

export interface TestDeviceOptions extends OutboxOptions {
  readonly kinds: LocalKinds;
  /** Without it, the device speaks the protocol. */
  readonly dialect?: ClientDialect;
}

export type TestDevice = ReturnType<typeof createTestDevice>;

/** A device of the tests: an outbox, the kinds that its app knows, and a person who looks at failures. */
export function createTestDevice({ kinds, dialect, ...options }: TestDeviceOptions) {
  const translated = dialect && { fetch: translate(dialect, options.fetch) };
  const outbox = new GuardedOutbox({ ...options, ...translated });
  const { apply, entityOf } = useKinds(kinds);
  const changeFailed = (change: string) => (identityKey: string) => {
    outbox.database.run(`${change} WHERE status = 'failed' AND identity_key = ?`, identityKey);
  };
  const pending = () => outbox.read('pending ORDER BY position');
  return {
    outbox,
    /** @returns the identityKey */
    enqueue: (edit: LocalEdit, guarded = false) =>
      guarded
        ? outbox.enqueueGuarded(...entityOf(edit), edit)
        : outbox.enqueue(...entityOf(edit), edit),
    view: (entityType: string) => outbox.view(entityType, apply),
    version: (entityType: string, entityId: string) => outbox.version(entityType, entityId),
    pending,
    /** The pending events that the server takes once it is mended. */
    waitingForServer: () => pending().filter(({ lastError }) => lastError.fault === 'server'),
    failed: () => outbox.read("queue WHERE status = 'failed' ORDER BY position"),
    /** Sends a failed event once more. */
    retry: changeFailed(
      "UPDATE queue SET status = 'pending', next_attempt_at = 0, last_error = '{}'",
    ),
    discard: changeFailed('DELETE FROM queue'),
    push: () => outbox.push(),
    pull: () => outbox.pull(),
    sync: () => outbox.sync(),
    drain: () => outbox.drain(),
    close: () => outbox.database.close(),
  };
}
