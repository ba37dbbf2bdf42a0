import { bundledKinds } from '../../../src/systems/bundled.ts';
import { describe, expect, test } from 'vitest';
import { createRegistry } from '../../../src/domain/kinds/registry.ts';
import { codesOf, faultOf, MemoryTenant } from './support/memory-tenant.ts';

const shipment = {
  customer: 'Ada Ltd',
  origin: 'Hamburg',
  destination: 'Porto',
  status: 'planned',
};
const quote = { customer: 'Ada Ltd', amountCents: 120_000, currency: 'EUR', status: 'draft' };
const invoice = { ...quote, dueOn: '2026-12-21' };

const entities = [
  ['shipment', shipment, { status: 'in-transit', deliveredOn: null }],
  ['quote', quote, { amountCents: 130_000, validUntil: '2026-12-01' }],
  ['invoice', invoice, { status: 'paid', issuedOn: '2026-11-21' }],
] as const;

describe.each(entities)('%s', (entityType, fields, changes) => {
  const id = `${entityType}Id`;
  const make = {
    identityKey: 'k1',
    kind: `${entityType}.create`,
    payload: { [id]: 'x', ...fields },
  };
  const change = {
    identityKey: 'k2',
    kind: `${entityType}.update`,
    payload: { [id]: 'x', ...changes },
  };

  test('is created with the fields that it names, and without its id among them', () => {
    const tenant = new MemoryTenant();
    expect(codesOf(tenant.push(make))).toEqual(['applied']);
    expect(tenant.find(entityType, 'x')).toEqual(fields);
  });

  test('is not created if its id exists', () => {
    const tenant = new MemoryTenant();
    const again = { ...make, identityKey: 'k9', payload: { ...make.payload, customer: 'Bob' } };
    const [, second] = tenant.push(make, again);
    expect(second).toMatchObject({
      failure: { code: 'CONFLICT' },
      differingFields: { fields: ['customer'], omitted: 0 },
    });
    expect(tenant.find(entityType, 'x')).toEqual(fields);
  });

  test('is changed in the fields that an update names', () => {
    const tenant = new MemoryTenant();
    tenant.push(make);
    expect(codesOf(tenant.push({ ...change, baseVersion: 1 }))).toEqual(['applied']);
    expect(tenant.find(entityType, 'x')).toEqual({ ...fields, ...changes });
  });

  test('is not changed by an update without a base', () => {
    const tenant = new MemoryTenant();
    const [, outcome] = tenant.push(make, change);
    expect(outcome).toMatchObject({ failure: { code: 'INVALID_EVENT', path: 'baseVersion' } });
  });

  test('conflicts if it changed since the base, with the fields that differ', () => {
    const tenant = new MemoryTenant();
    tenant.push(make, { ...change, baseVersion: 1 });
    const payload = { [id]: 'x', customer: 'Bob' };
    const [outcome] = tenant.push({ ...change, identityKey: 'k3', baseVersion: 1, payload });
    expect(outcome).toMatchObject({
      failure: { code: 'CONFLICT' },
      current: { version: 2 },
      differingFields: { fields: ['customer'], omitted: 0 },
    });
    expect(tenant.find(entityType, 'x')).toMatchObject({ customer: 'Ada Ltd' });
  });

  test('can be changed twice offline by one desktop, with each edit based on the one before', () => {
    const tenant = new MemoryTenant();
    const payload = { [id]: 'x', customer: 'Bob' };
    const outcomes = tenant.push(
      make,
      { ...change, baseKey: 'k1' },
      { ...change, identityKey: 'k3', baseKey: 'k2', payload },
    );
    expect(codesOf(outcomes)).toEqual(['applied', 'applied', 'applied']);
    expect(tenant.find(entityType, 'x')).toEqual({ ...fields, ...changes, customer: 'Bob' });
  });

  test.each(Object.keys(fields).filter((name) => name !== 'dueOn'))('needs its %s', (name) => {
    const { [name]: _gone, ...rest } = make.payload as Record<string, unknown>;
    expect(faultOf(make.kind, rest)).toBe(name);
  });

  test('refuses an update without a field, without an id, or with an unknown field', () => {
    expect(faultOf(change.kind, { [id]: 'x' })).toBe('');
    expect(faultOf(change.kind, { ...changes })).toBe(id);
    expect(faultOf(change.kind, { ...change.payload, colour: 'red' })).toBeDefined();
    expect(faultOf(change.kind, change.payload)).toBeUndefined();
  });

  test('has a create that expects no record and an update that requires a base', () => {
    const registry = createRegistry(bundledKinds);
    expect(registry.find(make.kind)?.precondition).toBe('absent');
    expect(registry.find(change.kind)?.precondition).toBe('required');
  });
});

test('an update empties a field with null, and does not change fields that it does not name', () => {
  const tenant = new MemoryTenant();
  const kind = 'invoice.create';
  tenant.push({ identityKey: 'k1', kind, payload: { invoiceId: 'x', ...invoice } });
  const payload = { invoiceId: 'x', dueOn: null };
  tenant.push({ identityKey: 'k2', kind: 'invoice.update', baseVersion: 1, payload });
  expect(tenant.find('invoice', 'x')).toEqual({ ...invoice, dueOn: null });
});

test.each([
  ['quote.create', { quoteId: 'x', ...quote, amountCents: 12.5 }, 'amountCents'],
  ['quote.create', { quoteId: 'x', ...quote, amountCents: -1 }, 'amountCents'],
  ['quote.create', { quoteId: 'x', ...quote, currency: 'euro' }, 'currency'],
  ['quote.create', { quoteId: 'x', ...quote, validUntil: '2026-02-30' }, 'validUntil'],
  ['invoice.create', { invoiceId: 'x', ...invoice, status: 'lost' }, 'status'],
  ['invoice.create', { invoiceId: '', ...invoice }, 'invoiceId'],
  ['invoice.update', { invoiceId: 'x', dueOn: '2026-12-21T00:00:00Z' }, 'dueOn'],
  ['shipment.update', { shipmentId: 'x', weightGrams: 0.5 }, 'weightGrams'],
  ['shipment.update', { shipmentId: 'x', customer: '' }, 'customer'],
])('%s refuses %j', (kind, payload, path) => {
  expect(faultOf(kind, payload)).toBe(path);
});
