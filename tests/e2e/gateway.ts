import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** A request on its way to the service. */
export interface Passing {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly body: string;
  /** Sends it on. @returns the service's answer */
  readonly forward: () => Promise<Response>;
}

/** What a client is answered: the service's answer, another one, or none of the service's at all. */
export type Answering = (request: Passing) => Response | Promise<Response>;

/** An HTTP server between a client and a service, as a proxy, a firewall or a hotel's network is. */
export async function startGateway(target: () => string, answering: Answering) {
  const server = createServer((request, response) => {
    const answered = readRequest(request, target()).then(answering);
    // A service that is not there: the client is to see it.
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

async function readRequest(request: IncomingMessage, target: string): Promise<Passing> {
  const { method = '', url: path = '', headers } = request;
  const body = await text(request);
  const sent = {
    method,
    headers: { 'content-type': 'application/json', authorization: `${headers.authorization}` },
    ...(body && { body }),
  };
  return { method, path, body, forward: () => fetch(target + path, sent) };
}

/** As Landfall refuses a whole request. */
export function problem(status: number, code: string): Response {
  return Response.json({ status, code, detail: 'refused by a test', retryable: false }, { status });
}
