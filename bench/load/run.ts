import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, type Dispatcher, Pool } from 'undici';
import { type Answer, type Request, send } from './http.ts';
import { Recorder, type Sample } from './sample.ts';
import type { Exchange, Traffic } from './traffic.ts';

/** Each connection sends its next request when it has the answer to the last one. */
export async function runClosed(
  connections: readonly Client[],
  traffic: Traffic,
  goesOn: (lane: number) => boolean,
): Promise<Sample> {
  const recorder = new Recorder();
  const runLane = async (client: Client, lane: number) => {
    while (goesOn(lane)) {
      const exchange = traffic.next(lane);
      const sentAt = performance.now();
      const answer = await send(client, exchange.request);
      recorder.add(performance.now() - sentAt, exchange.settle(answer));
    }
  };
  await Promise.all(connections.map(runLane));
  return recorder.finish();
}

export function forSeconds(seconds: number): () => boolean {
  const until = performance.now() + seconds * 1000;
  return () => performance.now() < until;
}

/** In all, whichever lane gets there first. */
export function forTimes(times: number): () => boolean {
  let left = times;
  return () => left-- > 0;
}

/** On each lane, however fast the others are. */
export function forTimesALane(times: number): (lane: number) => boolean {
  const left = new Map<number, number>();
  return (lane) => {
    const here = left.get(lane) ?? times;
    left.set(lane, here - 1);
    return here > 0;
  };
}

/** What the least Retry-After says. */
const retryMs = 1_000;

/** As an outbox does: what is refused for now comes again, and its answer is as late as that makes it. */
async function sendUntilTaken(dispatcher: Dispatcher, request: Request): Promise<Answer> {
  for (;;) {
    const answer = await send(dispatcher, request);
    if (answer.status !== 503) return answer;
    await sleep(retryMs);
  }
}

export interface OpenLoop {
  readonly url: string;
  readonly lanes: number;
  /** Requests a second. */
  readonly rate: number;
  readonly seconds: number;
}

/**
 * Sends on schedule, whether or not earlier requests were answered, on as many connections as that
 * takes. Latency counts from the scheduled moment: a request that had to wait in this process for
 * a service that stood still is as late as its client would find it.
 */
export async function runOpen(
  { url, lanes, rate, seconds }: OpenLoop,
  traffic: Traffic,
): Promise<Sample> {
  const pool = new Pool(url, { connections: 512, pipelining: 1 });
  const recorder = new Recorder();
  const startedAt = performance.now();
  const total = Math.round(rate * seconds);
  const underWay: Promise<void>[] = [];
  const sendScheduled = async (exchange: Exchange, dueAt: number) => {
    const answer = await sendUntilTaken(pool, exchange.request);
    recorder.add(performance.now() - dueAt, exchange.settle(answer));
  };
  for (let index = 0; index < total; index += 1) {
    const dueAt = startedAt + (index / rate) * 1000;
    const early = dueAt - performance.now();
    if (early > 0) await sleep(early);
    underWay.push(sendScheduled(traffic.next(index % lanes), dueAt));
  }
  await Promise.all(underWay);
  await pool.close();
  return recorder.finish();
}
