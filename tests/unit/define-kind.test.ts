import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { append } from '../../src/domain/kinds/policies/append.ts';
import { accept, decide } from '../../src/domain/kinds/policies/decide.ts';
import { patch } from '../../src/domain/kinds/policies/patch.ts';
import type { Policy } from '../../src/domain/kinds/policies/policy.ts';
import { put } from '../../src/domain/kinds/policies/put.ts';
import { remove } from '../../src/domain/kinds/policies/remove.ts';
import { personPut, stepPut } from './support/kinds.ts';

const shipSchema = z.strictObject({ id: z.string(), fuel: z.number() });
type Ship = z.infer<typeof shipSchema>;

const shipKind = (
  name: string,
  policy: Policy<Ship> = put(({ fuel }) => ({ fuel })),
  entityType = 'ship',
) =>
  defineKind({
    name,
    entityType,
    payload: payload(shipSchema),
    entityId: ({ id }) => id,
    policy,
  });

describe('a kind', () => {
  test.each([
    ...[
      'ship.launch',
      'ship.launch-again',
      'ship2.fuel.add',
      'WorkOrderUpdated',
      'workOrderUpdated',
    ],
    ...['WORK_ORDER_UPDATED', 'orders/created', 'order:updated', 'com.acme.order.v2', 'ship', '7'],
    ...['ship.', 'toString', 'a'.repeat(100)],
  ])('may be named %s', (name) => {
    expect(shipKind(name).name).toBe(name);
  });

  test.each([
    ...[
      '',
      '.launch',
      '/launch',
      'ship launch',
      'ship,launch',
      'ship\nlaunch',
      'ship\u0000',
      ' ship',
    ],
    ...['schiff.gestartet-für', 'ship\u200b', '__proto__', 'a'.repeat(101)],
  ])('may not be named "%s"', (name) => {
    expect(() => shipKind(name)).toThrow(`kind ${JSON.stringify(name)}`);
  });

  test.each([
    'ship',
    'workOrder',
    'WorkOrder',
    'work_order',
    'work-order',
    'work.order',
    'toString',
  ])('may be about the entity type %s', (entityType) => {
    expect(shipKind('ship.launch', undefined, entityType).entityType).toBe(entityType);
  });

  test.each(['', '7', '.', '..', 'work,order', 'work/order', 'work\norder', 'a'.repeat(101)])(
    'may not be about the entity type "%s"',
    (entityType) => {
      const define = () => shipKind('ship.launch', undefined, entityType);
      expect(define).toThrow(`${JSON.stringify(entityType)} must be an entity type`);
    },
  );

  test('is not ordered by default', () => {
    expect(shipKind('ship.launch').ordered).toBe(false);
    expect(stepPut.ordered).toBe(true);
  });

  test('turns a valid payload into an entity and an intent', () => {
    const result = shipKind('ship.launch').interpret(1, { id: 's1', fuel: 4 });
    const interpretation = { entityId: 's1', intent: { policy: 'put', fields: { fuel: 4 } } };
    expect(result).toEqual({ ok: true, interpretation });
  });

  test('returns the issues of an invalid payload and does not throw', () => {
    const result = shipKind('ship.launch').interpret(1, { id: 's1', fuel: 'full' });
    expect(result.ok).toBe(false);
    expect(result.ok || result.error?.issues.map(({ path }) => path)).toEqual([['fuel']]);
  });

  const broken = (definition: Partial<Parameters<typeof defineKind<Ship>>[0]>) =>
    defineKind<Ship>({
      name: 'ship.launch',
      entityType: 'ship',
      payload: payload(shipSchema),
      entityId: ({ id }) => id,
      policy: put(() => ({})),
      ...definition,
    }).interpret(1, { id: 's1', fuel: 4 });
  const fault = new Error('a fault');
  const fail = () => {
    throw fault;
  };

  test('returns what its code threw, with the entity id if it was known by then', () => {
    for (const definition of [{ policy: put<Ship>(fail) }, { baseVersion: fail }]) {
      expect(broken(definition)).toEqual({ ok: false, fault, entityId: 's1' });
    }
    const wrong = broken({ policy: put(() => ({ at: new Date() as unknown as string })) });
    expect(wrong).toMatchObject({ ok: false, fault: expect.any(Error), entityId: 's1' });
    const failing = payload(shipSchema.refine(fail));
    const lifted = payload(shipSchema).next(shipSchema, fail);
    for (const definition of [{ entityId: fail }, { payload: failing }]) {
      expect(broken(definition)).toEqual({ ok: false, fault, entityId: undefined });
    }
    expect(broken({ payload: lifted })).toEqual({ ok: false, fault, entityId: undefined });
  });

  test.each([
    ['put', put<Ship>(({ fuel }) => ({ fuel })), { policy: 'put', fields: { fuel: 4 } }],
    ['patch', patch<Ship>(({ fuel }) => ({ fuel })), { policy: 'patch', fields: { fuel: 4 } }],
    ['remove', remove(), { policy: 'remove' }],
  ])('whose policy is %s returns that intent', (_name, policy, intent) => {
    const result = shipKind('ship.launch', policy).interpret(1, { id: 's1', fuel: 4 });
    expect(result).toMatchObject({ interpretation: { intent } });
  });
});

