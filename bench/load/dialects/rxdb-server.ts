import type { PushDialect } from '../push-traffic.ts';
import { refused } from '../traffic.ts';

/** One collection, as rxdb-server has it. An edit names the state it was made on. */
export function createRxdbPush(): PushDialect {
  const states = new Map<string, string>();
  return {
    encode({ tenant, edits }) {
      const rows = edits.map(({ noteId, content }) => {
        const id = `${tenant}|${noteId}`;
        const state = `{"id":"${id}","_deleted":false,${content}`;
        const assumed = states.get(id);
        states.set(id, state);
        const base = assumed === undefined ? '' : `,"assumedMasterState":${assumed}`;
        return `{"newDocumentState":${state}${base}}`;
      });
      return {
        method: 'POST',
        path: '/notes/0/push',
        headers: { 'content-type': 'application/json' },
        body: `[${rows.join()}]`,
      };
    },
    check(_batch, answer) {
      if (answer.status !== 200 || answer.body.toString() !== '[]') throw refused(answer);
    },
  };
}
