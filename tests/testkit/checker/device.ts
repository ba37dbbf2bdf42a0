import { setTimeout as sleep } from 'node:timers/promises';
import type { PushAnswer } from '../../../src/protocol/push.ts';
import type { SentEvent } from '../oracle/events.ts';
import type { History, Outcome, PushRequest } from './history.ts';
import { createPuller, type Puller, type Table } from './puller.ts';
import { type Address, type Send, sendByHttp } from './send.ts';

export type DeviceOptions = {
  readonly history: History;
  readonly name: string;
  /** Its clock, in milliseconds since 1970, stamped on every push; by default this machine's. */
  readonly clock?: () => number;
  /** Between two tries of `drain` and `catchUp`. */
  readonly pauseMs?: number;
  /** Where another client of the tenant was: it pulls on from there. */
  readonly start?: Puller;
} & (Address | { readonly send: Send });

export type PullOutcome = 'ok' | 'expired' | 'fail';

/** A client of one tenant that keeps books of all it did. None of its requests throws. */
export interface Device {
  readonly name: string;
  readonly table: Table;
  /** Times that it began anew with 410. */
  readonly expirations: number;
  /** What was wrong with pages, whatever they held. */
  readonly pageFaults: readonly string[];
  /** Earlier states of it, at most eight, from which a pull has to come to the same end. */
  readonly starts: readonly Puller[];
  push(events: readonly SentEvent[], envelope?: { atomic?: boolean }): Promise<PushRequest>;
  /** Sends once more, as they were, all batches of which it does not know what became. */
  retryUnknown(): Promise<readonly PushRequest[]>;
  /**
   * Sends again until nothing is unknown, refused for now or retryable; an event that alone keeps
   * failing is given up for now.
   *
   * @returns those given up
   * @throws Error where the service does not come to answer for two minutes
   */
  drain(): Promise<readonly SentEvent[]>;
  /** One page. With 410 the table is emptied, and the next page is a bootstrap's first. */
  page(limit?: number): Promise<PullOutcome>;
  /** Pages until there is no more, or one is not answered. @returns whether it came to the end */
  pull(limit?: number): Promise<boolean>;
  /** The same until it came to the end. @throws Error where it does not for two minutes */
  catchUp(limit?: number): Promise<void>;
  /** Another client of the tenant, at the same address, that goes on from `start`. */
  fresh(name: string, start?: Puller): Device;
}

interface Batch {
  readonly events: readonly SentEvent[];
  readonly atomic: boolean;
  readonly why: 'unknown' | 'refused' | 'retryable';
}

/** For what hangs. */
const patienceMs = 120_000;
/** Rounds in which nothing moves before an event that fails for now is given up. */
const stuckRounds = 3;
const maxStarts = 8;
/** Refusals that say for sure that nothing was stored, and that another try may help. */
const passing = new Set(['UNAVAILABLE', 'TENANT_BUSY', 'OVERLOADED', 'RATE_LIMITED']);

