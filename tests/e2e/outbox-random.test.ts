import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { RefusedError, UnavailableError } from '../outbox/request.ts';
import { createRandom, type Random } from '../testkit/workload/random.ts';
import { type GatewayHandler, type GatewayRequest, problem } from './gateway.ts';
import {
  codes,
  fakeClock,
  keysOf,
  notes,
  openBehindGateway,
  patch,
  put,
  remove,
  serverLog,
  serverNotes,
  useOutboxes,
} from './outbox-harness.ts';
import type { TestDevice } from './test-device.ts';

const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
const minute = 60_000;

useOutboxes();

test(`under random faults each edit is stored once and in order, or is kept for a person (SEED=${seed})`, async () => {
  const devices = await Promise.all(['laptop', 'phone'].map((name) => openDevice(name)));
  for (let round = 0; round < 20; round += 1) {
    for (const device of devices) await device.act();
  }
  for (const device of devices) await device.stopFaults();
  // Twice, so that each device pulls what the other has sent last.
  for (const device of [...devices, ...devices]) await device.outbox().sync();

  const log = keysOf(await serverLog());
  const stored = new Set(log);
  for (const { made, poisoned, outbox } of devices) {
    expect(outbox().pending()).toEqual([]);
    const failed = new Map(
      outbox()
        .failed()
        .map((edit) => [edit.event.identityKey, edit]),
    );
    for (const key of poisoned) expect(failed.get(key)?.lastError.attempts).toBe(1);
    // The others may fail by a decision of the service only.
    const others = [...failed.values()].filter(
      ({ event }) => !poisoned.includes(event.identityKey),
    );
    expect(['CONFLICT', 'NOT_FOUND', 'BLOCKED']).toEqual(expect.arrayContaining(codes(others)));
    const keys = [...made.values()].flat();
    expect(keys.filter((key) => !stored.has(key) && !failed.has(key))).toEqual([]);
    for (const keysOfNote of made.values()) {
      const sent = keysOfNote.filter((key) => stored.has(key));
      const own = new Set(sent);
      expect(log.filter((key) => own.has(key))).toEqual(sent);
    }
    expect(notes(outbox())).toEqual(await serverNotes());
  }
});

/** A device that edits, syncs, and is closed and opened again. Half of its requests fail. */
async function openDevice(name: string) {
  const random = createRandom(seed, name);
  const clock = fakeClock();
  let areFaultsOff = false;
  const answering: GatewayHandler = (request) => {
    if (request.body.includes('poison')) return refuse(random);
    return areFaultsOff ? request.forward() : injectFault(random, request);
  };
  const openIt = () => openBehindGateway(name, answering, clock);
  let outbox = await openIt();
  const made = new Map<string, string[]>();
  const poisoned: string[] = [];

  function edit(): void {
    const id = `n${random.int(0, 5)}`;
    const isPoisoned = random.chance(0.05);
    const text = isPoisoned ? 'poison' : `${random.int(0, 1e9)}`;
    const edits = [put(id, text), patch(id, { title: text }), patch(id, { body: text })];
    const chosen = !isPoisoned && random.chance(0.1) ? remove(id) : random.pick(edits);
    const key = outbox.enqueue(chosen, random.chance(0.3));
    made.set(id, [...(made.get(id) ?? []), key]);
    if (isPoisoned) poisoned.push(key);
  }

  return {
    made,
    poisoned,
    outbox: (): TestDevice => outbox,
    async act() {
      for (let edits = random.int(0, 12); edits > 0; edits -= 1) edit();
      clock.pass(random.int(-5, 20) * minute);
      if (random.chance(0.2)) outbox = await openIt();
      await Promise.all(
        Array.from({ length: random.int(0, 2) }, () => outbox.sync().catch(expected)),
      );
    },
    async stopFaults() {
      areFaultsOff = true;
      await outbox.drain();
    },
  };
}

/** A refusal of the whole request, by Landfall or by a proxy. */
function refuse(random: Random): Response {
  const code = random.pick(['TOO_DEEP', 'INVALID_JSON', undefined]);
  const status = random.pick([400, 413, 422]);
  return code ? problem(status, code) : new Response('refused', { status });
}

/** Answers half of the requests. Some of the others reach the service too. */
async function injectFault(random: Random, request: GatewayRequest): Promise<Response> {
  const { method, path, body, forward } = request;
  switch (random.int(0, 11)) {
    case 0:
      throw new Error('the request is lost');
    case 1:
      await forward();
      throw new Error('the answer is lost');
    case 2:
      return new Response('busy', { status: random.pick([408, 429, 500, 502, 503]) });
    case 3:
      return problem(random.pick([401, 403, 404]), 'REFUSED');
    case 4:
      return method === 'POST' ? serverFault(body) : problem(400, 'INVALID_CHECKPOINT');
    case 5:
      return path.includes('since=') ? problem(410, 'CHECKPOINT_EXPIRED') : forward();
    default:
      return forward();
  }
}

function serverFault(body: string): Response {
  const { events } = JSON.parse(body);
  const failed = events.map(({ identityKey }: { identityKey: string }) => ({
    ...{ identityKey, code: 'KIND_FAILED', message: 'a fault of the test' },
    ...{ retryable: true, retryAfterMs: minute, fault: 'server' },
  }));
  return Response.json({ success: true, processed: [], failed, results: [] });
}

function expected(error: unknown): void {
  if (!(error instanceof UnavailableError || error instanceof RefusedError)) throw error;
}
