import { runInNewContext } from 'node:vm';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { cacheFile } from '../../src/http/plugins/api-page.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

type Headers = { readonly [name: string]: string };
const get = (url: string, headers: Headers = {}, from = service) =>
  from.app.inject({ method: 'GET', url, headers });

const page = await readPage();
async function readPage() {
  const own = await startApp();
  const { body } = await get('/docs/', {}, own);
  await own.close();
  return body;
}
const parts = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(
  ([, path = '']) => new URL(path, 'http://host/docs/').pathname,
);
const urls = ['/docs', '/docs/', '/docs/json', '/docs/yaml', ...parts];

describe('the API page by plain http, on any host', () => {
  test.each(urls)('%s has no policy that requires https', async (url) => {
    const { statusCode, headers } = await get(url, { host: 'landfall.shop.internal:3000' });
    expect(statusCode).toBe(200);
    const policy = String(headers['content-security-policy']);
    expect(policy).not.toMatch(/upgrade-insecure-requests|block-all-mixed-content|https/);
    expect(headers).not.toHaveProperty('strict-transport-security');
    expect(policy).toContain("default-src 'self'");
    expect(policy).toContain("script-src 'self';");
  });

  test('loads only files of the service, by relative addresses', async () => {
    expect(parts.length).toBeGreaterThan(4);
    const addresses = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path);
    expect(addresses.filter((path = '') => /^[a-z]+:|^\//i.test(path))).toEqual([]);
    expect(page).not.toMatch(/<script>|<style>|\son\w+=|<meta[^>]*http-equiv/i);
    const { body } = await get('/docs/static/initializer.js');
    expect(body).not.toMatch(/https?:|crypto\.subtle|navigator\.|serviceWorker/);
  });

  test('loads the same files without the final slash in its address', async () => {
    const { body } = await get('/docs');
    const addresses = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map(
      ([, path = '']) => new URL(path, 'http://host/docs').pathname,
    );
    expect(addresses).toEqual(parts);
  });

  test('loads the document from its own path, also below the path of a proxy', async () => {
    const loaded: { url?: string; validatorUrl?: string | null }[] = [];
    const { body } = await get('/docs/static/initializer.js');
    const src = 'http://proxy/landfall/docs/static/initializer.js';
    const SwaggerUIBundle = (options: object) => loaded.push(options);
    runInNewContext(body, { SwaggerUIBundle, URL, document: { currentScript: { src } } });
    expect(loaded).toMatchObject([{ url: 'http://proxy/landfall/docs/json', validatorUrl: null }]);
  });
});

describe('each file of the API page', () => {
  const texts = urls.filter((url) => !url.endsWith('.png'));

  test.each(texts)('%s is compressed in an encoding that the client accepts', async (url) => {
    const plain = await get(url);
    expect(plain.headers).not.toHaveProperty('content-encoding');
    for (const [accepted, encoding, read] of [
      ['gzip, deflate, br', 'br', brotliDecompressSync],
      ['gzip', 'gzip', gunzipSync],
      ['br;q=0, gzip;q=0.5', 'gzip', gunzipSync],
      ['*', 'br', brotliDecompressSync],
    ] as const) {
      const { headers, rawPayload } = await get(url, { 'accept-encoding': accepted });
      expect(headers).toMatchObject({ 'content-encoding': encoding, vary: 'accept-encoding' });
      expect(read(rawPayload).equals(plain.rawPayload)).toBe(true);
    }
    for (const accepted of ['', 'identity', 'zstd', 'br;q=0']) {
      const { headers } = await get(url, { 'accept-encoding': accepted });
      expect(headers).not.toHaveProperty('content-encoding');
    }
  });

  test.each(urls)('%s is not sent again to a client that has it in its cache', async (url) => {
    const { headers } = await get(url, { 'accept-encoding': 'br' });
    const etag = String(headers.etag);
    for (const named of [etag, `"x", ${etag}`, etag.replace('W/', '')]) {
      const again = await get(url, { 'if-none-match': named, 'accept-encoding': 'gzip' });
      expect(again).toMatchObject({ statusCode: 304, body: '' });
      expect(again.headers.etag).toBe(etag);
    }
    expect((await get(url, { 'if-none-match': '"another"' })).statusCode).toBe(200);
  });

  test('is read once and compressed once, also for concurrent requests', async () => {
    const read = vi.fn<() => string>(() => 'x'.repeat(10_000));
    const file = cacheFile({ type: 'text/plain', read });
    const bodies = await Promise.all(Array.from({ length: 50 }, () => file.body('br')));
    bodies.push(await file.body('br'));
    expect(new Set(bodies).size).toBe(1);
    expect(brotliDecompressSync(bodies[0] ?? '').toString()).toBe('x'.repeat(10_000));
    expect(file.etag()).toBe(file.etag());
    expect(read).toHaveBeenCalledTimes(1);
  });

  test('has the same content as JSON and as YAML', async () => {
    const [json, yaml] = await Promise.all([get('/docs/json'), get('/docs/yaml')]);
    expect(parse(yaml.body)).toEqual(json.json());
    expect(json.json()).toMatchObject({ openapi: '3.1.0' });
  });
});

test('the API page has the rate limit by address and is refused during an overload', async () => {
  const own = await startApp({ env: { RATE_LIMIT_ADDRESS: '3' } });
  const statuses = [];
  for (const url of ['/docs/json', '/docs/yaml', '/docs/static/swagger-ui.css', '/docs/json']) {
    statuses.push((await get(url, {}, own)).statusCode);
  }
  expect(statuses).toEqual([200, 200, 200, 429]);
  await own.close();
  const full = await startApp({ env: { MAX_HEAP_BYTES: '1' } });
  // The live heap is known after the first major garbage collection.
  await expect
    .poll(async () => (await get('/docs/json', {}, full)).statusCode, { timeout: 20_000 })
    .toBe(503);
  await full.close();
});

test.each([
  '/docs/static/',
  '/docs/static/index.html',
  '/docs/static/..%2f..%2fpackage.json',
  '/docs/x',
])('%s is no file of the API page', async (url) => {
  expect(await get(url)).toMatchObject({ statusCode: 404 });
});
