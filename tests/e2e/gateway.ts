import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** A request on its way to the service. */
export interface GatewayRequest {
  readonly method: string;
  /** The path with its query. */
  readonly path: string;
  readonly body: string;
  /** Sends the request to the service. @returns its answer */
  readonly forward: () => Promise<Response>;
}

/** Returns the answer that a client gets: that of the service, or another. */
export type GatewayHandler = (request: GatewayRequest) => Response | Promise<Response>;

/** An HTTP server between a client and a service, such as a proxy or a firewall. */
export async function startGateway(target: () => string, answering: GatewayHandler) {
  const server = createServer((request, response) => {
    const answered = readRequest(request, target()).then(answering);
    // The service does not answer, so the client gets no answer either.
    pass(answered, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function pass(answered: Promise<Response>, response: ServerResponse): Promise<void> {
  const answer = await answered;
  response.writeHead(answer.status, { 'content-type': 'application/json' });
  response.end(await answer.text());
}

async function readRequest(request: IncomingMessage, target: string): Promise<GatewayRequest> {
  const { method = '', url: path = '', headers } = request;
  const body = await text(request);
  const sent = {
    method,
    headers: { 'content-type': 'application/json', authorization: `${headers.authorization}` },
    ...(body && { body }),
  };
  return { method, path, body, forward: () => fetch(target + path, sent) };
}

/** A problem document, as Landfall sends it when it refuses a request. */
export function problem(status: number, code: string): Response {
  return Response.json({ status, code, detail: 'refused by a test', retryable: false }, { status });
}
