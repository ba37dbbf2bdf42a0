import { mkdir, rm } from 'node:fs/promises';
import { once } from 'node:events';
import express from 'express';
import expressPouch from 'express-pouchdb';
import PouchDB from 'pouchdb-node';
import { serveParent } from '../serve-parent.ts';

serveParent(async ({ folder, databases }) => {
  await mkdir(folder);
  const Pouch = PouchDB.defaults({ prefix: `${folder}/` });
  const app = express();
  // Without what the full mode adds, such as a log on disk and checks of users.
  app.use(expressPouch(Pouch, { mode: 'minimumForPouchDB' }));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}`;
  // Only what was made through the server is known to it.
  for (const name of databases) await fetch(`${url}/${name}`, { method: 'PUT' });
  return {
    ready: { url },
    stop: () => rm(folder, { recursive: true, force: true }),
  };
});
