import type { Client } from './client.ts';
import type { Database } from './database.ts';
import type { Answer } from './dialect.ts';
import { pull } from './pull.ts';
import { type Failure, nextBatch, type QueuedEvent, sentAt } from './queue.ts';
import { saveRecord } from './records.ts';
import { RefusedError, request, UnavailableError } from './request.ts';

const maxAttempts = 3;
const maxServerFaultMs = 30 * 86_400_000;

/** Refusals that no event is the cause of: of the sender, the address, the envelope, the way. */
const notOfAnEvent = new Set<unknown>([
  ...[401, 402, 403, 404, 405, 410, 411, 415, 421, 426, 428, 431],
  ...['INVALID_ENVELOPE', 'INVALID_QUERY', 'INVALID_BODY', 'MALFORMED_REQUEST'],
]);

type Result = NonNullable<Answer['results']>[number];

/**
 * Sends what is due. An event leaves the queue only by its own answer: wherever this throws or the
 * process dies, the next flush sends the rest again, under the same identityKeys.
 *
 * @throws UnavailableError, SignInError, RefusedError
 */
export async function flush(client: Client): Promise<void> {
  const { database, dialect, batchSize, clock } = client;
  for (let size = batchSize; ; ) {
    const now = clock();
    const batch = nextBatch(database, size, now);
    const [first] = batch;
    if (!first) return;
    const events = batch.map(({ event }) => event);
    try {
      const body = dialect.write(events, sentAt(database, now));
      settle(client, batch, await request(client, dialect.path, body));
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      const { status, code, message } = error;
      if (notOfAnEvent.has(status) || notOfAnEvent.has(code)) throw error;
      // The batch is too large, or one of its events is to blame, and must not stop the others.
      size = Math.ceil(batch.length / 2);
      if (batch.length > 1) continue;
      // Refused by another than Landfall: does that let anything pass? If not, this throws.
      if (!code) await pull(client);
      putBack(client, first, { code, message, retryable: false });
      size = batchSize;
    }
  }
}

/** Takes a batch's answer in one transaction: a crash leaves all of it, or all to be sent again. */
function settle(client: Client, batch: readonly QueuedEvent[], answer: Partial<Answer>): void {
  const { database, dialect } = client;
  const processed = new Set(answer.processed);
  const failures = new Map(answer.failed?.map((entry) => [entry[dialect.key], entry]));
  const results = new Map(answer.results?.map((entry) => [entry[dialect.key], entry]));
  const waiting = new Set<string>();
  database.transaction(() => {
    for (const queued of batch) {
      const { identityKey } = queued.event;
      const failure = failures.get(identityKey);
      const result = results.get(identityKey);
      if (!failure && !processed.has(identityKey)) {
        throw new UnavailableError(`no answer to ${identityKey}`);
      }
      // A loser's answer brings the record that won, so that it shows at once.
      const current = failure?.current ?? result?.current;
      if (current) saveRecord(database, current);
      if (!failure) finish(database, identityKey, result);
      else putBack(client, queued, failure, waiting.has(queued.entity));
      if (failure?.retryable) waiting.add(queued.entity);
    }
  });
}

function finish({ run }: Database, identityKey: string, result?: Result): void {
  // A loser rolls back by leaving the queue; what was taken stays to be seen until it is pulled.
  const lost = (result?.original ?? result?.status) === 'superseded';
  if (lost) run('DELETE FROM queue WHERE identity_key = ?', identityKey);
  else {
    const taken = "UPDATE queue SET status = 'processed', version = ? WHERE identity_key = ?";
    run(taken, result?.version ?? 0, identityKey);
  }
}

/**
 * For a later try or, given up, for a person to look at.
 *
 * @param behind an earlier event of the same entity has just been put back
 */
function putBack(client: Client, queued: QueuedEvent, failure: Failure, behind = false): void {
  const { database, clock, random } = client;
  const now = clock();
  // The device is not to blame: this uses up no try.
  const isServerFault = failure.fault === 'server';
  const since = isServerFault ? (queued.lastError?.since ?? now) : undefined;
  const untried = isServerFault || (behind && failure.code === 'BLOCKED');
  const tried = queued.attempts + (untried ? 0 : 1);
  const mayWait = since === undefined ? tried < maxAttempts : now - since < maxServerFaultMs;
  const status = failure.retryable && mayWait ? 'pending' : 'failed';
  const nextAttemptAt = now + backoffMs(tried, failure.retryAfterMs, random);
  database.run(
    `UPDATE queue SET status = ?, attempts = ?, next_attempt_at = ?, last_error = ?
     WHERE identity_key = ? AND status = 'pending'`,
    status,
    tried,
    nextAttemptAt,
    JSON.stringify({ ...failure, since }),
    queued.event.identityKey,
  );
}

/** 1 s, 2 s, 4 s … 5 min, but not before the server's floor; jitter only adds. */
export function backoffMs(tried: number, floorMs = 0, random: () => number): number {
  const wait = Math.max(floorMs, Math.min(1_000 * 2 ** (tried - 1), 300_000));
  return Math.round(wait * (1 + random() / 2));
}
