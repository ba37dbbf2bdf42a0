import { getHeapStatistics } from 'node:v8';
import { describe, expect, test } from 'vitest';
import { ConfigError, loadConfig, loadDatabaseConfig } from '../../src/config/config.ts';
import { listSettings } from '../../src/config/settings/setting.ts';
import { settingGroups, settings } from '../../src/config/settings/settings.ts';
import { refusal } from './support/config-refusal.ts';

const secret = 's'.repeat(32);
const jwks = {
  JWKS_URL: 'https://issuer.example/.well-known/jwks.json',
  JWT_ISSUER: 'https://issuer.example',
  JWT_AUDIENCE: 'landfall',
};

const defaultTokenSettings = {
  claims: {
    ...{ tenant: 'tenant', device: 'device', subject: 'sub' },
    scopes: ['scope', 'scp', 'permissions'],
  },
  defaultScopes: [],
};

const load = (environment: NodeJS.ProcessEnv) => loadConfig(environment, (dir) => `made in ${dir}`);

describe('an environment that sets nothing', () => {
  test('gives a development service on this machine with an embedded database and a generated secret', () => {
    expect(load({})).toMatchObject({
      production: false,
      host: '127.0.0.1',
      port: 3000,
      logLevel: 'info',
      databaseUrl: undefined,
      dataDir: '.data',
      auth: {
        mode: 'secret',
        secret: 'made in .data',
        isGeneratedSecret: true,
        ...defaultTokenSettings,
      },
      limits: { maxBatchEvents: 500, maxEventAgeMs: null },
      maxGroupTenants: Infinity,
      retention: { tombstoneMs: 7_776_000_000, eventMs: null, intervalMs: 3_600_000 },
    });
  });

  test('makes a changed kind a warning', () => {
    expect(load({}).changedKinds).toBe('warn');
  });

  test('makes a changed kind an error in production', () => {
    const production = {
      NODE_ENV: 'production',
      JWT_SECRET: secret,
      DATABASE_URL: 'postgresql://db/l',
    };
    expect(load(production).changedKinds).toBe('refuse');
  });

  test('has the same meaning as an environment that sets variables to an empty text', () => {
    const names = ['NODE_ENV', 'PORT', 'DATABASE_URL', 'JWT_SECRET', 'JWKS_URL', 'MAX_EVENT_AGE'];
    const empty = Object.fromEntries(names.map((name) => [name, '']));
    expect(load(empty)).toEqual(load({}));
    expect(refusal({ NODE_ENV: 'production', JWT_SECRET: '' })).toContain('JWT_SECRET');
  });

  test('has the same meaning as an environment that sets variables of other programs', () => {
    expect(load({ PATH: '/bin', port: '1' })).toEqual(load({}));
  });
});

