import type { RequestListener, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { createKey, pullWith, startIssuer, startTrusting } from './issuer.ts';

const key = createKey('RS256', 'k1');
const keySet = JSON.stringify({ keys: [key.jwk] });
const megabytes = (count: number) => Buffer.alloc(count * 1024 * 1024, ' ');

/** Sends one byte after the other until the client leaves. */
function drip(response: ServerResponse): void {
  const timer = setInterval(() => response.write(' '), 50);
  response.on('close', () => clearInterval(timer));
}

test.each([
  ['answers with an error', (_request, response) => response.writeHead(500).end()],
  ['answers nothing', (_request, response) => response.writeHead(204).end()],
  ['answers nonsense', (_request, response) => response.end('<html>')],
  ['answers half of its keys', (_request, response) => response.end(keySet.slice(0, -20))],
  ['answers no key set', (_request, response) => response.end('{"keys":{}}')],
  ['answers null', (_request, response) => response.end('null')],
  ['breaks the connection', (request) => request.socket.destroy()],
  ['stays silent', () => {}],
  ['never ends', (_request, response) => drip(response)],
  ['sends its keys with megabytes', (_request, response) => response.end(megabytes(2) + keySet)],
  [
    'sends a decompression bomb',
    (_request, response) =>
      response.setHeader('content-encoding', 'gzip').end(gzipSync(megabytes(64) + keySet)),
  ],
] satisfies [string, RequestListener][])(
  'an issuer that %s causes a 503, so that clients keep their tokens and their events',
  async (_case, answer) => {
    const issuer = await startIssuer();
    issuer.answer(answer);
    const service = await startTrusting(issuer);
    expect(await pullWith(service, key)).toBe('503 UNAVAILABLE');
    await service.close();
    await issuer.close();
  },
);

test('an issuer that redirects causes a 503, and the redirect is not followed', async () => {
  const [issuer, elsewhere] = await Promise.all([startIssuer(), startIssuer(key.jwk)]);
  const location = `http://127.0.0.1:${elsewhere.port}/oauth/keys.json`;
  issuer.answer((_request, response) => response.writeHead(302, { location }).end(keySet));
  const service = await startTrusting(issuer);
  expect(await pullWith(service, key)).toBe('503 UNAVAILABLE');
  expect(elsewhere.requests).toEqual([]);
  await Promise.all([service, issuer, elsewhere].map((each) => each.close()));
});

test('an issuer that stopped listening causes a 503', async () => {
  const issuer = await startIssuer();
  const service = await startTrusting(issuer);
  await issuer.close();
  expect(await pullWith(service, key)).toBe('503 UNAVAILABLE');
  await service.close();
});
