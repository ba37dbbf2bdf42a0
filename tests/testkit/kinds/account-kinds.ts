import { z } from 'zod';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import type { RecordView } from '../../../src/domain/kinds/intent.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import {
  accept,
  decide,
  patchRecord,
  putRecord,
  reject,
} from '../../../src/domain/kinds/policies/decide.ts';
import { put } from '../../../src/domain/kinds/policies/put.ts';
import { nextKey, type SentEvent } from '../events/sent-events.ts';

const account = (entityId: string) => ({ entityType: 'account', entityId });
const balanceOf = ({ data }: RecordView) => z.int().parse(data.balance);

const openingSchema = z.strictObject({ id: z.string(), balance: z.int() });
const transferSchema = z.strictObject({
  id: z.string(),
  from: z.string(),
  to: z.string(),
  amount: z.int().min(1),
});

/** Accounts and transfers between them. No order of the transfers may overdraw an account. */
export const accountKinds = [
  defineKind({
    name: 'account.open',
    entityType: 'account',
    payload: payload(openingSchema),
    entityId: ({ id }) => id,
    policy: put(({ balance }) => ({ balance })),
  }),
  defineKind({
    name: 'transfer.make',
    entityType: 'transfer',
    payload: payload(transferSchema),
    entityId: ({ id }) => id,
    failures: {
      INSUFFICIENT_FUNDS: {
        retryable: true,
        retryAfterMs: 30_000,
        cause: 'The account holds less than the transfer takes.',
        remedy: 'Send it again once there is more.',
      },
      SAME_ACCOUNT: {
        retryable: false,
        cause: 'Both accounts are the same.',
        remedy: 'Name two accounts.',
      },
    },
    policy: decide({
      reads: ({ from, to }) => [account(from), account(to)],
      decide({ id, from, to, amount }, records) {
        if (from === to)
          return reject('SAME_ACCOUNT', 'from and to are one', { path: 'payload.to' });
        const [source, target] = [records.find('account', from), records.find('account', to)];
        if (!source || !target) return reject('NOT_FOUND', 'no such account');
        if (balanceOf(source) < amount) {
          const path = 'payload.amount';
          return reject('INSUFFICIENT_FUNDS', `holds ${balanceOf(source)}`, { path });
        }
        return accept(
          patchRecord(source, { balance: balanceOf(source) - amount }),
          patchRecord(target, { balance: balanceOf(target) + amount }),
          putRecord({ entityType: 'transfer', entityId: id }, { from, to, amount }),
        );
      },
    }),
  }),
];

export function openAccount(id: string, balance: number): SentEvent {
  return { identityKey: nextKey(), kind: 'account.open', payload: { id, balance } };
}

/** A transfer, which is an entity of its own. */
export function makeTransfer(
  from: string,
  to: string,
  amount: number,
  rest: object = {},
): SentEvent {
  const identityKey = nextKey();
  const made = { id: `of-${identityKey}`, from, to, amount };
  return { identityKey, kind: 'transfer.make', payload: made, ...rest };
}
