import { setTimeout as sleep } from 'node:timers/promises';
import type { PushAnswer } from '../../../src/protocol/push.ts';
import type { SentEvent } from '../events/sent-events.ts';
import { sendByHttp, type SendRequest, type ServiceAddress } from '../network/send-request.ts';
import type { History, PushRequest, RequestOutcome } from './history.ts';
import { createPuller, type Puller, type RecordTable } from './puller.ts';

export type DeviceOptions = {
  readonly history: History;
  readonly name: string;
  /** The device's clock, in milliseconds since 1970, which every push contains; by default Date.now. */
  readonly clock?: () => number;
  /** Milliseconds between two attempts of `drain` and `catchUp`. */
  readonly pauseMs?: number;
  /** The state of another client of the tenant, from which this one continues to pull. */
  readonly resumeFrom?: Puller;
} & (ServiceAddress | { readonly send: SendRequest });

export type PullOutcome = 'ok' | 'expired' | 'fail';

/** A client of one tenant that records all its pushes in a history. Its requests do not throw. */
export interface Device {
  readonly name: string;
  readonly table: RecordTable;
  /** How often its checkpoint had expired (410), so that it pulled everything again. */
  readonly expirations: number;
  /** What was wrong with the pages themselves, independent of the table. */
  readonly pageFaults: readonly string[];
  /** At most eight earlier states. A client that continues from any of them has to reach the same table. */
  readonly resumePoints: readonly Puller[];
  push(events: readonly SentEvent[], envelope?: { atomic?: boolean }): Promise<PushRequest>;
  /** Sends all batches again, unchanged, whose outcome is unknown. */
  retryUnknown(): Promise<readonly PushRequest[]>;
  /**
   * Sends batches again until none is unknown, refused for now, or retryable. It gives up events that keep
   * failing while nothing else changes.
   *
   * @returns the events that it gave up
   * @throws Error where the service has not answered within two minutes
   */
  drain(): Promise<readonly SentEvent[]>;
  /** Pulls one page. After a 410 the table is empty, and the next page is the first of all. */
  page(limit?: number): Promise<PullOutcome>;
  /** Pulls pages until the end, or until one is not answered. @returns whether it reached the end */
  pull(limit?: number): Promise<boolean>;
  /** Pulls until the end, and repeats what is not answered. @throws Error where that takes two minutes */
  catchUp(limit?: number): Promise<void>;
  /** Another client of the tenant, at the same address. It continues from `resumeFrom`, or pulls everything. */
  newClient(name: string, resumeFrom?: Puller): Device;
}

/** Events that the device has to send again. */
interface QueuedBatch {
  readonly events: readonly SentEvent[];
  readonly atomic: boolean;
  readonly reason: 'unknown' | 'refused' | 'retryable';
}

/** The time after which the device gives up a service that does not answer. */
const patienceMs = 120_000;
/** Rounds without any change after which `drain` gives up the events that keep failing. */
const maxUnchangedRounds = 3;
const maxResumePoints = 8;
/** Refusals that guarantee that nothing was stored, and after which another attempt may succeed. */
const temporaryRefusals = new Set(['UNAVAILABLE', 'TENANT_BUSY', 'OVERLOADED', 'RATE_LIMITED']);

