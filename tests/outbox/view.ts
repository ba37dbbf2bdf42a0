import type { Client } from './client.ts';

export interface Data {
  readonly [field: string]: unknown;
}

/** What events of one kind do on this device until the server has decided them. */
export interface LocalKind {
  readonly entityType: string;
  readonly entityId: (payload: Data) => string;
  /** True: the server takes the events of one entity by their `sequence`, 1, 2, 3 … */
  readonly ordered?: boolean;
  /** Undefined stands for an entity that is not there. Pure: it runs at every read. */
  readonly apply: (data: Data | undefined, payload: Data) => Data | undefined;
}

export interface LocalKinds {
  readonly [kind: string]: LocalKind;
}

/**
 * The entities of one type as the user should see them: the server's records under the queue.
 * The sum is never stored, so an edit that loses is rolled back by leaving the queue.
 */
export function readView({ database, kinds }: Client, type: string): Map<string, Data> {
  const { all } = database;
  const view = new Map<string, Data>();
  const records = 'SELECT entity_id AS id, data FROM records WHERE entity_type = ? AND NOT deleted';
  for (const { id, data } of all(records, type)) view.set(String(id), JSON.parse(String(data)));

  const edits = `SELECT entity_id AS id, event FROM queue
    WHERE entity_type = ? AND status <> 'failed' ORDER BY position`;
  for (const { id, event } of all(edits, type)) {
    const { kind, payload } = JSON.parse(String(event));
    const data = kinds[kind]?.apply(view.get(String(id)), payload);
    if (data) view.set(String(id), data);
    else view.delete(String(id));
  }
  return view;
}
