import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { createLink, type Link, type Network } from './tcp-link.ts';

/** What passed from a client: a statement to PostgreSQL, or as it came, as of HTTP. */
export interface Passing {
  /** The statement's text, or the bytes as Latin-1. */
  readonly text: string;
  /** Of a prepared statement, else empty. */
  readonly name: string;
  /** Those of its transaction so far, from BEGIN to itself; empty outside of one. */
  readonly transaction: readonly string[];
  /** Numbers the connections from 1. */
  readonly connection: number;
}

/** A text that it holds (in its text or as its name), or whatever a test can say of it. */
export type Match = string | ((passing: Passing) => boolean);

/** Something on its way that the proxy keeps, with all that follows it on its connection. */
export interface Kept {
  readonly passing: Passing;
  /** PostgreSQL's process at the other end; 0 of another server. */
  readonly pid: number;
  /** Lets it go on as if nothing had been. */
  pass(): void;
  /** Resets both ends; what was kept is lost. */
  cut(): void;
}

/**
 * A bad network between clients and one server, PostgreSQL or HTTP.
 *
 * Towards PostgreSQL it knows where statements begin and end: those of one packet, or of one trip, are
 * told apart, one that comes in pieces is one, and a prepared one is known by its text when only its
 * name is sent. It speaks no TLS there. What is asked for with a `Match` happens once, to the next
 * that matches, on whatever connection.
 */
export interface TcpProxy {
  /** The target's URL by way of the proxy; of a port alone, an http one. */
  readonly url: string;
  readonly port: number;
  /** Times that a client spoke after the server had: one per round trip. */
  trips(): number;
  /** Open now, as clients see it. */
  connections(): number;
  /** Resets every connection; new ones are taken. */
  cut(): void;
  /** Resets every connection, and every new one. */
  refuse(): void;
  accept(): void;
  /** A black hole: nothing passes in either direction, nor does anybody's going away. */
  hold(): void;
  /** What was held goes on its way, in order. */
  release(): void;
  /** Each chunk waits that many milliseconds before it goes on, both ways; 0 for none. */
  delay(ms: number | (() => number)): void;
  /** Chunks go on in pieces of at most that many bytes, both ways; Infinity for whole ones. */
  slice(bytes: number | (() => number)): void;
  /** Notes what clients send from now on. @returns ends it, and gives what was noted */
  record(): () => readonly Passing[];
  /** Resolves when it went on to the server. */
  whenSent(match: Match): Promise<void>;
  /** It does not reach the server; what was sent before it in its trip does. Resolves when the proxy has it. */
  stopAt(match: Match): Promise<Kept>;
  /**
   * The server answers it, and nobody gets that answer, nor those to the rest of its trip, which come
   * together. Resolves when the proxy has all of them.
   */
  keepAnswerTo(match: Match): Promise<Kept>;
  /** The same; the client's connection then breaks or, with `hang`, stays silent. */
  loseAnswerTo(match: Match, how?: 'break' | 'hang'): Promise<void>;
  /** It goes to the server, and both ends are reset at once: what the server does is open. */
  cutAfter(match: Match): Promise<void>;
  close(): Promise<void>;
}

/** @param target a URL (postgresql: or http:), or a port of this machine; the server may come and go */
export async function startTcpProxy(target: string | number): Promise<TcpProxy> {
  const url = new URL(typeof target === 'number' ? `http://127.0.0.1:${target}` : target);
  const links = new Set<Link>();
  const network: Network = {
    isPostgres: url.protocol.startsWith('postgres'),
    trips: 0,
    gate: undefined,
    delayMs: () => 0,
    pieceBytes: () => Number.POSITIVE_INFINITY,
    recordings: new Set(),
    rules: new Set(),
  };
  const address = addressOf(url);
  let refusing = false;
  let made = 0;
  const server = createServer({ noDelay: true }, (client: Socket) => {
    if (refusing) return void client.resetAndDestroy();
    made += 1;
    const link = createLink(client, () => connect(address), network, made);
    links.add(link);
    client.once('close', () => links.delete(link));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const cut = () => links.forEach((link) => link.cut());
  const release = () => {
    network.gate?.resolve();
    network.gate = undefined;
  };
  const ask = <Result>(match: Match, act: 'sent' | 'stop' | 'answer') =>
    new Promise<Result>((resolve) => {
      const matches =
        typeof match === 'function'
          ? match
          : ({ text, name }: Passing) => text.includes(match) || name === match;
      network.rules.add({ act, matches, happened: resolve as (kept: Kept) => void });
    });

  return {
    url: throughPort(url, port),
    port,
    trips: () => network.trips,
    connections: () => links.size,
    cut,
    refuse() {
      refusing = true;
      cut();
    },
    accept() {
      refusing = false;
    },
    hold() {
      network.gate ??= Promise.withResolvers();
    },
    release,
    delay(ms) {
      network.delayMs = typeof ms === 'function' ? ms : () => ms;
    },
    slice(bytes) {
      network.pieceBytes = typeof bytes === 'function' ? bytes : () => bytes;
    },
    record() {
      const noted: Passing[] = [];
      network.recordings.add(noted);
      return () => {
        network.recordings.delete(noted);
        return noted;
      };
    },
    whenSent: async (match) => void (await ask(match, 'sent')),
    stopAt: (match) => ask(match, 'stop'),
    keepAnswerTo: (match) => ask(match, 'answer'),
    async loseAnswerTo(match, how = 'break') {
      const kept = await ask<Kept>(match, 'answer');
      if (how === 'break') kept.cut();
    },
    cutAfter: async (match) => (await ask<Kept>(match, 'sent')).cut(),
    async close() {
      cut();
      release();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A unix socket's folder stands in the query, as libpq has it. */
function addressOf({ searchParams, hostname, port, protocol }: URL) {
  const usual = protocol.startsWith('postgres') ? '5432' : '80';
  const folder = searchParams.get('host');
  return folder
    ? { path: `${folder}/.s.PGSQL.${port || usual}` }
    : { host: hostname, port: Number(port || usual), noDelay: true };
}

function throughPort(target: URL, port: number): string {
  if (target.protocol === 'http:') return `http://127.0.0.1:${port}`;
  const url = new URL(target);
  url.host = `127.0.0.1:${port}`;
  url.searchParams.delete('host');
  return url.href;
}