export function createDevice(options: DeviceOptions): Device {
  const { history, name, clock = Date.now, pauseMs = 100 } = options;
  const send = 'send' in options ? options.send : sendByHttp(options);
  const pageFaults: string[] = [];
  const starts = createStarts();
  let queue: Batch[] = [];
  let puller = createPuller(options.start);
  let hasMore = true;
  let expirations = 0;

  async function push(events: readonly SentEvent[], { atomic = false } = {}): Promise<PushRequest> {
    const [startedAt, sentAt] = [history.now(), clock()];
    const body = { sentAt: new Date(sentAt).toISOString(), atomic, events };
    const path = '/api/sync/events?include=results';
    const answered = await send({ method: 'POST', path, body }).then(judge, noAnswer);
    const request = { device: name, events, atomic, sentAt, ...answered, startedAt };
    const done = { ...request, endedAt: history.now() };
    history.add(done);
    const left = leftOf(done);
    if (left && left.events.length > 0) queue.push(left);
    return done;
  }

  /** Takes what `again` names out of the queue and sends it; what fails comes back to its end. */
  async function sendAgain(again: (batch: Batch) => boolean): Promise<PushRequest[]> {
    const batches = queue.filter(again);
    queue = queue.filter((batch) => !again(batch));
    const requests: PushRequest[] = [];
    for (const { events, atomic } of batches) requests.push(await push(events, { atomic }));
    return requests;
  }

  async function page(limit = 500): Promise<PullOutcome> {
    const query = new URLSearchParams({ limit: `${limit}` });
    if (puller.since !== undefined) query.set('since', puller.since);
    const path = `/api/sync/changes?${query.toString()}`;
    const { status, body } = await send({ method: 'GET', path }).catch(nothing);
    if (status === 410) {
      puller = createPuller();
      expirations += 1;
      hasMore = true;
      return 'expired';
    }
    if (status !== 200 || !body) return 'fail';
    const at = puller.version;
    for (const fault of puller.apply(body, limit)) {
      pageFaults.push(`the page after ${at}, with limit ${limit}, ${fault}`);
    }
    hasMore = body.hasMore;
    starts.offer(puller);
    return 'ok';
  }

  async function pull(limit?: number): Promise<boolean> {
    for (;;) {
      const outcome = await page(limit);
      if (outcome === 'fail') return false;
      if (outcome === 'ok' && !hasMore) return true;
    }
  }

  async function drain(): Promise<readonly SentEvent[]> {
    const deadline = Date.now() + patienceMs;
    for (let stuck = 0; queue.length > 0 && stuck < stuckRounds; ) {
      const before = countOf(queue);
      await sendAgain(() => true);
      const answered = queue.every(({ why }) => why === 'retryable');
      stuck = answered && countOf(queue) === before ? stuck + 1 : 0;
      if (Date.now() > deadline) throw new Error(`${name} is not answered: ${lastOf(history)}`);
      if (queue.length > 0) await sleep(pauseMs);
    }
    return queue.splice(0).flatMap(({ events }) => events);
  }

  return {
    name,
    get table() {
      return puller.table;
    },
    get expirations() {
      return expirations;
    },
    pageFaults,
    get starts() {
      return starts.kept();
    },
    push,
    retryUnknown: () => sendAgain(({ why }) => why === 'unknown'),
    drain,
    page,
    pull,
    async catchUp(limit) {
      const deadline = Date.now() + patienceMs;
      while (!(await pull(limit))) {
        if (Date.now() > deadline) throw new Error(`${name} gets no page`);
        await sleep(pauseMs);
      }
    },
    fresh(other, start) {
      const { start: _own, ...same } = options;
      return createDevice({ ...same, name: other, ...(start && { start }) });
    },
  };
}

type Answered = Pick<PushRequest, 'outcome' | 'status' | 'reason' | 'answer'>;

/** Whether a refusal leaves it open what became of the batch: the contract says which do. */
function judge({ status, body }: { status: number; body?: unknown }): Answered {
  if (status === 200 && isPushAnswer(body)) return { outcome: 'ok', status, answer: body };
  const code = (body as { code?: string } | undefined)?.code;
  const isRefusal = code !== undefined && ((status >= 400 && status < 500) || passing.has(code));
  const outcome: Outcome = isRefusal ? 'fail' : 'unknown';
  return { outcome, status, reason: code ?? 'not an answer of the service' };
}

function isPushAnswer(body: unknown): body is PushAnswer {
  return typeof body === 'object' && body !== null && 'processed' in body;
}

function noAnswer(error: Error): Answered {
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return { outcome: 'unknown', status: 0, reason: `${error.message}${cause}` };
}

const nothing = () => ({ status: 0, body: undefined });

function leftOf({ outcome, events, atomic, reason = '', answer }: PushRequest): Batch | undefined {
  if (outcome === 'unknown') return { events, atomic, why: 'unknown' };
  if (outcome === 'fail') {
    return passing.has(reason) ? { events, atomic, why: 'refused' } : undefined;
  }
  const again = new Set(
    answer?.failed.flatMap(({ identityKey, retryable }) => (retryable ? identityKey : [])),
  );
  const left = events.filter(({ identityKey }) => again.has(identityKey));
  return { events: left, atomic, why: 'retryable' };
}

const countOf = (queue: readonly Batch[]) => queue.flatMap(({ events }) => events).length;

function lastOf({ requests }: History): string {
  const { status, reason } = requests.at(-1) ?? {};
  return `${status} ${reason}`;
}

/** Some states of a puller, spread over all that it went through. */
function createStarts() {
  let kept: Puller[] = [];
  let every = 1;
  let offered = 0;
  return {
    kept: () => kept,
    offer(puller: Puller) {
      offered += 1;
      if (offered % every > 0) return;
      kept.push(createPuller(puller));
      if (kept.length <= maxStarts) return;
      kept = kept.filter((_start, at) => at % 2 === 1);
      every *= 2;
    },
  };
}
