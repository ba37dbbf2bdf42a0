import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'undici';
import { connect, type Request, send } from './http.ts';
import { type Answers, Recorder, type Sample } from './sample.ts';
import { batchOf, type Work } from './work.ts';

export interface FloodPlan {
  readonly url: string;
  readonly tokens: Readonly<Record<string, string>>;
  readonly work: Work;
}

/** Clients that obey nothing: they send when they want to, and take any answer. */
export interface Flood {
  /** On schedule, whatever the answers, until the last of them. @param rate requests a second */
  offer(rate: number, seconds: number): Promise<Sample>;
  /** All at once. */
  burst(requests: number): Promise<Sample>;
}

/**
 * Where all are at work, what is due is not sent: a generator that keeps it would measure itself.
 */
const connectionCount = 2_000;

export async function createFlood({ url, tokens, work }: FloodPlan): Promise<Flood> {
  const next = createRequests(work, tokens);
  /** The one that was used last is used first, so that no more are opened than it takes. */
  const idle: Client[] = Array.from({ length: connectionCount }, () => connect(url));

  await openAll(idle);

  async function offer(rate: number, seconds: number): Promise<Sample> {
    const tally = new Tally(work.batch);
    const total = Math.round(rate * seconds);
    const underWay: Promise<void>[] = [];
    for (let index = 0; index < total; index += 1) {
      const dueAt = tally.startedAt + (index / rate) * 1000;
      const early = dueAt - performance.now();
      if (early > 0) await sleep(early);
      underWay.push(sendDue(tally, dueAt));
    }
    await Promise.all(underWay);
    return tally.finish();
  }

  async function burst(requests: number): Promise<Sample> {
    const tally = new Tally(work.batch);
    await Promise.all(Array.from({ length: requests }, () => sendDue(tally, tally.startedAt)));
    return tally.finish();
  }

  async function sendDue(tally: Tally, dueAt: number): Promise<void> {
    tally.sent(dueAt);
    const client = idle.pop();
    if (!client) return tally.unsent();
    try {
      const { status } = await send(client, next());
      tally.answered(status, dueAt);
    } catch {
      tally.unanswered();
    } finally {
      idle.push(client);
    }
  }

  return { offer, burst };
}

/**
 * Before anything is measured: a process takes one new connection a turn of its event loop, so a flood of
 * them waits in the kernel and never reaches it.
 */
async function openAll(clients: readonly Client[]): Promise<void> {
  const asking = clients.values();
  const askOn = async () => {
    for (const client of asking) {
      await send(client, { method: 'GET', path: '/livez', headers: {} });
    }
  };
  await Promise.all(Array.from({ length: 50 }, askOn));
}

class Tally {
  readonly startedAt = performance.now();
  readonly #accepted = new Recorder();
  readonly #late = new Recorder();
  readonly #counts = { offered: 0, accepted: 0, unavailable: 0, limited: 0, other: 0, none: 0 };
  readonly #units: number;

  constructor(units: number) {
    this.#units = units;
  }

  sent(dueAt: number): void {
    this.#late.add(performance.now() - dueAt, 0);
  }

  answered(status: number, dueAt: number): void {
    const counts = this.#counts;
    counts.offered += 1;
    if (status === 200) {
      counts.accepted += 1;
      this.#accepted.add(performance.now() - dueAt, this.#units);
    } else if (status === 503) counts.unavailable += 1;
    else if (status === 429) counts.limited += 1;
    else counts.other += 1;
  }

  unanswered(): void {
    this.#counts.offered += 1;
    this.#counts.none += 1;
  }

  /** Due, and no connection was free: to its client, no answer. */
  unsent(): void {
    this.unanswered();
  }

  finish(): Sample & { readonly answers: Answers } {
    return {
      ...this.#accepted.finish(),
      answers: { ...this.#counts, lateP99Ms: this.#late.finish().latencyMs.p99 },
    };
  }
}

/** As wide as the number of any request. */
const placeholder = '#########';

/**
 * Bodies that are made once, of which each request gets its own keys: to put a body together takes as long
 * as to send it, on the cores that the service needs.
 */
function createRequests(work: Work, tokens: Readonly<Record<string, string>>): () => Request {
  const run = work.startedAt.toString(16);
  const templates = work.tenants.map((tenant, lane) => {
    const { edits } = batchOf(work, lane, 0);
    const events = edits.map(
      ({ payload }, index) =>
        `{"identityKey":"${run}-${placeholder}-${index}","kind":"note.put","payload":${payload}}`,
    );
    const body = Buffer.from(`{"events":[${events.join()}]}`);
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${tokens[tenant]}`,
    };
    return { body, headers, places: placesOf(body) };
  });
  let count = 0;
  return () => {
    count += 1;
    const template = templates[count % templates.length];
    if (!template) throw new Error('nothing to send');
    const number = String(count).padStart(placeholder.length, '0');
    const body = Buffer.from(template.body);
    for (const place of template.places) body.write(number, place, 'latin1');
    return { method: 'POST', path: '/api/sync/events', headers: template.headers, body };
  };
}

function placesOf(body: Buffer): readonly number[] {
  const places: number[] = [];
  for (let at = body.indexOf(placeholder); at >= 0; at = body.indexOf(placeholder, at + 1)) {
    places.push(at);
  }
  return places;
}
