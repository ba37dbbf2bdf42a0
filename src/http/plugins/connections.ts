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
  /** Whether the service is about to stop. Each answer then closes its connection. */
  readonly isStopping: () => boolean;
}

export interface HttpConnections {
  /** Handles what Node's HTTP parser rejects. Fastify has no request in that case. */
  readonly clientErrorHandler: (error: NodeJS.ErrnoException, socket: Socket) => void;
  /** Must be called before the server listens. */
  watch(app: FastifyInstance): void;
}

/** The time in which a closed connection still reads, so that its client receives the answer. */
const lingerMs = 1_000;

/** The maximum of unanswered requests per connection. A further request is refused. */
const maxPipelined = 8;
/** A client on a very slow network still receives ten times this minimum. */
const slowReader = { periodMs: 30_000, minBytes: 16_384 };

const refusalCodes = new Map<string | undefined, ProblemCode>([
  ['HPE_HEADER_OVERFLOW', 'HEADERS_TOO_LARGE'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'REQUEST_TIMEOUT'],
]);

/**
 * Manages the connections below Fastify. Input that is no valid HTTP is refused with a problem, like every
 * other refusal, and its connection is closed. When the service stops, idle connections are closed.
 */
export function createConnections({ logger, isStopping }: ConnectionsOptions): HttpConnections {
  /** Every open connection with its unanswered requests, in order. */
  const connections = new Map<Socket, Exchange[]>();
  const refusedSockets = new WeakSet<Socket>();
  /** The requests beyond the maximum of their connection. */
  const excessRequests = new WeakSet<IncomingMessage>();

  function trackConnection(socket: Socket): void {
    connections.set(socket, []);
    socket.once('close', () => {
      const exchanges = connections.get(socket) ?? [];
      connections.delete(socket);
      for (const { response } of exchanges) if (response.socket === null) closeUnsent(response);
    });
  }

  function trackRequest(request: IncomingMessage, response: ServerResponse): void {
    if (isStopping()) response.setHeader('connection', 'close');
    const exchanges = connections.get(request.socket) ?? [];
    const exchange = { request, response };
    if (exchanges.length >= maxPipelined) excessRequests.add(request);
    exchanges.push(exchange);
    response.once('close', () => exchanges.splice(exchanges.indexOf(exchange), 1));
    // This listener runs before Node's own listener, which closes the connection.
    response.prependOnceListener('finish', () => {
      if (!request.complete) request.socket.destroySoon = () => lingerAfterAnswer(request);
    });
  }

  function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    // The parser reports further errors for the rest of the input.
    if (refusedSockets.has(socket)) return;
    refusedSockets.add(socket);
    if (!isHttpParserError(error) || !socket.writable) return void socket.destroy();
    refuse(socket, refusalCodes.get(error.code) ?? 'MALFORMED_REQUEST', error.code);
  }

  function refuse(socket: Socket, code: ProblemCode, reason: string | undefined): void {
    const reqId = randomUUID();
    logger.info({ event: 'connection.refused', reqId, code, reason }, 'a connection is refused');
    const exchanges = connections.get(socket) ?? [];
    const { request, response } = exchanges.at(-1) ?? {};
    // A request that is not read to its end is refused after the answers to all earlier requests. A
    // request that was read to its end keeps its own answer.
    const isIncomplete = request?.complete === false && response?.headersSent === false;
    const lastAnswer = isIncomplete ? exchanges.at(-2)?.response : response;
    if (lastAnswer === undefined) return endAndLinger(socket, refusalText(code, reqId));
    if (!isIncomplete && !lastAnswer.headersSent) lastAnswer.setHeader('connection', 'close');
    lastAnswer.once('close', () =>
      endAndLinger(socket, isIncomplete ? refusalText(code, reqId) : ''),
    );
  }

  return {
    clientErrorHandler: onClientError,
    watch(app) {
      const server: Server = app.server;
      server.on('connection', trackConnection);
      server.prependListener('request', trackRequest);
      // Landfall supports no expectation but 100-continue. A server may ignore others (RFC 9110, 10.1.1).
      server.on('checkExpectation', (...exchange) => server.emit('request', ...exchange));
      server.on('connect', (_request, socket: Socket) => {
        socket.on('error', () => {});
        refuse(socket, 'MALFORMED_REQUEST', 'CONNECT');
      });
      app.addHook('onRequest', ({ raw }, reply, done) => {
        if (raw.httpVersion !== '1.0' && raw.headers.host === undefined) {
          reply.header('connection', 'close');
          return done(new RequestProblem('MALFORMED_REQUEST'));
        }
        if (excessRequests.has(raw)) {
          reply.header('connection', 'close');
          return done(overloadedError());
        }
        done();
      });
      const onCut = () =>
        logger.info(
          { event: 'connection.cut' },
          'a connection was cut: its client reads too slowly',
        );
      const stopWatching = watchSlowReaders({ ...slowReader, connections, onCut });
      app.addHook('onClose', async () => stopWatching());
      app.addHook('preClose', async () => {
        for (const [socket, exchanges] of connections) {
          if (exchanges.length === 0) socket.destroySoon();
          for (const { response } of exchanges) {
            if (!response.headersSent) response.setHeader('connection', 'close');
          }
        }
      });
    },
  };
}

function isHttpParserError({ code }: NodeJS.ErrnoException): boolean {
  return code?.startsWith('HPE_') === true || code === 'ERR_HTTP_REQUEST_TIMEOUT';
}

/**
 * When a connection closes, Node emits `close` only for the response that is being sent. This function
 * closes a response that waited behind it.
 */
function closeUnsent(response: ServerResponse): void {
  response.destroy();
  response.emit('close');
}

/**
 * Sends the last text of a connection and keeps reading for a moment. Input that arrives at a closed socket
 * would reset the connection, and the client would lose the answer.
 */
function endAndLinger(socket: Socket, text: string): void {
  socket.end(text);
  socket.resume();
  setTimeout(() => socket.destroy(), lingerMs).unref();
}

/** Keeps reading for a moment after an answer that was sent before its request was read to the end. */
function lingerAfterAnswer(request: IncomingMessage): void {
  request.resume();
  endAndLinger(request.socket, '');
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