describe('an environment that sets variables', () => {
  test('gives their values', () => {
    const config = load({
      NODE_ENV: 'production',
      HOST: '0.0.0.0',
      PORT: '0',
      LOG_LEVEL: 'warn',
      DATABASE_URL: 'postgresql://user:pass@db:5432/landfall',
      DIRECT_DATABASE_URL: 'postgresql://owner:pass@db:5433/landfall',
      PREPARED_STATEMENTS: 'off',
      DATABASE_POOL_SIZE: '20',
      DATA_DIR: '/data',
      KINDS: './kinds.ts',
      CHANGED_KINDS: 'warn',
      JWT_SECRET: secret,
      JWT_TENANT_CLAIM: 'org',
      JWT_DEVICE_CLAIM: 'app.device',
      JWT_SUBJECT_CLAIM: 'https://app.example/user',
      JWT_SCOPE_CLAIM: 'roles, scp',
      JWT_DEFAULT_SCOPES: 'sync:pull  sync:push',
      MAX_BATCH_EVENTS: '50',
      MAX_EVENT_BYTES: '1000',
      MAX_BODY_BYTES: '2000',
      MAX_ANSWER_BYTES: '3000',
      MAX_EVENT_AGE: '90d',
      TOMBSTONE_RETENTION: '30d',
      EVENT_RETENTION: '365d',
      RETENTION_INTERVAL: '10m',
      COMMIT_LANES: '3',
      GROUP_TENANTS: '13',
      MAX_GROUP_EVENTS: '4',
      MAX_TENANT_BATCHES: '5',
      MAX_QUEUED_EVENTS: '6',
      MAX_GROUP_BYTES: '7',
      MAX_QUEUED_BYTES: '8',
      TRUST_PROXY: '1',
      CORS_ORIGINS: 'https://app.example',
      RATE_LIMIT_ADDRESS: '1',
      RATE_LIMIT_TENANT: '2',
      RATE_LIMIT_SUBJECT: '3',
      SHUTDOWN_DELAY: '2s',
      READ_LANES: '9',
      MAX_TENANT_READS: '10',
      MAX_QUEUED_READS: '11',
      MAX_EVENT_LOOP_DELAY: '200ms',
      MAX_HEAP_BYTES: '12',
    });
    expect(config).toEqual({
      production: true,
      host: '0.0.0.0',
      port: 0,
      logLevel: 'warn',
      databaseUrl: 'postgresql://user:pass@db:5432/landfall',
      directDatabaseUrl: 'postgresql://owner:pass@db:5433/landfall',
      preparedStatements: false,
      kindsFile: './kinds.ts',
      changedKinds: 'warn',
      databasePoolSize: 20,
      dataDir: '/data',
      auth: {
        ...{
          mode: 'secret',
          secret,
          isGeneratedSecret: false,
          issuer: undefined,
          audience: undefined,
        },
        claims: {
          ...{ tenant: 'org', device: 'app.device', subject: 'https://app.example/user' },
          scopes: ['roles', 'scp'],
        },
        defaultScopes: ['sync:pull', 'sync:push'],
      },
      limits: {
        maxBatchEvents: 50,
        maxEventBytes: 1000,
        maxBodyBytes: 2000,
        maxAnswerBytes: 3000,
        maxEventAgeMs: 90 * 24 * 60 * 60 * 1000,
        maxRecordLength: 2000,
      },
      edge: {
        trustProxy: 1,
        corsOrigins: ['https://app.example'],
        rateLimits: { address: 1, tenant: 2, subject: 3 },
      },
      shutdownDelayMs: 2_000,
      retention: {
        tombstoneMs: 30 * 24 * 60 * 60 * 1000,
        eventMs: 365 * 24 * 60 * 60 * 1000,
        intervalMs: 10 * 60 * 1000,
      },
      maxGroupTenants: 13,
      commitQueue: {
        ...{ lanes: 3, maxGroupEvents: 4, maxTenantBatches: 5, maxQueuedEvents: 6 },
        ...{ maxGroupBytes: 7, maxQueuedBytes: 8 },
      },
      reads: { lanes: 9, maxTenantReads: 10, maxQueuedReads: 11 },
      overload: { maxEventLoopDelayMs: 200, maxHeapBytes: 12 },
    });
  });

  test.each([
    ['90d', 7_776_000_000],
    ['12h', 43_200_000],
    ['30m', 1_800_000],
  ])('gives a duration of %s in milliseconds', (text, milliseconds) => {
    expect(load({ MAX_EVENT_AGE: text }).limits.maxEventAgeMs).toBe(milliseconds);
  });

  test.each(['90', ' 90 ', '1e3', 'soon', '-1d', '0d', 'd'])(
    'is refused with a duration of %j',
    (text) => {
      expect(refusal({ TOMBSTONE_RETENTION: text })).toContain('TOMBSTONE_RETENTION');
    },
  );

  test('needs no secret in production when it sets the keys of an issuer', () => {
    const DATABASE_URL = 'postgresql://db/landfall';
    expect(load({ NODE_ENV: 'production', DATABASE_URL, ...jwks }).auth).toEqual({
      mode: 'jwks',
      ...defaultTokenSettings,
      jwksUrl: jwks.JWKS_URL,
      issuer: jwks.JWT_ISSUER,
      audience: jwks.JWT_AUDIENCE,
    });
  });

  test('is refused in production with the name of every missing variable', () => {
    const message = refusal({ NODE_ENV: 'production' });
    expect(message).toContain('DATABASE_URL');
    expect(message).toContain('JWT_SECRET');
  });

  test('may set a secret of 16 characters that has 32 bytes', () => {
    const JWT_SECRET = 'é'.repeat(16);
    expect(load({ JWT_SECRET }).auth).toMatchObject({ secret: JWT_SECRET });
  });

  test.each<[string, NodeJS.ProcessEnv]>([
    ['a secret', { JWT_SECRET: secret }],
    ['the keys of an issuer', jwks],
  ])('makes no development secret when it sets %s', (_what, environment) => {
    const failingSecret = () => {
      throw new Error('a secret was made');
    };
    expect(() => loadConfig(environment, failingSecret)).not.toThrow();
  });
});

