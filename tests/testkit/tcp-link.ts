import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { createClientReader, createServerReader, type Sent } from './pg-messages.ts';
import type { Kept, Passing } from './tcp-proxy.ts';

/** What is to happen once, to the next that matches. */
export interface Rule {
  readonly act: 'sent' | 'stop' | 'answer';
  readonly matches: (passing: Passing) => boolean;
  readonly happened: (kept: Kept) => void;
}

/** What all links of a proxy have in common. */
export interface Network {
  readonly isPostgres: boolean;
  trips: number;
  /** While there is one, nothing passes. */
  gate: PromiseWithResolvers<void> | undefined;
  delayMs: () => number;
  pieceBytes: () => number;
  readonly recordings: Set<Passing[]>;
  readonly rules: Set<Rule>;
}

/** One client's connection, and the one to the server behind it. */
export interface Link {
  /** Resets both ends. */
  cut(): void;
}

const BEGINS = /^\s*(BEGIN|START TRANSACTION)\b/i;
const ENDS = /^\s*(COMMIT|END|ROLLBACK(?! TO)|ABORT)\b/i;

export function createLink(
  client: Socket,
  open: () => Socket,
  network: Network,
  connection: number,
): Link {
  const readClient = network.isPostgres ? createClientReader() : readWhole;
  const answered = createServerReader();
  let server: Socket | undefined;
  let serverSpoke = true;
  /** Answers that the server owes for all that was sent to it. */
  let asked = 0;
  let transaction: readonly string[] = [];
  let answer: { readonly until: number; readonly waiting: Waiting } | undefined;
  client.on('error', () => {});

  const link: Link = {
    cut() {
      reset(client);
      if (server) reset(server);
    },
  };

  function describe({ bytes, statement }: Sent): Passing {
    const text = statement?.text ?? (network.isPostgres ? '' : bytes.toString('latin1'));
    if (BEGINS.test(text)) transaction = [text];
    else if (transaction.length > 0 && statement) transaction = [...transaction, text];
    const passing = { text, name: statement?.name ?? '', transaction, connection };
    if (ENDS.test(text)) transaction = [];
    return passing;
  }

  async function send(sent: Sent, to: Socket): Promise<void> {
    // What was still on its way when the connection broke is nobody's next statement.
    if (client.destroyed || to.destroyed || to.writableEnded) return;
    if (sent.isAnswered) asked += 1;
    if (network.isPostgres && !sent.statement) return deliver(sent.bytes, to, network);
    const passing = describe(sent);
    for (const noted of network.recordings) noted.push(passing);
    const rules = [...network.rules].filter(({ matches }) => matches(passing));
    for (const rule of rules) network.rules.delete(rule);
    const keep = () => createWaiting(passing, answered.pid, link);
    // The Sync that ends its trip is still to come.
    const until = sent.isAnswered ? asked : asked + 1;
    for (const { act, happened } of rules) {
      if (act === 'answer') answer = { until, waiting: keepUntil(keep(), happened) };
      if (act !== 'stop') continue;
      const stop = keep();
      happened(stop.kept);
      await stop.decided;
    }
    await deliver(sent.bytes, to, network);
    for (const { act, happened } of rules) if (act === 'sent') happened(keep().kept);
  }

  async function clientToServer(to: Socket): Promise<void> {
    for await (const chunk of client.iterator({ destroyOnReturn: false })) {
      if (serverSpoke) network.trips += 1;
      serverSpoke = false;
      for (const sent of readClient(chunk)) await send(sent, to);
    }
  }

  async function serverToClient(from: Socket): Promise<void> {
    let kept: Buffer[] = [];
    for await (const chunk of from.iterator({ destroyOnReturn: false })) {
      serverSpoke = true;
      if (network.isPostgres) answered.read(chunk);
      kept.push(chunk);
      if (answer) {
        if (network.isPostgres && answered.answers < answer.until) continue;
        const { waiting } = answer;
        answer = undefined;
        waiting.happen();
        await waiting.decided;
      }
      for (const bytes of kept.splice(0)) await deliver(bytes, client, network);
      kept = [];
    }
  }

  void (async () => {
    // A connection that nobody answers does not reach the server either.
    await opened(network);
    if (client.destroyed) return;
    const to = open();
    server = to;
    to.on('error', () => {});
    await Promise.all([
      pass(() => clientToServer(to), to, network),
      pass(() => serverToClient(to), client, network),
    ]);
  })();
  return link;
}

interface Waiting {
  readonly kept: Kept;
  readonly decided: Promise<void>;
  happen(): void;
}

function createWaiting(passing: Passing, pid: number, link: Link): Waiting {
  const { promise: decided, resolve } = Promise.withResolvers<void>();
  const kept = {
    passing,
    pid,
    pass: resolve,
    cut() {
      link.cut();
      resolve();
    },
  };
  return { kept, decided, happen: () => {} };
}

function keepUntil(waiting: Waiting, happened: (kept: Kept) => void): Waiting {
  return { ...waiting, happen: () => happened(waiting.kept) };
}

const readWhole = (bytes: Buffer): Sent[] => [{ bytes, statement: undefined, isAnswered: true }];

/** Runs one direction; its end, whichever it is, is the other side's. */
async function pass(run: () => Promise<void>, to: Socket, network: Network): Promise<void> {
  try {
    await run();
    await opened(network);
    to.end();
  } catch {
    await opened(network);
    reset(to);
  }
}

async function deliver(bytes: Buffer, to: Socket, network: Network): Promise<void> {
  const ms = network.delayMs();
  if (ms > 0) await sleep(ms);
  for (let at = 0; at < bytes.length && !to.destroyed; ) {
    await opened(network);
    const piece = bytes.subarray(at, at + Math.max(1, network.pieceBytes()));
    at += piece.length;
    if (!to.write(piece)) await drained(to);
    else if (at < bytes.length) await turn();
  }
}

async function opened(network: Network): Promise<void> {
  while (network.gate) await network.gate.promise;
}

/** Or closed: then nobody waits for the rest. */
async function drained(socket: Socket): Promise<void> {
  const closed = new AbortController();
  const close = () => closed.abort();
  socket.once('close', close);
  await once(socket, 'drain', { signal: closed.signal }).catch(() => {});
  socket.off('close', close);
}

function reset(socket: Socket): void {
  // A unix socket knows no reset.
  if (socket.remoteFamily === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
