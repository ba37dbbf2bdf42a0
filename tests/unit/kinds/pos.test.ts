import { describe, expect, test } from 'vitest';
import { mergeCustomer } from '../../../src/systems/pos/merge-customer.ts';
import { codesOf, faultOf, MemoryTenant } from './support/memory-tenant.ts';

type Data = Readonly<Record<string, unknown>>;

const put = (
  identityKey: string,
  resourceVersion: number,
  data: Data,
  resourceType = 'Sales Invoice',
) => ({
  identityKey,
  kind: 'resource.put',
  payload: { resourceType, resourceId: 'r1', resourceVersion, data },
});
const customer = (identityKey: string, resourceVersion: number, data: Data) =>
  put(identityKey, resourceVersion, data, 'Customer');

describe('a resource', () => {
  test('has its fields beside its type and id, and an entity id made of both', () => {
    const tenant = new MemoryTenant();
    expect(codesOf(tenant.push(put('k1', 0, { total: 12 })))).toEqual(['applied']);
    expect(tenant.find('resource', 'Sales Invoice/r1')).toEqual({
      resourceType: 'Sales Invoice',
      resourceId: 'r1',
      total: 12,
    });
  });

  test('is replaced completely on the version that its till saw', () => {
    const tenant = new MemoryTenant();
    tenant.push(put('k1', 0, { total: 12, note: 'x' }));
    expect(codesOf(tenant.push(put('k2', 1, { total: 13 })))).toEqual(['applied']);
    expect(tenant.find('resource', 'Sales Invoice/r1')).not.toHaveProperty('note');
  });

  test('conflicts on any other version, with the fields that differ', () => {
    const tenant = new MemoryTenant();
    tenant.push(put('k1', 0, { total: 12, note: 'x', open: true }));
    tenant.push(put('k2', 1, { total: 13, note: 'x', open: true }));
    const [outcome] = tenant.push(put('k3', 1, { total: 14, note: 'x', paid: 1 }));
    expect(outcome).toMatchObject({
      failure: { code: 'CONFLICT' },
      current: { version: 2 },
      differingFields: { fields: ['open', 'paid', 'total'], omitted: 0 },
    });
    expect(tenant.find('resource', 'Sales Invoice/r1')).toMatchObject({ total: 13 });
  });

  test('can be created only once', () => {
    const outcomes = new MemoryTenant().push(put('k1', 0, {}), put('k2', 0, { a: 1 }));
    expect(codesOf(outcomes)).toEqual(['applied', 'CONFLICT']);
  });

  test('can be edited twice offline by one till that names its own earlier edit', () => {
    const tenant = new MemoryTenant();
    const second = { ...put('k2', 0, { total: 2 }), baseKey: 'k1' };
    const outcomes = tenant.push(put('k1', 0, { total: 1 }), second);
    expect(codesOf(outcomes)).toEqual(['applied', 'applied']);
  });

  test('is removed on the version that its till saw, and on no other version', () => {
    const tenant = new MemoryTenant();
    tenant.push(put('k1', 0, { total: 1 }), put('k2', 1, { total: 2 }));
    const removeOn = (identityKey: string, resourceVersion: number) => ({
      identityKey,
      kind: 'resource.remove',
      payload: { resourceType: 'Sales Invoice', resourceId: 'r1', resourceVersion },
    });
    expect(codesOf(tenant.push(removeOn('k3', 1)))).toEqual(['CONFLICT']);
    expect(codesOf(tenant.push(removeOn('k4', 2)))).toEqual(['applied']);
    expect(tenant.find('resource', 'Sales Invoice/r1')).toBeUndefined();
  });

  test.each([
    [{ resourceType: 'a/b' }, 'resourceType'],
    [{ resourceType: '' }, 'resourceType'],
    [{ resourceId: '' }, 'resourceId'],
    [{ resourceVersion: -1 }, 'resourceVersion'],
    [{ resourceVersion: undefined }, 'resourceVersion'],
    [{ data: [] }, 'data'],
    [{ data: { resourceType: 'Item' } }, 'data.resourceType'],
    [{ data: { resourceId: 'r2' } }, 'data.resourceId'],
  ])('cannot be %j', (wrong, path) => {
    const { payload } = put('k1', 0, {});
    expect(faultOf('resource.put', { ...payload, ...wrong })).toBe(path);
  });

  test('can be sent back with all fields of the record, including its type and id', () => {
    const data = { resourceType: 'Sales Invoice', resourceId: 'r1', constructor: 1 };
    expect(faultOf('resource.put', put('k1', 0, data).payload)).toBeUndefined();
  });
});