describe('an invalid definition is refused with the name of the kind', () => {
  const base = {
    name: 'ship.launch',
    entityType: 'ship',
    payload: payload(shipSchema),
    entityId: ({ id }: Ship) => id,
  };
  const failure = { retryable: false, cause: 'none left', remedy: 'wait' };

  test.each([
    ['', 'the failure code "" is not a letter'],
    ['7TH_TRY', 'the failure code "7TH_TRY" is not a letter'],
    ['OUT OF FUEL', 'the failure code "OUT OF FUEL" is not a letter'],
    ['A'.repeat(101), 'is not a letter and up to 99'],
    ['CONFLICT', "CONFLICT is one of Landfall's own codes"],
  ])('for the failure code %s', (code, message) => {
    const policy = decide<Ship>({ reads: () => [], decide: () => accept() });
    const define = () => defineKind({ ...base, policy, failures: { [code]: failure } });
    expect(define).toThrow('ship.launch');
    expect(define).toThrow(message);
  });

  test.each(['OUT_OF_FUEL', 'OUT-OF-FUEL', 'outOfFuel', 'fuel.out', 'constructor', 'toString'])(
    'but the failure code %s is accepted',
    (code) => {
      const policy = decide<Ship>({ reads: () => [], decide: () => accept() });
      const kind = defineKind({ ...base, policy, failures: { [code]: failure } });
      expect(Object.keys(kind.failures)).toEqual([code]);
    },
  );

  test.each([
    ['payload', shipSchema, 'payload is not made by payload(schema)'],
    ['entityId', 'id', 'entityId is not a function'],
    ['policy', put, 'policy is not made by put(…)'],
    ['policy', undefined, 'policy is not made by put(…)'],
  ])('for a %s that the compiler would have refused', (member, value, message) => {
    const policy = put<Ship>(() => ({}));
    const define = () => defineKind<Ship>({ ...base, policy, [member]: value });
    expect(define).toThrow(`kind "ship.launch": ${message}`);
  });

  test('for a resolve hook beside a policy without last write wins', () => {
    const policy = append<Ship>((before) => before ?? {});
    expect(() => defineKind({ ...base, policy, resolve: () => ({}) })).toThrow('resolve goes with');
  });
});

describe('payload versions', () => {
  test('are counted from 1, each with a schema of its own', () => {
    expect(shipKind('ship.launch').newestVersion).toBe(1);
    expect(personPut.newestVersion).toBe(3);
    const schemas = [1, 2, 3].map((version) => personPut.schemaOf(version));
    expect(new Set(schemas).size).toBe(3);
    expect(schemas).not.toContain(undefined);
    expect([0, 4].map((version) => personPut.schemaOf(version))).toEqual([undefined, undefined]);
  });

  test('convert a payload only by the upcasts after its own version', () => {
    const calls: string[] = [];
    const counted = payload(z.number())
      .next(z.number(), (older) => (calls.push('1→2'), older + 1))
      .next(z.number(), (older) => (calls.push('2→3'), older * 10));
    expect(counted.read(2, 5)).toEqual({ ok: true, value: 50 });
    expect(calls).toEqual(['2→3']);
    expect(counted.read(1, 5)).toEqual({ ok: true, value: 60 });
    expect(counted.read(3, 5)).toEqual({ ok: true, value: 5 });
  });

  test('pass to an upcast the payload as the schema parsed it, with defaults', () => {
    const versions = payload(z.object({ size: z.number().default(7) })).next(
      z.object({ size: z.number() }),
      ({ size }) => ({ size }),
    );
    expect(versions.read(1, {})).toEqual({ ok: true, value: { size: 7 } });
  });

  test('report a wrong upcast as an error of the kind, not as an invalid payload', () => {
    const versions = payload(z.object({ a: z.string() })).next(
      z.object({ b: z.string().min(1) }),
      () => ({ b: '' }),
    );
    expect(versions.read(1, { a: 1 })).toMatchObject({ ok: false, error: { issues: [{}] } });
    expect(() => versions.read(1, { a: 'x' })).toThrow(
      'version 2 that was made of version 1 does not match its schema: b: Too small',
    );
  });

  test('do not change the versions that they were added to', () => {
    const first = payload(z.number());
    first.next(z.string(), String);
    expect(first.newest).toBe(1);
    expect(first.read(1, 5)).toEqual({ ok: true, value: 5 });
  });
});
