import { randomUUID } from 'node:crypto';
import { type IncomingMessage, STATUS_CODES, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { type ProblemCode, RequestProblem, requestProblems } from '../../domain/errors.ts';
import { overloadedError } from '../../scheduling/refusals.ts';
import { watchSlowReaders } from '../limits/slow-readers.ts';
import { toProblem } from '../../protocol/problem.ts';

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export interface ConnectionsOptions {
  readonly logger: FastifyBaseLogger;
  /** The service will stop: each answer now ends its connection. */
  readonly isStopping: () => boolean;
}

export interface Connections {
  /** For what Node refuses before there is a request. */
  readonly clientErrorHandler: (error: NodeJS.ErrnoException, socket: Socket) => void;
  /** Before the server listens. */
  watch(app: FastifyInstance): void;
}

/** What a client that hangs on may still send before its connection is destroyed. */
const lingerMs = 1_000;

/** Requests of a connection that are not answered: one that sends more on is answered by its end. */
const maxPipelined = 8;
/** A client on the slowest of networks takes ten times as much. */
const slowReader = { periodMs: 30_000, minBytes: 16_384 };

const refusals = new Map<string | undefined, ProblemCode>([
  ['HPE_HEADER_OVERFLOW', 'HEADERS_TOO_LARGE'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'REQUEST_TIMEOUT'],
]);

/**
 * The connections below the framework: what breaks the rules of HTTP is refused like everything else
 * and closed, and a stop closes those on which nothing is to be answered.
 */
export function createConnections({ logger, isStopping }: ConnectionsOptions): Connections {
  /** Every open connection, with what is not answered yet, in order. */
  const open = new Map<Socket, Exchange[]>();
  const refused = new WeakSet<Socket>();
  /** More of a connection than it may send ahead. */
  const excess = new WeakSet<IncomingMessage>();

  function track(socket: Socket): void {
    open.set(socket, []);
    socket.once('close', () => {
      const left = open.get(socket) ?? [];
      open.delete(socket);
      for (const { response } of left) if (response.socket === null) endUnsent(response);
    });
  }

  function begin(request: IncomingMessage, response: ServerResponse): void {
    if (isStopping()) response.setHeader('connection', 'close');
    const exchanges = open.get(request.socket) ?? [];
    const exchange = { request, response };
    if (exchanges.length >= maxPipelined) excess.add(request);
    exchanges.push(exchange);
    response.once('close', () => exchanges.splice(exchanges.indexOf(exchange), 1));
    // Before Node's own, which closes the connection.
    response.prependOnceListener('runAdmitted', () => {
      if (!request.complete) request.socket.destroySoon = () => hangOn(request);
    });
  }

  function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    // The parser goes on to complain about the rest.
    if (refused.has(socket)) return;
    refused.add(socket);
    const isOfHttp = error.code?.startsWith('HPE_') || error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
    if (!isOfHttp || !socket.writable) return void socket.destroy();
    refuse(socket, refusals.get(error.code) ?? 'MALFORMED_REQUEST', error.code);
  }

  function refuse(socket: Socket, code: ProblemCode, reason: string | undefined): void {
    const reqId = randomUUID();
    logger.info({ event: 'connection.refused', reqId, code, reason }, 'a connection is refused');
    const exchanges = open.get(socket) ?? [];
    const { request, response } = exchanges.at(-1) ?? {};
    // What is being read is refused itself, after all before it. What has been read keeps its answer.
    const isBroken = request?.complete === false && response?.headersSent === false;
    const before = isBroken ? exchanges.at(-2)?.response : response;
    if (before === undefined) return sendLast(socket, refusalText(code, reqId));
    if (!isBroken && !before.headersSent) before.setHeader('connection', 'close');
    before.once('close', () => sendLast(socket, isBroken ? refusalText(code, reqId) : ''));
  }

  return {
    clientErrorHandler: onClientError,
    watch(app) {
      const server: Server = app.server;
      server.on('connection', track);
      server.prependListener('request', begin);
      // Landfall has nothing to say to any but 100-continue, and may pass over it (RFC 9110, 10.1.1).
      server.on('checkExpectation', (...exchange) => server.emit('request', ...exchange));
      server.on('connect', (_request, socket: Socket) => {
        socket.on('error', () => {});
        refuse(socket, 'MALFORMED_REQUEST', 'CONNECT');
      });
      app.addHook('onRequest', async ({ raw }, reply) => {
        if (raw.httpVersion !== '1.0' && raw.headers.host === undefined) {
          reply.header('connection', 'close');
          throw new RequestProblem('MALFORMED_REQUEST');
        }
        if (excess.has(raw)) {
          reply.header('connection', 'close');
          throw overloadedError();
        }
      });
      const onCut = () => logger.info({ event: 'connection.cut' }, 'a client hardly reads');
      const endWatch = watchSlowReaders({ ...slowReader, open, onCut });
      app.addHook('onClose', async () => endWatch());
      app.addHook('preClose', async () => {
        for (const [socket, exchanges] of open) {
          if (exchanges.length === 0) socket.destroySoon();
          for (const { response } of exchanges) {
            if (!response.headersSent) response.setHeader('connection', 'close');
          }
        }
      });
    },
  };
}

/** Node tells only the answer whose turn it is that its connection is gone, and none behind it. */
function endUnsent(response: ServerResponse): void {
  response.destroy();
  response.emit('close');
}

/** Reads on for a moment: what arrives at a closed socket resets it, and the answer would be lost. */
function sendLast(socket: Socket, text: string): void {
  socket.end(text);
  socket.resume();
  setTimeout(() => socket.destroy(), lingerMs).unref();
}

/** The same behind an answer that was given before the request had arrived whole. */
function hangOn(request: IncomingMessage): void {
  request.resume();
  sendLast(request.socket, '');
}

function refusalText(code: ProblemCode, reqId: string): string {
  const { status } = requestProblems[code];
  const body = JSON.stringify(toProblem(new RequestProblem(code)));
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `Date: ${new Date().toUTCString()}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'Connection: close',
    `X-Request-Id: ${reqId}`,
    '',
    body,
  ].join('\r\n');
}
