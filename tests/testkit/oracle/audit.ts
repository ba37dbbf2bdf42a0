import {
  type Conflict,
  conflictsAnswerSchema,
  type ConflictsAnswer,
  conflictSchema,
} from '../../../src/protocol/conflict.ts';
import { type HistoryAnswer, historyAnswerSchema } from '../../../src/protocol/history.ts';
import { type Receipt, receiptsAnswerSchema } from '../../../src/protocol/receipt.ts';
import type { TestAnswer } from '../app.ts';
import { expectShape, type Tenant } from './tenant.ts';

type Query = Readonly<Record<string, string | number>>;

/** What people look up of one tenant, each answer held against its schema. */
export interface Audit {
  conflicts(query?: Query): Promise<ConflictsAnswer>;
  /** Any answer: a test may look for a conflict that is not there. */
  find(identityKey: string): Promise<TestAnswer>;
  conflict(identityKey: string): Promise<Conflict>;
  resolve(identityKey: string, body: object, device?: string): Promise<TestAnswer>;
  history(entityType: string, entityId: string, query?: Query): Promise<HistoryAnswer>;
  /** One parameter for each key, as URLSearchParams writes them. */
  receipts(...identityKeys: readonly string[]): Promise<readonly Receipt[]>;
}

/** @param service another process of the tenant's database, by default the tenant's own */
export function auditOf(tenant: Tenant, service = tenant.service): Audit {
  async function get(path: string): Promise<TestAnswer> {
    return service.request({ url: `/api/sync/${path}`, sender: tenant.sender() });
  }
  const find = (identityKey: string) => get(`conflicts/${encodeURIComponent(identityKey)}`);

  return {
    find,
    async conflicts(query = {}) {
      const { body } = await get(`conflicts?${toQuery(query)}`);
      return expectShape(conflictsAnswerSchema, body);
    },
    async conflict(identityKey) {
      return expectShape(conflictSchema, (await find(identityKey)).body);
    },
    async resolve(identityKey, body, device = 'd1') {
      const answer = await service.request({
        method: 'POST',
        url: `/api/sync/conflicts/${encodeURIComponent(identityKey)}/resolution`,
        body,
        sender: tenant.sender(device),
      });
      if (answer.status === 200) expectShape(conflictSchema, answer.body);
      return answer;
    },
    async history(entityType, entityId, query = {}) {
      const entity = `${encodeURIComponent(entityType)}/${encodeURIComponent(entityId)}`;
      const { body } = await get(`entities/${entity}/events?${toQuery(query)}`);
      return expectShape(historyAnswerSchema, body);
    },
    async receipts(...identityKeys) {
      const query = new URLSearchParams();
      for (const key of identityKeys) query.append('identityKeys', key);
      const { body } = await get(`receipts?${query.toString()}`);
      return expectShape(receiptsAnswerSchema, body).receipts;
    },
  };
}

function toQuery(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) parameters.append(name, String(value));
  return parameters.toString();
}
