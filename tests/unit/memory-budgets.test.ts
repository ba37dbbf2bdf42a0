import { describe, expect, test } from 'vitest';
import { createAnswerBudget, createBodyBudget } from '../../src/http/limits/memory-budgets.ts';

describe('the answer budget', () => {
  const refusal = (code: string) => expect.objectContaining({ code });
  const budgetOf = (maxBytes: number, maxTenantBytes: number) =>
    createAnswerBudget({ maxBytes, maxTenantBytes });

  test('refuses a tenant whose answers reach its maximum, and no other tenant', () => {
    const budget = budgetOf(100, 50);
    budget.hold('a', 49);
    budget.admit('a');
    const giveBack = budget.hold('a', 30);
    expect(() => budget.admit('a')).toThrow(refusal('TENANT_BUSY'));
    budget.admit('b');
    giveBack();
    budget.admit('a');
  });

  test('refuses every tenant when all answers together reach the maximum', () => {
    const budget = budgetOf(100, 80);
    budget.hold('a', 60);
    const giveBack = budget.hold('b', 40);
    expect(budget.isFull()).toBe(true);
    expect(() => budget.admit('c')).toThrow(refusal('OVERLOADED'));
    giveBack();
    expect(budget.isFull()).toBe(false);
    budget.admit('c');
  });

  test('counts requests without a token together, apart from every tenant', () => {
    const budget = budgetOf(100, 50);
    budget.hold(undefined, 50);
    expect(() => budget.admit(undefined)).toThrow(refusal('OVERLOADED'));
    budget.admit('a');
  });

  test('leaves a tenant the smaller rest of its own maximum and of the common one', () => {
    const budget = budgetOf(100, 50);
    expect(budget.remainingBytes('a')).toBe(50);
    budget.hold('a', 20);
    budget.hold('b', 60);
    expect([budget.remainingBytes('a'), budget.remainingBytes('b')]).toEqual([20, 0]);
  });
});

describe('the body budget', () => {
  const seconds = expect.toSatisfy((value) => Number.isInteger(value) && value >= 1 && value <= 4);
  const refusal = (code: string) =>
    expect.objectContaining({ code, members: { retryAfter: seconds } });

  test('refuses bytes beyond the common maximum, and accepts as many as were released', () => {
    const budget = createBodyBudget({ maxBytes: 100, maxTenantBytes: 100 });
    const [first, second] = [budget.open('a'), budget.open('b')];
    first.take(60);
    second.take(40);
    expect(() => second.take(1)).toThrow(refusal('OVERLOADED'));
    first.release();
    budget.open('c').take(60);
    expect(() => second.take(1)).toThrow(refusal('OVERLOADED'));
  });

  test('bounds the bytes of a tenant over all of its requests', () => {
    const budget = createBodyBudget({ maxBytes: 100, maxTenantBytes: 50 });
    const shares = [budget.open('a'), budget.open('a')] as const;
    shares[0].take(30);
    shares[1].take(20);
    expect(() => shares[1].take(1)).toThrow(refusal('TENANT_BUSY'));
    budget.open('b').take(50);
    shares[0].release();
    shares[1].take(30);
  });

  test('tells before a body arrives whether it would be refused', () => {
    const budget = createBodyBudget({ maxBytes: 100, maxTenantBytes: 100 });
    const share = budget.open('a');
    share.take(70);
    expect([budget.isFull(30), budget.isFull(31)]).toEqual([false, true]);
    share.release();
    expect(budget.isFull(100)).toBe(false);
  });

  test('refuses further bytes of a request that was answered while its body arrived', () => {
    const budget = createBodyBudget({ maxBytes: 100, maxTenantBytes: 100 });
    const share = budget.open('a');
    share.take(10);
    share.release();
    share.release();
    expect(() => share.take(10)).toThrow(refusal('OVERLOADED'));
    budget.open('b').take(100);
  });
});
