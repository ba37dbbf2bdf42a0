import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { Pool } from 'undici';
import {
  type TestAppOptions,
  startApp,
  type TestAnswer,
  type TestApp,
  type TestRequest,
} from './test-app.ts';
import { expectDocumented } from './openapi-conformance.ts';

export interface ListeningAppRequest extends Omit<TestRequest, 'method'> {
  readonly method?: string;
}

/** An app that listens on a port of this machine. */
export interface ListeningApp {
  /** The same app, called without the socket: for what a test only prepares or looks up. */
  readonly service: TestApp;
  readonly port: number;
  /**
   * Sends one HTTP request unchanged: the URL is not normalized, and a header that is undefined is left out.
   *
   * @throws AssertionError unless openapi.yaml documents the answer
   */
  send(request: ListeningAppRequest): Promise<TestAnswer>;
  close(): Promise<void>;
}

/** The time after which a request fails that the service does not answer. */
const hangMs = 20_000;

/** Makes the app listen, unless it does already. @returns its port */
export async function listenOnFreePort(app: FastifyInstance): Promise<number> {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 });
  return (app.server.address() as AddressInfo).port;
}

export async function startListeningApp(options: TestAppOptions = {}): Promise<ListeningApp> {
  const service = await startApp(options);
  const port = await listenOnFreePort(service.app);
  const pool = new Pool(`http://127.0.0.1:${port}`, {
    headersTimeout: hangMs,
    bodyTimeout: hangMs,
  });
  return {
    service,
    port,
    async send(request) {
      const answer = await sendUnchanged(pool, request, service);
      expectDocumented(request, answer);
      return answer;
    },
    async close() {
      await pool.destroy();
      await service.close();
    },
  };
}

async function sendUnchanged(
  pool: Pool,
  { method = 'GET', url, headers, body, sender }: ListeningAppRequest,
  service: TestApp,
): Promise<TestAnswer> {
  const hasAuthorization = headers !== undefined && Object.hasOwn(headers, 'authorization');
  const all = {
    ...(!hasAuthorization && { authorization: `Bearer ${service.token(sender)}` }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...headers,
  };
  const isText = typeof body === 'string' || Buffer.isBuffer(body);
  const answer = await pool.request({
    method,
    path: url,
    headers: Object.entries(all).flatMap(([name, value]) => {
      if (value === undefined) return [];
      return [value].flat().flatMap((one) => [name, String(one)]);
    }),
    body: body === undefined || isText ? (body ?? null) : JSON.stringify(body),
  });
  const text = await answer.body.text();
  const isJson = /json/.test(String(answer.headers['content-type']));
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: isJson && text !== '' ? JSON.parse(text) : text,
  };
}
