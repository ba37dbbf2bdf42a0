import type { PushDialect } from '../push-traffic.ts';
import { refused } from '../traffic.ts';

/**
 * A database a tenant, as is usual with CouchDB. An edit names the revision it was made on, which
 * the last answer told: without it the document would be refused.
 */
export function createPouchPush(): PushDialect {
  const revisions = new Map<string, string>();
  return {
    encode({ tenant, edits }) {
      const docs = edits.map(({ noteId, content }) => {
        const revision = revisions.get(`${tenant} ${noteId}`);
        const base = revision === undefined ? '' : `"_rev":"${revision}",`;
        return `{"_id":"${noteId}",${base}${content}`;
      });
      return {
        method: 'POST',
        path: `/${tenant}/_bulk_docs`,
        headers: { 'content-type': 'application/json' },
        body: `{"docs":[${docs.join()}]}`,
      };
    },
    check({ tenant }, answer) {
      if (answer.status !== 201 || answer.body.includes('"error"')) throw refused(answer);
      for (const { id, rev } of JSON.parse(answer.body.toString('utf8'))) {
        revisions.set(`${tenant} ${id}`, rev);
      }
    },
  };
}
