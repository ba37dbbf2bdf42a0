import { randomUUID } from 'node:crypto';
import { type FastifyBaseLogger, type FastifyHttpOptions, LogController } from 'fastify';
import type { Server } from 'node:http';
import type { Config } from '../config/config.ts';
import type { HttpConnections } from './plugins/connections.ts';
import { answerBadUrl } from './plugins/error-handler.ts';

/** Maximum time for the headers of a request to arrive. A slow client must not hold a socket for ever. */
const headersTimeoutMs = 15_000;
/** Maximum time for a whole request to arrive. */
const requestTimeoutMs = 30_000;
/** Interval at which Node looks for connections that are past these timeouts. */
const timeoutCheckMs = 1_000;
/** Maximum time in which a client takes nothing of its answer. */
const connectionTimeoutMs = 60_000;
/** Maximum time for the work on a request that has arrived. */
export const handlerMs = 20_000;
/** Longer than balancers keep an idle connection (60 s): the side that sends should close it. */
const keepAliveMs = 75_000;
/** An identityKey has at most 200 characters. In a URL each may take twelve. */
const maxParamLength = 2_400;

/** The options of the Fastify server: timeouts, limits, and who answers requests that cannot be parsed. */
export function createServerOptions(
  { limits, edge }: Pick<Config, 'limits' | 'edge'>,
  connections: HttpConnections,
  logger: FastifyBaseLogger,
) {
  return {
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    bodyLimit: limits.maxBodyBytes,
    requestTimeout: requestTimeoutMs,
    connectionTimeout: connectionTimeoutMs,
    keepAliveTimeout: keepAliveMs,
    http: {
      headersTimeout: headersTimeoutMs,
      connectionsCheckingInterval: timeoutCheckMs,
      // Otherwise Node answers a request without a Host header itself, with no body.
      requireHostHeader: false,
    },
    clientErrorHandler: connections.clientErrorHandler,
    // A request that reaches the service during a shutdown is still answered.
    return503OnClosing: false,
    trustProxy: toTrustProxy(edge.trustProxy),
    routerOptions: { maxParamLength },
    frameworkErrors: answerBadUrl,
  } satisfies FastifyHttpOptions<Server>;
}

function toTrustProxy(trusted: Config['edge']['trustProxy']) {
  if (typeof trusted === 'number') return (_address: string, hop: number) => hop < trusted;
  return trusted && [...trusted];
}
