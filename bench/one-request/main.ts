import { randomUUID } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { putNote } from '../../tests/testkit/events/sent-events.ts';
import {
  conflictsOnLargeRecord,
  conflictsOnWideRecord,
  type HeavyRequest,
} from '../../tests/testkit/events/heavy-requests.ts';
import { removeDataDir } from '../../tests/testkit/postgres/data-dir.ts';
import {
  type ServiceProcess,
  startService,
} from '../../tests/testkit/processes/service-process.ts';

/**
 * What one small request costs a service with a heap of 256 MB, and its neighbours: how long the answer is
 * and takes, how long the event loop stood, and how long a quiet tenant waited meanwhile.
 */
const heapMb = 256;
const probeMs = 5;
const rounds = 5;

const dataDir = await mkdtemp(join(tmpdir(), 'landfall-one-request-'));
const service = await startService({
  dataDir,
  env: { NODE_OPTIONS: `--max-old-space-size=${heapMb}`, MAX_EVENT_LOOP_DELAY: '500ms' },
});
try {
  for (const heavy of [conflictsOnLargeRecord, conflictsOnWideRecord]) {
    process.stdout.write(await measure(service, heavy));
  }
} finally {
  await service.stop();
  await removeDataDir(dataDir);
}

async function measure(
  of: ServiceProcess,
  { name, before, events }: HeavyRequest,
): Promise<string> {
  const tenant = randomUUID();
  for (const batch of before) await push(of, tenant, batch);
  const answers: Awaited<ReturnType<typeof push>>[] = [];
  const probes: number[] = [];
  const edits: number[] = [];
  const until = { isOver: false };
  const probing = repeat(until, probes, () => fetch(`${of.url}/livez`).then((a) => a.text()));
  const editing = repeat(until, edits, () => push(of, 'quiet', [putNote(randomUUID())]));
  for (let round = 0; round < rounds; round += 1) answers.push(await push(of, tenant, events()));
  until.isOver = true;
  await Promise.all([probing, editing]);
  const sum = (pick: (answer: (typeof answers)[number]) => number) =>
    answers.map((answer) => Math.round(pick(answer))).join(', ');
  return [
    `${name}, ${rounds} times`,
    `  sent           ${sum(({ sent }) => sent)} bytes`,
    `  answered       ${sum(({ status }) => status)}: ${sum(({ received }) => received)} bytes`,
    `  after          ${sum(({ ms }) => ms)} ms`,
    `  event loop     stood for at most ${Math.round(Math.max(...probes))} ms`,
    `  a neighbour    waited p50 ${quantile(edits, 0.5)}, p99 ${quantile(edits, 0.99)} ms (${edits.length} pushes)`,
    '',
  ].join('\n');
}

async function push(of: ServiceProcess, tenant: string, events: readonly unknown[]) {
  const body = JSON.stringify({ events });
  const startedAt = performance.now();
  const answer = await fetch(`${of.url}/api/sync/events?include=results`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${of.token({ tenant })}`,
      'content-type': 'application/json',
    },
    body,
  });
  const received = (await answer.arrayBuffer()).byteLength;
  const ms = performance.now() - startedAt;
  return { status: answer.status, sent: Buffer.byteLength(body), received, ms };
}

/** Again and again until it is over, one after the other. */
async function repeat(
  until: { readonly isOver: boolean },
  milliseconds: number[],
  work: () => Promise<unknown>,
): Promise<void> {
  while (!until.isOver) {
    const startedAt = performance.now();
    await work();
    milliseconds.push(performance.now() - startedAt);
    await sleep(probeMs);
  }
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN);
}