export function createDevice(options: DeviceOptions): Device {
  const { history, name, clock = Date.now, pauseMs = 100 } = options;
  const send = 'send' in options ? options.send : sendByHttp(options);
  const pageFaults: string[] = [];
  const resumePoints = createResumePoints();
  let queue: QueuedBatch[] = [];
  let puller = createPuller(options.resumeFrom);
  let hasMore = true;
  let expirations = 0;

  async function push(events: readonly SentEvent[], { atomic = false } = {}): Promise<PushRequest> {
    const [startedAt, sentAt] = [history.now(), clock()];
    const body = { sentAt: new Date(sentAt).toISOString(), atomic, events };
    const path = '/api/sync/events?include=results';
    const answer = await send({ method: 'POST', path, body }).then(classifyAnswer, withoutAnswer);
    const request: PushRequest = {
      ...{ device: name, events, atomic, sentAt, startedAt, endedAt: history.now() },
      ...answer,
    };
    history.add(request);
    const again = batchToSendAgain(request);
    if (again && again.events.length > 0) queue.push(again);
    return request;
  }

  /** Sends the selected batches of the queue. What fails again is queued at the end. */
  async function sendAgain(isSelected: (batch: QueuedBatch) => boolean): Promise<PushRequest[]> {
    const batches = queue.filter(isSelected);
    queue = queue.filter((batch) => !isSelected(batch));
    const requests: PushRequest[] = [];
    for (const { events, atomic } of batches) requests.push(await push(events, { atomic }));
    return requests;
  }

  async function page(limit = 500): Promise<PullOutcome> {
    const query = new URLSearchParams({ limit: `${limit}` });
    if (puller.since !== undefined) query.set('since', puller.since);
    const path = `/api/sync/changes?${query.toString()}`;
    const { status, body } = await send({ method: 'GET', path }).catch(noAnswer);
    if (status === 410) {
      puller = createPuller();
      expirations += 1;
      hasMore = true;
      return 'expired';
    }
    if (status !== 200 || !body) return 'fail';
    const after = puller.version;
    for (const fault of puller.apply(body, limit)) {
      pageFaults.push(`the page after ${after}, with limit ${limit}, ${fault}`);
    }
    hasMore = body.hasMore;
    resumePoints.offer(puller);
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
    for (let unchanged = 0; queue.length > 0 && unchanged < maxUnchangedRounds; ) {
      const before = countEvents(queue);
      await sendAgain(() => true);
      const isAnswered = queue.every(({ reason }) => reason === 'retryable');
      unchanged = isAnswered && countEvents(queue) === before ? unchanged + 1 : 0;
      if (Date.now() > deadline) throw new Error(`${name} is not answered: ${lastAnswer(history)}`);
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
    get resumePoints() {
      return resumePoints.kept();
    },
    push,
    retryUnknown: () => sendAgain(({ reason }) => reason === 'unknown'),
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
    newClient(other, resumeFrom) {
      const { resumeFrom: _own, ...shared } = options;
      return createDevice({ ...shared, name: other, ...(resumeFrom && { resumeFrom }) });
    },
  };
}

type ClassifiedAnswer = Pick<PushRequest, 'outcome' | 'status' | 'reason' | 'answer'>;

/** The protocol defines which refusals leave the outcome of the batch unknown. */
function classifyAnswer({ status, body }: { status: number; body?: unknown }): ClassifiedAnswer {
  if (status === 200 && isPushAnswer(body)) return { outcome: 'ok', status, answer: body };
  const code = (body as { code?: string } | undefined)?.code;
  const isRefusal =
    code !== undefined && ((status >= 400 && status < 500) || temporaryRefusals.has(code));
  const outcome: RequestOutcome = isRefusal ? 'fail' : 'unknown';
  return { outcome, status, reason: code ?? 'not an answer of the service' };
}

function isPushAnswer(body: unknown): body is PushAnswer {
  return typeof body === 'object' && body !== null && 'processed' in body;
}

function withoutAnswer(error: Error): ClassifiedAnswer {
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return { outcome: 'unknown', status: 0, reason: `${error.message}${cause}` };
}

const noAnswer = () => ({ status: 0, body: undefined });

function batchToSendAgain(request: PushRequest): QueuedBatch | undefined {
  const { outcome, events, atomic, reason = '', answer } = request;
  if (outcome === 'unknown') return { events, atomic, reason: 'unknown' };
  if (outcome === 'fail') {
    return temporaryRefusals.has(reason) ? { events, atomic, reason: 'refused' } : undefined;
  }
  const retryable = new Set(
    answer?.failed.flatMap((failed) => (failed.retryable ? failed.identityKey : [])),
  );
  const failed = events.filter(({ identityKey }) => retryable.has(identityKey));
  return { events: failed, atomic, reason: 'retryable' };
}

const countEvents = (queue: readonly QueuedBatch[]) => queue.flatMap(({ events }) => events).length;

function lastAnswer({ requests }: History): string {
  const { status, reason } = requests.at(-1) ?? {};
  return `${status} ${reason}`;
}

/** Keeps a few states of a puller, spread over all that it has had. */
function createResumePoints() {
  let kept: Puller[] = [];
  let every = 1;
  let offered = 0;
  return {
    kept: () => kept,
    offer(puller: Puller) {
      offered += 1;
      if (offered % every > 0) return;
      kept.push(createPuller(puller));
      if (kept.length <= maxResumePoints) return;
      kept = kept.filter((_point, index) => index % 2 === 1);
      every *= 2;
    },
  };
}
