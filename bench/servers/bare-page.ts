import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { readPageText } from '../../src/postgres/feed/read-page.sql.ts';
import { serveParent } from '../serve-parent.ts';

const asText = { getTypeParser: () => (value: string) => value };
/** Landfall's default. */
const connections = 10;
/** Tombstones up to this version are left out: all of them. */
const bootstrapHead = Number.MAX_SAFE_INTEGER;
const maxBytes = 4_194_304;
/** No event has this version: the requests send no checkpoint. */
const noReference = 0;
/** The settings of src/postgres/client/transaction.sql.ts, so that the statement has the same plan, planned once. */
const planSettings = [
  'enable_seqscan=off',
  'enable_bitmapscan=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  'plan_cache_mode=force_generic_plan',
];

/** The least work that reads a page: Landfall's SELECT, its values as text, answered as JSON arrays. */
serveParent<{ readonly databaseUrl: string }>(async ({ databaseUrl }) => {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: connections,
    options: planSettings.map((setting) => `-c ${setting}`).join(' '),
    types: asText,
  });

  async function readPage(url: string): Promise<string> {
    const query = new URLSearchParams(url.slice(url.indexOf('?')));
    const values = [
      query.get('tenant'),
      query.get('after'),
      bootstrapHead,
      null,
      query.get('limit'),
      maxBytes,
      noReference,
    ];
    const { rows } = await pool.query<string[]>({
      name: 'bare-page',
      text: readPageText,
      values,
      rowMode: 'array',
    });
    // The first row describes the page in its last column. In the other rows the version is the third column.
    const { hasMore } = JSON.parse(rows[0]?.at(-1) ?? '{}');
    const last = rows.at(-1)?.[2];
    return `{"rows":${JSON.stringify(rows.slice(1))},"last":${last},"hasMore":${hasMore}}`;
  }

  async function answer(url: string, response: ServerResponse): Promise<void> {
    try {
      const body = await readPage(url);
      const length = Buffer.byteLength(body);
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': length });
      response.end(body);
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  }

  const server = createServer((request, response) => void answer(request.url ?? '', response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { ready: { url: `http://127.0.0.1:${port}` } };
});
