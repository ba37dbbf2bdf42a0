import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import {
  createBackendReader,
  createFrontendReader,
  type FrontendMessage,
} from './postgres-messages.ts';
import type { ClientMessage, HeldMessage } from './tcp-proxy.ts';

/** Applies once, to the next message that matches. */
export interface Interception {
  /** Before the server gets the message, right after that, or once its answer is complete. */
  readonly moment: 'request' | 'forwarded' | 'answer';
  readonly matches: (message: ClientMessage) => boolean;
  readonly resolve: (held: HeldMessage) => void;
}

/** What all connections of a proxy share. */
export interface ProxyState {
  readonly isPostgres: boolean;
  roundTrips: number;
  /** While it is set, no bytes pass. It resolves when the traffic resumes. */
  pause: PromiseWithResolvers<void> | undefined;
  latencyMs: () => number;
  chunkBytes: () => number;
  readonly recordings: Set<ClientMessage[]>;
  readonly interceptions: Set<Interception>;
}

/** A client's connection, and the connection to the server behind it. */
export interface ProxiedConnection {
  /** Resets both ends. */
  reset(): void;
}

const TRANSACTION_START = /^\s*(BEGIN|START TRANSACTION)\b/i;
const TRANSACTION_END = /^\s*(COMMIT|END|ROLLBACK(?! TO)|ABORT)\b/i;

/** @param number counts the proxy's connections from 1 */
export function createProxiedConnection(
  client: Socket,
  connectToServer: () => Socket,
  state: ProxyState,
  number: number,
): ProxiedConnection {
  const readFrontend = state.isPostgres ? createFrontendReader() : readChunk;
  const backend = createBackendReader();
  let server: Socket | undefined;
  let serverSpokeLast = true;
  /** How many answers the server has to send for all that it was sent. */
  let expectedAnswers = 0;
  let transaction: readonly string[] = [];
  let heldAnswer:
    | { readonly answers: number; readonly hold: Hold; readonly resolve: Interception['resolve'] }
    | undefined;
  client.on('error', () => {});

  const connection: ProxiedConnection = {
    reset() {
      resetSocket(client);
      if (server) resetSocket(server);
    },
  };

  function toClientMessage({ bytes, statement }: FrontendMessage): ClientMessage {
    const text = statement?.text ?? (state.isPostgres ? '' : bytes.toString('latin1'));
    if (TRANSACTION_START.test(text)) transaction = [text];
    else if (transaction.length > 0 && statement) transaction = [...transaction, text];
    const message = { text, name: statement?.name ?? '', transaction, connection: number };
    if (TRANSACTION_END.test(text)) transaction = [];
    return message;
  }

  async function forward(sent: FrontendMessage, to: Socket): Promise<void> {
    // Bytes that were still on their way when the connection broke belong to no later statement.
    if (client.destroyed || to.destroyed || to.writableEnded) return;
    if (sent.expectsAnswer) expectedAnswers += 1;
    if (state.isPostgres && !sent.statement) return deliver(sent.bytes, to, state);
    const message = toClientMessage(sent);
    for (const recording of state.recordings) recording.push(message);
    const matching = [...state.interceptions].filter(({ matches }) => matches(message));
    for (const interception of matching) state.interceptions.delete(interception);
    const createHold = () => holdMessage(message, backend.backendPid, connection);
    // The Sync that ends the statement's pipeline is still to come.
    const answers = sent.expectsAnswer ? expectedAnswers : expectedAnswers + 1;
    for (const { moment, resolve } of matching) {
      if (moment === 'answer') heldAnswer = { answers, hold: createHold(), resolve };
      if (moment !== 'request') continue;
      const hold = createHold();
      resolve(hold.held);
      await hold.released;
    }
    await deliver(sent.bytes, to, state);
    for (const { moment, resolve } of matching) {
      if (moment === 'forwarded') resolve(createHold().held);
    }
  }

  async function clientToServer(to: Socket): Promise<void> {
    for await (const chunk of client.iterator({ destroyOnReturn: false })) {
      if (serverSpokeLast) state.roundTrips += 1;
      serverSpokeLast = false;
      for (const sent of readFrontend(chunk)) await forward(sent, to);
    }
  }

  async function serverToClient(from: Socket): Promise<void> {
    let undelivered: Buffer[] = [];
    for await (const chunk of from.iterator({ destroyOnReturn: false })) {
      serverSpokeLast = true;
      if (state.isPostgres) backend.read(chunk);
      undelivered.push(chunk);
      if (heldAnswer) {
        if (state.isPostgres && backend.completedAnswers < heldAnswer.answers) continue;
        const { hold, resolve } = heldAnswer;
        heldAnswer = undefined;
        resolve(hold.held);
        await hold.released;
      }
      for (const bytes of undelivered.splice(0)) await deliver(bytes, client, state);
      undelivered = [];
    }
  }

  void (async () => {
    // While the traffic is paused, the server does not see a new connection either.
    await whenNotPaused(state);
    if (client.destroyed) return;
    const to = connectToServer();
    server = to;
    to.on('error', () => {});
    await Promise.all([
      runDirection(() => clientToServer(to), to, state),
      runDirection(() => serverToClient(to), client, state),
    ]);
  })();
  return connection;
}

interface Hold {
  readonly held: HeldMessage;
  /** Resolves once the message is released or the connection is reset. */
  readonly released: Promise<void>;
}

function holdMessage(
  message: ClientMessage,
  backendPid: number,
  connection: ProxiedConnection,
): Hold {
  const { promise: released, resolve } = Promise.withResolvers<void>();
  const held: HeldMessage = {
    message,
    backendPid,
    release: resolve,
    reset() {
      connection.reset();
      resolve();
    },
  };
  return { held, released };
}

const readChunk = (bytes: Buffer): FrontendMessage[] => [
  { bytes, statement: undefined, expectsAnswer: true },
];

/** Runs one direction. When it ends, or fails, so does the connection to which it writes. */
async function runDirection(
  run: () => Promise<void>,
  to: Socket,
  state: ProxyState,
): Promise<void> {
  try {
    await run();
    await whenNotPaused(state);
    to.end();
  } catch {
    await whenNotPaused(state);
    resetSocket(to);
  }
}

async function deliver(bytes: Buffer, to: Socket, state: ProxyState): Promise<void> {
  const ms = state.latencyMs();
  if (ms > 0) await sleep(ms);
  for (let at = 0; at < bytes.length && !to.destroyed; ) {
    await whenNotPaused(state);
    const piece = bytes.subarray(at, at + Math.max(1, state.chunkBytes()));
    at += piece.length;
    if (!to.write(piece)) await whenDrainedOrClosed(to);
    else if (at < bytes.length) await nextTurn();
  }
}

/** Resolves when the traffic is not paused. */
async function whenNotPaused(state: ProxyState): Promise<void> {
  while (state.pause) await state.pause.promise;
}

async function whenDrainedOrClosed(socket: Socket): Promise<void> {
  const closed = new AbortController();
  const close = () => closed.abort();
  socket.once('close', close);
  await once(socket, 'drain', { signal: closed.signal }).catch(() => {});
  socket.off('close', close);
}

function resetSocket(socket: Socket): void {
  // A unix socket has no reset.
  if (socket.remoteFamily === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
