import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { refusal } from './support/config-refusal.ts';

const load = (environment: NodeJS.ProcessEnv) =>
  loadConfig(environment, () => 'a secret of thirty-two characters');
const production = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgresql://db/landfall',
  JWT_SECRET: 'a secret of thirty-two characters',
};

describe('an environment that sets nothing', () => {
  test('trusts no proxy, allows no origin, and sets high rate limits', () => {
    expect(load({}).edge).toEqual({
      trustProxy: false,
      corsOrigins: [],
      rateLimits: { address: 60_000, tenant: 30_000, subject: 6_000 },
    });
  });

  test('delays a shutdown in production only', () => {
    expect(load({}).shutdownDelayMs).toBe(0);
    expect(load({ NODE_ENV: 'test' }).shutdownDelayMs).toBe(0);
    expect(load(production).shutdownDelayMs).toBe(5_000);
    expect(load({ ...production, SHUTDOWN_DELAY: '0s' }).shutdownDelayMs).toBe(0);
  });
});

test.each([
  ['2', 2],
  ['10.0.0.1', ['10.0.0.1']],
  ['10.0.0.0/8, fd00::/8', ['10.0.0.0/8', 'fd00::/8']],
  ['loopback,uniquelocal', ['loopback', 'uniquelocal']],
])('TRUST_PROXY=%s is accepted', (TRUST_PROXY, trustProxy) => {
  expect(load({ TRUST_PROXY }).edge.trustProxy).toEqual(trustProxy);
});

test('CORS_ORIGINS is a list of origins as browsers, and apps with a built-in browser, send them', () => {
  const CORS_ORIGINS = 'https://app.example, http://localhost:5173,capacitor://localhost';
  expect(load({ CORS_ORIGINS }).edge.corsOrigins).toEqual([
    'https://app.example',
    'http://localhost:5173',
    'capacitor://localhost',
  ]);
});

test('a rate limit is a number or off', () => {
  const environment = {
    RATE_LIMIT_ADDRESS: 'off',
    RATE_LIMIT_TENANT: '10',
    RATE_LIMIT_SUBJECT: '1',
  };
  const rateLimits = { address: null, tenant: 10, subject: 1 };
  expect(load(environment).edge.rateLimits).toEqual(rateLimits);
});

test.each([
  ...['true', 'false', '*', '0', '-1', '1.5', '100', 'proxy.example', ',', '10.0.0.0/33'],
  ...['0.0.0.0/0', '::/0', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/08', '10.0.0.1,everybody'],
])('TRUST_PROXY=%s is refused', (TRUST_PROXY) => {
  expect(refusal({ TRUST_PROXY })).toMatch(/^TRUST_PROXY: .+ is neither an address, a range/);
});

test('CORS_ORIGINS=* is refused with the reason', () => {
  expect(refusal({ CORS_ORIGINS: '*' })).toMatch(/^CORS_ORIGINS: .*every page.*list the origins/);
});

test.each([
  ...['app.example', 'https://app.example/', 'https://app.example/app', 'https://*.app.example'],
  ...['https://APP.example', 'https://app.example:443', 'https://u:p@app.example', 'null'],
  ...['https://app.example https://b.example', 'capacitor://', 'https://a.example,*'],
])('CORS_ORIGINS=%s is refused', (CORS_ORIGINS) => {
  expect(refusal({ CORS_ORIGINS })).toMatch(/^CORS_ORIGINS: /);
});

test.each(['0', '-1', '1.5', 'none', 'OFF', 'Infinity'])(
  'a rate limit of %s is refused',
  (value) => {
    for (const name of ['RATE_LIMIT_ADDRESS', 'RATE_LIMIT_TENANT', 'RATE_LIMIT_SUBJECT']) {
      expect(refusal({ [name]: value })).toMatch(new RegExp(`^${name}: `));
    }
  },
);

test.each(['5', '0', '-1s', '11s', '1h', 'soon'])('SHUTDOWN_DELAY=%s is refused', (value) => {
  expect(refusal({ SHUTDOWN_DELAY: value })).toMatch(/^SHUTDOWN_DELAY: .* from 0s to 10s$/);
});