describe('the edits of two tills that both changed a customer', () => {
  test('are merged: fields of one side are kept, lists are united, and otherwise the incoming side wins', () => {
    const tenant = new MemoryTenant();
    tenant.push(customer('k1', 0, { name: 'Ada', phones: ['1'] }));
    tenant.push(customer('k2', 1, { name: 'Ada L.', phones: ['1', '2'], vat: 'DE1' }));
    const late = customer('k3', 1, { name: 'Ada B.', phones: ['3', '1'], city: 'Kiel' });
    expect(codesOf(tenant.push(late))).toEqual(['applied']);
    expect(tenant.find('resource', 'Customer/r1')).toEqual({
      resourceType: 'Customer',
      resourceId: 'r1',
      name: 'Ada B.',
      phones: ['1', '2', '3'],
      vat: 'DE1',
      city: 'Kiel',
    });
  });

  test('are settled by last write wins if a list is not a list, and the error is reported', () => {
    const tenant = new MemoryTenant();
    tenant.push(customer('k1', 0, { phones: ['1'] }));
    tenant.push(customer('k2', 1, { phones: ['1', '2'] }));
    tenant.now += 1_000;
    const [outcome] = tenant.push(customer('k3', 1, { phones: '3' }));
    expect(outcome?.status).toBe('applied');
    expect(String(outcome?.fault)).toContain('phones');
    expect(tenant.find('resource', 'Customer/r1')).toMatchObject({ phones: '3' });
  });

  test('are not merged if the version is current', () => {
    const tenant = new MemoryTenant();
    tenant.push(customer('k1', 0, { phones: ['1'] }));
    tenant.push(customer('k2', 1, { phones: ['2'] }));
    expect(tenant.find('resource', 'Customer/r1')).toMatchObject({ phones: ['2'] });
  });

  test.each(['customer', 'Item', 'Customer Group'])(
    'are merged only for customers: a %s conflicts',
    (type) => {
      const tenant = new MemoryTenant();
      tenant.push(put('k1', 0, { a: 1 }, type), put('k2', 1, { a: 2 }, type));
      expect(codesOf(tenant.push(put('k3', 1, { b: 1 }, type)))).toEqual(['CONFLICT']);
    },
  );
});

describe('merging customers', () => {
  test('unites lists of objects, however their fields are ordered, at any depth', () => {
    const home = { kind: 'home', at: { x: 1, y: 2 } };
    const turned = { at: { y: 2, x: 1 }, kind: 'home' };
    const other = { kind: 'work' };
    expect(mergeCustomer({ addresses: [home] }, { addresses: [turned, other, other] })).toEqual({
      addresses: [home, other],
    });
  });

  test('tells a number from its text', () => {
    expect(mergeCustomer({ phones: [1] }, { phones: ['1'] })).toEqual({ phones: [1, '1'] });
  });

  test('unites every field that is a list on both sides', () => {
    expect(mergeCustomer({ tags: ['a'] }, { tags: ['b'] })).toEqual({ tags: ['a', 'b'] });
  });

  test('replaces an object completely, and treats null as a value', () => {
    const current = { limit: { amount: 1, of: 'EUR' }, vat: 'DE1' };
    expect(mergeCustomer(current, { limit: { amount: 2 }, vat: null })).toEqual({
      limit: { amount: 2 },
      vat: null,
    });
  });

  test('does not treat an inherited property as a field', () => {
    expect(mergeCustomer({}, { constructor: 'x' })).toEqual({ constructor: 'x' });
    expect(mergeCustomer({ toString: 'y' }, {})).toEqual({ toString: 'y' });
  });

  test.each([
    [{ phones: '1' }, {}],
    [{}, { phones: '1' }],
    [{ phones: ['1'] }, { phones: null }],
    [{ emails: 'a@example.org' }, { emails: 'b@example.org' }],
    [{ tags: ['a'] }, { tags: 'b' }],
  ])('of %j and %j throws', (current, incoming) => {
    expect(() => mergeCustomer(current, incoming)).toThrow('is not a list');
  });
});
