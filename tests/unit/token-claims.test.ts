import { describe, expect, test } from 'vitest';
import { readClaim, readClaims } from '../../src/http/auth/token.ts';
import { fc } from './support/property.ts';

const url = 'https://app.example/tenant';

describe('readClaim finds a claim', () => {
  test.each<[what: string, name: string, claims: object]>([
    ['by its name', 'tenant', { tenant: 't1' }],
    ['by a name that is a URL', url, { [url]: 't1' }],
    ['by a name with dots', 'app.tenant', { 'app.tenant': 't1' }],
    ['at the end of a path', 'app_metadata.tenant_id', { app_metadata: { tenant_id: 't1' } }],
    ['at the end of a long path', 'a.b.c', { a: { b: { c: 't1' } } }],
    [
      'by its whole name before a path',
      'app.tenant',
      { 'app.tenant': 't1', app: { tenant: 't2' } },
    ],
  ])('%s', (_what, name, claims) => {
    // The claims are parsed like those of a token: in JSON, `__proto__` is an ordinary name.
    expect(readClaim(JSON.parse(JSON.stringify(claims)), name)).toBe('t1');
  });
});

describe('readClaim finds no claim', () => {
  test.each<[what: string, name: string, claims: string]>([
    ['elsewhere in the token', 'tenant', '{"user_metadata":{"tenant":"t1"}}'],
    ['by the last part of its path', 'app_metadata.tenant_id', '{"tenant_id":"t1"}'],
    ['by the first part of its path', 'app_metadata.tenant_id', '{"app_metadata":"t1"}'],
    ['at the end of an incomplete path', 'a.b.c', '{"a":{"b":"t1"}}'],
    ['by a nested name with dots', 'a.b.c', '{"a":{"b.c":"t1"}}'],
    ['by the dots of a URL', url, '{"https://app":{"example/tenant":"t1"}}'],
    ['by the dots of a name with colons', 'urn:a.b', '{"urn:a":{"b":"t1"}}'],
    ['in an array', 'app.0', '{"app":["t1"]}'],
    ['in the length of an array', 'app.length', '{"app":["t1"]}'],
    ['in the characters of a text', 'app.0', '{"app":"t1"}'],
    ['in a prototype in the token', 'tenant', '{"__proto__":{"tenant":"t1"}}'],
    ['in a nested prototype in the token', 'app.tenant', '{"app":{"__proto__":{"tenant":"t1"}}}'],
    ['in a constructor in the token', 'tenant', '{"constructor":{"tenant":"t1"}}'],
  ])('%s', (_what, name, claims) => {
    expect(readClaim(JSON.parse(claims), name)).toBeUndefined();
  });

  test.each([
    ...['toString', 'constructor', 'constructor.name', '__proto__', '__proto__.constructor.name'],
    ...['app.toString', 'app.constructor.name', 'app.__proto__', 'hasOwnProperty', 'valueOf.name'],
    ...['.', '..', 'app.', '.app', ''],
  ])('among inherited properties: %j', (name) => {
    expect(readClaim(JSON.parse('{"app":{"x":1}}'), name)).toBeUndefined();
  });

  test('that the token does not contain, for any token and any name', () => {
    const names = fc.array(
      fc.constantFrom('a', 'b', '__proto__', 'constructor', 'length', '0', '', 'https://a'),
      { minLength: 1, maxLength: 4 },
    );
    fc.assert(
      fc.property(fc.json(), names, (json, parts) => {
        const claims: unknown = JSON.parse(json);
        if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) return;
        const found = readClaim(claims as { [name: string]: unknown }, parts.join('.'));
        expect(found === undefined || json.includes(JSON.stringify(found))).toBe(true);
      }),
    );
  });
});

describe('readClaims reads the scopes', () => {
  const names = {
    ...{ tenant: 'tenant', device: 'device', subject: 'sub' },
    scopes: ['scope', 'scp', 'permissions'],
  };
  const scopesOf = (claims: object, defaults: readonly string[] = ['sync:pull']) => {
    const read = readClaims({ exp: 1, ...claims }, names, defaults);
    return read.ok ? read.claims.scopes : read.invalidClaim;
  };

  test.each<[what: string, claims: object, scopes: readonly string[]]>([
    ['from a text', { scope: 'sync:push sync:pull' }, ['sync:push', 'sync:pull']],
    ['from a list', { scope: ['sync:push', 'sync:pull'] }, ['sync:push', 'sync:pull']],
    ['from `scp`', { scp: 'sync:push' }, ['sync:push']],
    ['from `permissions`', { permissions: ['sync:push'] }, ['sync:push']],
    ['from the first claim that the token has', { scope: 'openid', scp: 'sync:push' }, ['openid']],
    ['from an empty list, as no scopes', { scope: [], scp: 'sync:push' }, []],
    ['from the settings if the token has none', {}, ['sync:pull']],
  ])('%s', (_what, claims, scopes) => {
    expect(scopesOf(claims)).toEqual(scopes);
  });

  test('as no scopes if neither the token nor the settings have any', () => {
    expect(scopesOf({}, [])).toEqual([]);
  });

  test.each([null, 5, {}, [['sync:push']], ['sync:push', 5]])('and rejects %j', (scope) => {
    expect(scopesOf({ scope })).toBe('scopes');
  });
});