describe('the connection pool', () => {
  test('gives to reads the connections that pushes leave', () => {
    expect(load({}).reads.lanes).toBe(7);
    expect(load({ DATABASE_POOL_SIZE: '4', COMMIT_LANES: '2' }).reads.lanes).toBe(1);
    expect(load({ DATABASE_POOL_SIZE: '20', READ_LANES: '17' }).reads.lanes).toBe(17);
  });

  test.each<NodeJS.ProcessEnv>([
    { DATABASE_POOL_SIZE: '3' },
    { COMMIT_LANES: '9' },
    { READ_LANES: '8' },
    { DATABASE_POOL_SIZE: '20', READ_LANES: '18' },
  ])('is refused when all lanes together need more connections: %j', (environment) => {
    expect(refusal(environment)).toMatch(/^DATABASE_POOL_SIZE: is too small for COMMIT_LANES/);
  });
});

describe('the maximum of the heap', () => {
  test('is below V8’s heap limit by default', () => {
    const { maxHeapBytes } = load({}).overload;
    expect(maxHeapBytes).toBeGreaterThan(0);
    expect(maxHeapBytes).toBeLessThan(getHeapStatistics().heap_size_limit);
  });
});

describe('a command that works on the database', () => {
  const DATABASE_URL = 'postgresql://db/landfall';

  test('needs only the settings of the database and of its retention', () => {
    const environment = { NODE_ENV: 'production', DATABASE_URL, EVENT_RETENTION: '365d' };
    expect(loadDatabaseConfig(environment, true)).toEqual({
      databaseUrl: DATABASE_URL,
      directDatabaseUrl: undefined,
      preparedStatements: true,
      dataDir: '.data',
      retention: { tombstoneMs: 7_776_000_000, eventMs: 31_536_000_000, intervalMs: 3_600_000 },
    });
  });

  test('reads the same values as the service', () => {
    const environment = {
      ...{ DATABASE_URL, DATA_DIR: '/data', TOMBSTONE_RETENTION: '30d', RETENTION_INTERVAL: '10m' },
    };
    expect(load(environment)).toMatchObject(loadDatabaseConfig(environment, true));
    expect(load({})).toMatchObject(loadDatabaseConfig({ DATABASE_URL: '' }, true));
  });

  test.each<[string, NodeJS.ProcessEnv]>([
    ['DATABASE_URL', { NODE_ENV: 'production' }],
    ['DATABASE_URL', { DATABASE_URL: 'mysql://db/landfall' }],
    ['DATABASE_URL', { DIRECT_DATABASE_URL: DATABASE_URL }],
    ['DIRECT_DATABASE_URL', { DATABASE_URL, DIRECT_DATABASE_URL: 'db/landfall' }],
    ['PREPARED_STATEMENTS', { DATABASE_URL, PREPARED_STATEMENTS: 'no' }],
    ['NODE_ENV', { DATABASE_URL, NODE_ENV: 'staging' }],
    ['TOMBSTONE_RETENTION', { DATABASE_URL, TOMBSTONE_RETENTION: 'long' }],
    ['EVENT_RETENTION', { DATABASE_URL, EVENT_RETENTION: '0d' }],
  ])('refuses a wrong %s and names it: %j', (name, environment) => {
    const message = new RegExp(`^${name}: .+$`);
    expect(() => loadDatabaseConfig(environment, true)).toThrow(ConfigError);
    expect(() => loadDatabaseConfig(environment, true)).toThrow(message);
  });
});

