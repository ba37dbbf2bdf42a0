import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';
import {
  type AppOptions,
  startApp,
  type TestAnswer,
  type TestApp,
  type TestRequest,
} from './app.ts';
import { expectDocumented } from './documented.ts';

export interface WireRequest extends Omit<TestRequest, 'method'> {
  readonly method?: string;
}

/** The real app behind a real socket. */
export interface Wire {
  /** The same app called in process, for what a test only needs to be there. */
  readonly service: TestApp;
  readonly port: number;
  /**
   * One HTTP request as it stands: a header that is undefined is left out, and the URL is not
   * normalized. The answer has to be one that openapi.yaml tells of.
   */
  send(request: WireRequest): Promise<TestAnswer>;
  close(): Promise<void>;
}

/** For what hangs: a good answer takes milliseconds. */
const hangMs = 20_000;

export async function startWire(options: AppOptions = {}): Promise<Wire> {
  const service = await startApp(options);
  await service.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = service.app.server.address() as AddressInfo;
  const pool = new Pool(`http://127.0.0.1:${port}`, {
    headersTimeout: hangMs,
    bodyTimeout: hangMs,
  });
  return {
    service,
    port,
    async send(request) {
      const answer = await exchange(pool, request, service);
      expectDocumented(request, answer);
      return answer;
    },
    async close() {
      await pool.destroy();
      await service.close();
    },
  };
}

async function exchange(
  pool: Pool,
  { method = 'GET', url, headers, body, sender }: WireRequest,
  service: TestApp,
): Promise<TestAnswer> {
  const isNamed = headers !== undefined && Object.hasOwn(headers, 'authorization');
  const all = {
    ...(!isNamed && { authorization: `Bearer ${service.token(sender)}` }),
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
