import { expect, test } from 'vitest';
import { createBodyBudget } from '../../src/http/limits/body-budget.ts';

const seconds = expect.toSatisfy((value) => Number.isInteger(value) && value >= 1 && value <= 4);
const refusal = (code: string) =>
  expect.objectContaining({ code, members: { retryAfter: seconds } });

test('what all hold together is bounded, and what is given back is there for others', () => {
  const budget = createBodyBudget({ maxBytes: 100, maxTenantBytes: 100 });
  const [first, second] = [budget.open('a'), budget.open('b')];
  first.take(60);
  second.take(40);
  expect(() => second.take(1)).toThrow(refusal('OVERLOADED'));
  first.release();
  budget.open('c').take(60);
  expect(() => second.take(1)).toThrow(refusal('OVERLOADED'));
});

test('a tenant has its part, however many requests it has under way', () => {
  const budget = createBodyBudget({ maxBytes: 100, maxTenantBytes: 50 });
  const shares = [budget.open('a'), budget.open('a')] as const;
  shares[0].take(30);
  shares[1].take(20);
  expect(() => shares[1].take(1)).toThrow(refusal('TENANT_BUSY'));
  budget.open('b').take(50);
  shares[0].release();
  shares[1].take(30);
});

test('a body that would not fit is known before it comes', () => {
  const budget = createBodyBudget({ maxBytes: 100, maxTenantBytes: 100 });
  const share = budget.open('a');
  share.take(70);
  expect([budget.isFull(30), budget.isFull(31)]).toEqual([false, true]);
  share.release();
  expect(budget.isFull(100)).toBe(false);
});

test('a request that was answered while its body came holds nothing from then on', () => {
  const budget = createBodyBudget({ maxBytes: 100, maxTenantBytes: 100 });
  const share = budget.open('a');
  share.take(10);
  share.release();
  share.release();
  expect(() => share.take(10)).toThrow(refusal('OVERLOADED'));
  budget.open('b').take(100);
});
