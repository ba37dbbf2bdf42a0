import { createServer } from 'node:net';
import { createRxDatabase } from 'rxdb/plugins/core';
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory';
import { createRxServer } from 'rxdb-server/plugins/server';
import { RxServerAdapterExpress } from 'rxdb-server/plugins/adapter-express';
import { serveParent } from '../serve-parent.ts';

const noteSchema = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: {
    id: { type: 'string', maxLength: 100 },
    title: { type: 'string' },
    body: { type: 'string' },
  },
  required: ['id', 'title', 'body'],
};

serveParent(async () => {
  const database = await createRxDatabase({ name: 'bench', storage: getRxStorageMemory() });
  const { notes } = await database.addCollections({ notes: { schema: noteSchema } });
  const port = await freePort();
  const server = await createRxServer({
    database,
    adapter: RxServerAdapterExpress,
    hostname: '127.0.0.1',
    port,
    authHandler: () => ({ validUntil: Date.now() + 3_600_000, data: {} }),
  });
  server.addReplicationEndpoint({ name: 'notes', collection: notes });
  await server.start();
  return { ready: { url: `http://127.0.0.1:${port}` } };
});

/** The server does not tell which port it took, so it cannot be left to choose one. */
async function freePort() {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