describe('a refusal names every wrong variable', () => {
  test.each<[string, NodeJS.ProcessEnv]>([
    ['NODE_ENV', { NODE_ENV: 'staging' }],
    ['NODE_ENV', { NODE_ENV: 'Production' }],
    ['PORT', { PORT: 'http' }],
    ['PORT', { PORT: '65536' }],
    ['PORT', { PORT: '-1' }],
    ['PORT', { PORT: '80.5' }],
    ['LOG_LEVEL', { LOG_LEVEL: 'loud' }],
    ['DATABASE_URL', { DATABASE_URL: 'mysql://db/landfall' }],
    ['DATABASE_URL', { DATABASE_URL: 'localhost' }],
    ['DATABASE_POOL_SIZE', { DATABASE_POOL_SIZE: '0' }],
    ['JWT_SECRET', { JWT_SECRET: 's'.repeat(31) }],
    ['JWT_SCOPE_CLAIM', { JWT_SCOPE_CLAIM: ',' }],
    ['JWT_SCOPE_CLAIM', { JWT_SCOPE_CLAIM: 'scope,,scp' }],
    ['JWT_DEFAULT_SCOPES', { JWT_DEFAULT_SCOPES: 'sync:pull,sync:push' }],
    ['JWT_DEFAULT_SCOPES', { JWT_DEFAULT_SCOPES: 'sync:pull\tsync:push' }],
    ['JWT_SECRET', { NODE_ENV: 'production' }],
    ['JWT_SECRET', { NODE_ENV: 'production', JWT_ISSUER: 'i', JWT_AUDIENCE: 'a' }],
    ['JWKS_URL', { ...jwks, JWKS_URL: 'file:///keys.json' }],
    ['JWKS_URL', { ...jwks, JWKS_URL: 'keys' }],
    ['JWT_ISSUER', { ...jwks, JWT_ISSUER: undefined }],
    ['JWT_AUDIENCE', { ...jwks, JWT_AUDIENCE: undefined }],
    ['JWT_AUDIENCE', { ...jwks, JWT_AUDIENCE: '' }],
    ['JWT_SECRET', { ...jwks, JWT_SECRET: secret }],
    ['JWKS_URL', { ...jwks, JWT_SECRET: secret }],
    ['MAX_EVENT_AGE', { MAX_EVENT_AGE: 'long' }],
    ['MAX_EVENT_AGE', { MAX_EVENT_AGE: '0d' }],
    ['MAX_EVENT_LOOP_DELAY', { MAX_EVENT_LOOP_DELAY: '100' }],
    ['MAX_EVENT_AGE', { MAX_EVENT_AGE: '-90d' }],
    ...[
      'MAX_BATCH_EVENTS',
      'MAX_EVENT_BYTES',
      'MAX_BODY_BYTES',
      'MAX_ANSWER_BYTES',
      'COMMIT_LANES',
      'GROUP_TENANTS',
      'MAX_GROUP_EVENTS',
      'MAX_TENANT_BATCHES',
      'MAX_QUEUED_EVENTS',
      'MAX_GROUP_BYTES',
      'MAX_QUEUED_BYTES',
      'READ_LANES',
      'MAX_TENANT_READS',
      'MAX_QUEUED_READS',
      'MAX_HEAP_BYTES',
    ].flatMap((name): [string, NodeJS.ProcessEnv][] =>
      ['0', '-1', '1.5', 'many', ' '].map((value) => [name, { [name]: value }]),
    ),
  ])('%s: %j', (name, environment) => {
    expect(refusal(environment)).toMatch(new RegExp(`\\b${name}\\b`));
  });

  test('when several variables are wrong', () => {
    const message = refusal({ PORT: 'x', COMMIT_LANES: '0', JWT_SECRET: 'short' });
    for (const name of ['PORT', 'COMMIT_LANES', 'JWT_SECRET']) expect(message).toContain(name);
    expect(message.split('\n')).toHaveLength(3);
  });

  test('without printing a secret or a password', () => {
    const message = refusal({ JWT_SECRET: 'hunter2', DATABASE_URL: 'mysql://user:hunter2@db/x' });
    expect(message).not.toContain('hunter2');
  });
});

describe('the table of settings', () => {
  const all = listSettings(settings);

  test('declares each variable once', () => {
    const variables = all.map(({ variable }) => variable);
    expect(new Set(variables).size).toBe(variables.length);
    expect(variables).toContain('DATABASE_URL');
  });

  test('prints every setting under one heading', () => {
    const printed = settingGroups.flatMap((group) => listSettings(group.settings));
    const variables = printed.map(({ variable }) => variable);
    expect(variables.toSorted()).toEqual(all.map(({ variable }) => variable).toSorted());
  });

  test('gives every setting a default that its schema accepts', () => {
    const rejected = all.filter(({ schema }) => !schema.safeParse(undefined).success);
    expect(rejected).toEqual([]);
  });

  test('gives every setting an example that its schema accepts', () => {
    const examples = all.filter(({ example }) => example !== '');
    const rejected = examples.filter(({ schema, example }) => !schema.safeParse(example).success);
    expect(rejected).toEqual([]);
    expect(all.filter(({ example }) => example === '').map(({ variable }) => variable)).toEqual([
      'JWT_SECRET',
    ]);
  });

  test('keeps descriptions free of what breaks a row of the printed table', () => {
    const texts = all.flatMap(({ summary, details = '', defaultText }) => [
      ...[summary, details, defaultText],
    ]);
    expect(texts.filter((text) => /[|\n]/.test(text))).toEqual([]);
  });
});
