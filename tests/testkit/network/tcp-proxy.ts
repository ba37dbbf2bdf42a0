import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import {
  createProxiedConnection,
  type Interception,
  type ProxiedConnection,
  type ProxyState,
} from './proxied-connection.ts';

/** What a client sent: a statement to PostgreSQL, or a chunk of bytes to another server. */
export interface ClientMessage {
  /** The statement's text, or the bytes as Latin-1. */
  readonly text: string;
  /** The name of a prepared statement; empty otherwise. */
  readonly name: string;
  /** The statements of its transaction, from BEGIN to this one; empty outside a transaction. */
  readonly transaction: readonly string[];
  /** The number of the connection, from 1. */
  readonly connection: number;
}

/** Selects a message: by a part of its text, by its statement's name, or by a function. */
export type MessageMatcher = string | ((message: ClientMessage) => boolean);

/** A message or an answer that the proxy holds, together with all that follows it on its connection. */
export interface HeldMessage {
  readonly message: ClientMessage;
  /** The id of the PostgreSQL process that serves the connection; 0 with another server. */
  readonly backendPid: number;
  /** Lets the traffic of the connection continue. */
  release(): void;
  /** Resets both ends of the connection. The held bytes are lost. */
  reset(): void;
}

/**
 * A TCP proxy between clients and one server, PostgreSQL or HTTP. Tests use it to make the network fail.
 *
 * In front of PostgreSQL it reads the wire protocol, without TLS: it separates the statements of one packet
 * or pipeline, joins a statement that arrives in pieces, and knows the text of a prepared statement that is
 * sent by its name. Methods with a `MessageMatcher` apply once, to the next message that matches on any
 * connection.
 */
export interface TcpProxy {
  /** The target's URL through the proxy; an http URL where the target is a port. */
  readonly url: string;
  readonly port: number;
  /** How often a client sent something after the server had: once per round trip. */
  roundTrips(): number;
  /** The number of client connections that are open now. */
  openConnections(): number;
  /** Resets every open connection. New connections are accepted. */
  resetConnections(): void;
  /** Resets every open connection and every new one. */
  refuseConnections(): void;
  acceptConnections(): void;
  /** A black hole: no bytes and no closing of a connection pass, in either direction. */
  pauseTraffic(): void;
  /** Delivers what was paused, in order. */
  resumeTraffic(): void;
  /** Delays each chunk by so many milliseconds, in both directions; 0 for no delay. */
  setLatency(ms: number | (() => number)): void;
  /** Splits chunks into pieces of at most so many bytes, in both directions; Infinity for no splitting. */
  setChunkSize(bytes: number | (() => number)): void;
  /** Accepts connections, resumes the traffic, and sets latency and chunk size back. */
  clearFaults(): void;
  /** Records what clients send from now on. @returns a function that ends the recording and returns it */
  record(): () => readonly ClientMessage[];
  /** Resolves once the proxy has sent the message to the server. */
  whenForwarded(match: MessageMatcher): Promise<void>;
  /** Holds the message before the server gets it. Earlier messages of its pipeline reach the server. */
  holdRequest(match: MessageMatcher): Promise<HeldMessage>;
  /**
   * Sends the message to the server and holds its answer, with the answers to the rest of its pipeline.
   * Resolves once the proxy has all of them.
   */
  holdAnswerTo(match: MessageMatcher): Promise<HeldMessage>;
  /** Holds the answer for ever; the client's connection is then reset or, with `hang`, stays silent. */
  loseAnswerTo(match: MessageMatcher, how?: 'break' | 'hang'): Promise<void>;
  /** Sends the message to the server and resets both ends at once: the server may or may not process it. */
  resetAfter(match: MessageMatcher): Promise<void>;
  close(): Promise<void>;
}

/** @param target a URL (postgresql: or http:), or a port of this machine; the server may come and go */
export async function startTcpProxy(target: string | number): Promise<TcpProxy> {
  const url = new URL(typeof target === 'number' ? `http://127.0.0.1:${target}` : target);
  const connections = new Set<ProxiedConnection>();
  const state: ProxyState = {
    isPostgres: url.protocol.startsWith('postgres'),
    roundTrips: 0,
    pause: undefined,
    latencyMs: () => 0,
    chunkBytes: () => Number.POSITIVE_INFINITY,
    recordings: new Set(),
    interceptions: new Set(),
  };
  const address = addressOf(url);
  let refusing = false;
  let accepted = 0;
  const server = createServer({ noDelay: true }, (client: Socket) => {
    if (refusing) return void client.resetAndDestroy();
    accepted += 1;
    const connection = createProxiedConnection(client, () => connect(address), state, accepted);
    connections.add(connection);
    client.once('close', () => connections.delete(connection));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const resetConnections = () => connections.forEach((connection) => connection.reset());
  const acceptConnections = () => {
    refusing = false;
  };
  const resumeTraffic = () => {
    state.pause?.resolve();
    state.pause = undefined;
  };
  const setLatency = (ms: number | (() => number)) => {
    state.latencyMs = typeof ms === 'function' ? ms : () => ms;
  };
  const setChunkSize = (bytes: number | (() => number)) => {
    state.chunkBytes = typeof bytes === 'function' ? bytes : () => bytes;
  };
  const intercept = (match: MessageMatcher, moment: Interception['moment']) =>
    new Promise<HeldMessage>((resolve) => {
      const matches =
        typeof match === 'function'
          ? match
          : ({ text, name }: ClientMessage) => text.includes(match) || name === match;
      state.interceptions.add({ moment, matches, resolve });
    });

  return {
    url: urlThroughPort(url, port),
    port,
    roundTrips: () => state.roundTrips,
    openConnections: () => connections.size,
    resetConnections,
    refuseConnections() {
      refusing = true;
      resetConnections();
    },
    acceptConnections,
    pauseTraffic() {
      state.pause ??= Promise.withResolvers();
    },
    resumeTraffic,
    setLatency,
    setChunkSize,
    clearFaults() {
      acceptConnections();
      setLatency(0);
      setChunkSize(Number.POSITIVE_INFINITY);
      resumeTraffic();
    },
    record() {
      const recording: ClientMessage[] = [];
      state.recordings.add(recording);
      return () => {
        state.recordings.delete(recording);
        return recording;
      };
    },
    whenForwarded: async (match) => void (await intercept(match, 'forwarded')),
    holdRequest: (match) => intercept(match, 'request'),
    holdAnswerTo: (match) => intercept(match, 'answer'),
    async loseAnswerTo(match, how = 'break') {
      const held = await intercept(match, 'answer');
      if (how === 'break') held.reset();
    },
    resetAfter: async (match) => (await intercept(match, 'forwarded')).reset(),
    async close() {
      resetConnections();
      resumeTraffic();
      server.close();
      await once(server, 'close');
    },
  };
}

/** libpq's URLs name the folder of a unix socket in the query parameter `host`. */
function addressOf({ searchParams, hostname, port, protocol }: URL) {
  const defaultPort = protocol.startsWith('postgres') ? '5432' : '80';
  const folder = searchParams.get('host');
  return folder
    ? { path: `${folder}/.s.PGSQL.${port || defaultPort}` }
    : { host: hostname, port: Number(port || defaultPort), noDelay: true };
}

function urlThroughPort(target: URL, port: number): string {
  if (target.protocol === 'http:') return `http://127.0.0.1:${port}`;
  const url = new URL(target);
  url.host = `127.0.0.1:${port}`;
  url.searchParams.delete('host');
  return url.href;
}
