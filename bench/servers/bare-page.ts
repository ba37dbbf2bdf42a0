import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { readBootstrapText } from '../../src/postgres/feed/read-bootstrap.sql.ts';
import { serveParent } from '../serve-parent.ts';

const asText = { getTypeParser: () => (value: string) => value };
/** Landfall's default. */
const connections = 10;
/** Records up to this version are read: all of them. */
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

  const numbers = new Map<string, number>();

  async function numberOf(tenant: string): Promise<number> {
    const found = numbers.get(tenant);
    if (found !== undefined) return found;
    const { rows } = await pool.query<{ no: string }>('SELECT no FROM tenants WHERE id = $1', [
      tenant,
    ]);
    const no = Number(rows[0]?.no);
    numbers.set(tenant, no);
    return no;
  }

  async function readPage(url: string): Promise<string> {
    const query = new URLSearchParams(url.slice(url.indexOf('?')));
    // The last record of the page before: pages go on in the order of the primary key.
    const [entityType, entityId] = (query.get('after') ?? '/').split('/');
    const values = [
      await numberOf(query.get('tenant') ?? ''),
      entityType,
      entityId,
      query.get('limit'),
      maxBytes,
      noReference,
      bootstrapHead,
    ];
    const { rows } = await pool.query<string[]>({
      name: 'bare-page',
      text: readBootstrapText,
      values,
      rowMode: 'array',
    });
    // The first row describes the page in its last column. The other rows begin with the record's key.
    const { hasMore } = JSON.parse(rows[0]?.at(-1) ?? '{}');
    const [lastType, lastId] = rows.at(-1) ?? [];
    return `{"rows":${JSON.stringify(rows.slice(1))},"last":"${lastType}/${lastId}","hasMore":${hasMore}}`;
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
