import { expect, test } from 'vitest';
import { createAnswerBudget } from '../../src/http/limits/answer-budget.ts';

const refusal = (code: string) => expect.objectContaining({ code });
const budgetOf = (maxBytes: number, maxTenantBytes: number) =>
  createAnswerBudget({ maxBytes, maxTenantBytes });

test('a tenant of whom as much is on its way as may be is refused, and nobody else', () => {
  const budget = budgetOf(100, 50);
  budget.hold('a', 49);
  budget.admit('a');
  const giveBack = budget.hold('a', 30);
  expect(() => budget.admit('a')).toThrow(refusal('TENANT_BUSY'));
  budget.admit('b');
  giveBack();
  budget.admit('a');
});

test('beyond what may be on its way to all, everybody is refused', () => {
  const budget = budgetOf(100, 80);
  budget.hold('a', 60);
  const giveBack = budget.hold('b', 40);
  expect(budget.isFull()).toBe(true);
  expect(() => budget.admit('c')).toThrow(refusal('OVERLOADED'));
  giveBack();
  expect(budget.isFull()).toBe(false);
  budget.admit('c');
});

test('those who are not known share one part, and are no tenant', () => {
  const budget = budgetOf(100, 50);
  budget.hold(undefined, 50);
  expect(() => budget.admit(undefined)).toThrow(refusal('OVERLOADED'));
  budget.admit('a');
});

test('the room for an answer that has to be given is what is left of both', () => {
  const budget = budgetOf(100, 50);
  expect(budget.remainingBytes('a')).toBe(50);
  budget.hold('a', 20);
  budget.hold('b', 60);
  expect([budget.remainingBytes('a'), budget.remainingBytes('b')]).toEqual([20, 0]);
});
