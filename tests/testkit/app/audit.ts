import {
  type Conflict,
  conflictsAnswerSchema,
  type ConflictsAnswer,
  conflictSchema,
} from '../../../src/protocol/conflict.ts';
import { type HistoryAnswer, historyAnswerSchema } from '../../../src/protocol/history.ts';
import { type Receipt, receiptsAnswerSchema } from '../../../src/protocol/receipt.ts';
import type { TestAnswer } from './test-app.ts';
import { expectExactShape, type Tenant } from './tenant.ts';

type Query = Readonly<Record<string, string | number>>;

/** The conflicts, histories and receipts of one tenant. Each answer is checked against its schema. */
export interface Audit {
  conflicts(query?: Query): Promise<ConflictsAnswer>;
  /** Looks up a conflict. The answer may be a refusal. */
  find(identityKey: string): Promise<TestAnswer>;
  conflict(identityKey: string): Promise<Conflict>;
  resolve(identityKey: string, body: object, device?: string): Promise<TestAnswer>;
  history(entityType: string, entityId: string, query?: Query): Promise<HistoryAnswer>;
  receipts(...identityKeys: readonly string[]): Promise<readonly Receipt[]>;
}

/** @param service the app that answers; by default the tenant's own */
export function auditOf(tenant: Tenant, service = tenant.service): Audit {
  async function get(path: string): Promise<TestAnswer> {
    return service.request({ url: `/api/sync/${path}`, sender: tenant.sender() });
  }
  const find = (identityKey: string) => get(`conflicts/${encodeURIComponent(identityKey)}`);

  return {
    find,
    async conflicts(query = {}) {
      const { body } = await get(`conflicts?${toQuery(query)}`);
      return expectExactShape(conflictsAnswerSchema, body);
    },
    async conflict(identityKey) {
      return expectExactShape(conflictSchema, (await find(identityKey)).body);
    },
    async resolve(identityKey, body, device = 'd1') {
      const answer = await service.request({
        method: 'POST',
        url: `/api/sync/conflicts/${encodeURIComponent(identityKey)}/resolution`,
        body,
        sender: tenant.sender(device),
      });
      if (answer.status === 200) expectExactShape(conflictSchema, answer.body);
      return answer;
    },
    async history(entityType, entityId, query = {}) {
      const entity = `${encodeURIComponent(entityType)}/${encodeURIComponent(entityId)}`;
      const { body } = await get(`entities/${entity}/events?${toQuery(query)}`);
      return expectExactShape(historyAnswerSchema, body);
    },
    async receipts(...identityKeys) {
      const query = new URLSearchParams();
      for (const key of identityKeys) query.append('identityKeys', key);
      const { body } = await get(`receipts?${query.toString()}`);
      return expectExactShape(receiptsAnswerSchema, body).receipts;
    },
  };
}

function toQuery(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) parameters.append(name, String(value));
  return parameters.toString();
}
